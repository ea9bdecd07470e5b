//! Events with listeners, by the rules of Node's `EventEmitter` (R67–R72).
//!
//! | Node | nodeloop |
//! |---|---|
//! | `new EventEmitter()` | [`EventEmitter::new`] |
//! | `emitter.on`, `.once`, `.prependListener`, `.prependOnceListener` | [`on`](EventEmitter::on), [`once`](EventEmitter::once), [`prepend`](EventEmitter::prepend), [`prepend_once`](EventEmitter::prepend_once) |
//! | `emitter.emit` | [`emit`](EventEmitter::emit) |
//! | `emitter.emit('error', error)` | [`emit_error`](EventEmitter::emit_error) |
//! | `emitter.off` | [`Listener::remove`] |
//! | `emitter.removeAllListeners(name)`, `.removeAllListeners()` | [`remove_all`](EventEmitter::remove_all), [`clear`](EventEmitter::clear) |
//! | `emitter.listenerCount`, `.eventNames` | [`listener_count`](EventEmitter::listener_count), [`event_names`](EventEmitter::event_names) |
//! | `emitter.setMaxListeners`, `.getMaxListeners` | [`set_max_listeners`](EventEmitter::set_max_listeners), [`max_listeners`](EventEmitter::max_listeners) |
//! | `'error'`, `errorMonitor`, `'newListener'`, `'removeListener'` | [`error`], [`error_monitor`], [`new_listener`], [`remove_listener`] |
//! | an `async` listener with `captureRejections` | [`on_async`](EventEmitter::on_async) |
//! | `await once(emitter, name)` | [`once`]`(&emitter, event).await` |
//! | `for await (const [value] of on(emitter, name))` | [`on`]`(&emitter, event)`, a stream |
//!
//! An [`Event`] is the name of an event together with the type of its argument, so a listener knows
//! the type, and the compiler checks each `emit`.
//!
//! ```
//! use nodeloop::events::{Event, EventEmitter};
//!
//! const LINE: Event<str> = Event::new("line");
//! const CLOSE: Event<()> = Event::new("close");
//!
//! let emitter = EventEmitter::new();
//! emitter.on(LINE, |line| println!("got {line}"));
//! emitter.once(CLOSE, |()| println!("closed"));
//!
//! assert!(emitter.emit(LINE, "one"));
//! assert!(emitter.emit(CLOSE, &()));
//! assert!(!emitter.emit(CLOSE, &())); // nobody listens any more
//! ```
//!
//! # Order
//!
//! `emit` calls the listeners at once, in the order in which they were added, on the caller's stack.
//! It needs no event loop, and nothing waits in a queue. It calls those that existed when it began,
//! including the ones that are removed meanwhile. A listener that panics ends the `emit`: the panic
//! leaves it, and the listeners after that one are not called.
//!
//! # Listeners that emit
//!
//! A listener is an [`Fn`], because it may be called again before it has returned: when it emits its own
//! event. Use a [`Cell`](std::cell::Cell) for a state that it changes.
//!
//! An emitter that its own listeners use is shared through an [`Rc`](std::rc::Rc). A listener should hold
//! a [`Weak`](std::rc::Weak), or the emitter, which owns the listener, is never dropped:
//!
//! ```
//! use std::rc::Rc;
//! use nodeloop::events::{Event, EventEmitter};
//!
//! const COUNTDOWN: Event<u32> = Event::new("countdown");
//!
//! let emitter = Rc::new(EventEmitter::new());
//! let weak = Rc::downgrade(&emitter);
//! emitter.on(COUNTDOWN, move |n| {
//!     println!("{n}");
//!     if let (Some(emitter), 1..) = (weak.upgrade(), n) {
//!         emitter.emit(COUNTDOWN, &(n - 1));
//!     }
//! });
//! emitter.emit(COUNTDOWN, &3);
//! ```
//!
//! # Errors
//!
//! The event [`error`] must have a listener: without one, [`emit_error`](EventEmitter::emit_error)
//! returns the error to its caller, where Node throws it. [`once`] and [`on`] also listen to it.
//!
//! # Keys
//!
//! A key is a `&'static str` unless another type is chosen: `EventEmitter<u64>` has one event for each
//! number. Two events with the same key must have arguments of the same type.

mod emitter;
mod list;
mod stream;
mod wait;

use std::error::Error;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

pub use crate::hooks::listener::Listener;
pub use emitter::EventEmitter;
pub use stream::{Events, on};
pub use wait::{EventError, Once, once};

/// An event of an [`EventEmitter`]: its name, and the type `A` of its argument.
///
/// # Examples
///
/// ```
/// use nodeloop::events::{Event, EventEmitter};
///
/// const DATA: Event<[u8]> = Event::new("data");
///
/// #[derive(Debug, Clone, PartialEq, Eq, Hash)]
/// enum Key {
///     Response(u64),
/// }
///
/// let requests = EventEmitter::<Key>::default();
/// let response = |id| Event::<String, Key>::new(Key::Response(id));
/// requests.once(response(7), |text| assert_eq!(text, "done"));
/// requests.emit(response(7), &"done".to_owned());
/// # let emitter = EventEmitter::new();
/// # emitter.emit(DATA, b"bytes");
/// ```
pub struct Event<A: ?Sized, K = &'static str> {
    name: EventName<K>,
    argument: PhantomData<fn(&A)>,
}

impl<A: ?Sized, K> Event<A, K> {
    /// Creates an event with this key.
    pub const fn new(key: K) -> Event<A, K> {
        Event::with_name(EventName::Key(key))
    }

    const fn with_name(name: EventName<K>) -> Event<A, K> {
        Event {
            name,
            argument: PhantomData,
        }
    }

    /// Returns the name.
    pub const fn name(&self) -> &EventName<K> {
        &self.name
    }
}

impl<A: ?Sized, K: Clone> Clone for Event<A, K> {
    fn clone(&self) -> Self {
        Event::with_name(self.name.clone())
    }
}

impl<A: ?Sized, K: Copy> Copy for Event<A, K> {}

impl<A: ?Sized, K: fmt::Debug> fmt::Debug for Event<A, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Event").field(&self.name).finish()
    }
}

/// The name of an event: a key of the program, or one of the names that Node defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventName<K = &'static str> {
    /// An event of the program, created by [`Event::new`].
    Key(K),
    /// [`error`].
    Error,
    /// [`error_monitor`].
    ErrorMonitor,
    /// [`new_listener`].
    NewListener,
    /// [`remove_listener`].
    RemoveListener,
}

impl<K: fmt::Debug> EventName<K> {
    /// Returns the name for messages.
    fn text(&self) -> String {
        match self {
            EventName::Key(key) => format!("{key:?}"),
            name => format!("{name:?}"),
        }
    }
}

impl<K: fmt::Display> fmt::Display for EventName<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventName::Key(key) => key.fmt(f),
            EventName::Error => f.write_str("error"),
            EventName::ErrorMonitor => f.write_str("errorMonitor"),
            EventName::NewListener => f.write_str("newListener"),
            EventName::RemoveListener => f.write_str("removeListener"),
        }
    }
}

impl<A: ?Sized, K> From<Event<A, K>> for EventName<K> {
    fn from(event: Event<A, K>) -> EventName<K> {
        event.name
    }
}

impl<K: Clone> From<&EventName<K>> for EventName<K> {
    fn from(name: &EventName<K>) -> EventName<K> {
        name.clone()
    }
}

/// A type whose values are keys of events. Every type with these traits is one.
pub trait EventKey: Clone + Eq + Hash + fmt::Debug + 'static {}

impl<K: Clone + Eq + Hash + fmt::Debug + 'static> EventKey for K {}

/// The argument of the event [`error`].
///
/// It is an error itself, so `?` converts it, and `downcast_ref` returns the original.
pub type SharedError = Arc<dyn Error + Send + Sync>;

/// Returns Node's event `'error'` (R69).
///
/// [`EventEmitter::emit_error`] emits it, and returns the error if there is no listener.
#[doc(alias = "unhandled error event")]
pub const fn error<K>() -> Event<SharedError, K> {
    Event::with_name(EventName::Error)
}

/// Returns Node's event `errorMonitor`: its listeners are called before those of [`error`], and do
/// not count as listeners of it (R69).
#[doc(alias = "errorMonitor")]
pub const fn error_monitor<K>() -> Event<SharedError, K> {
    Event::with_name(EventName::ErrorMonitor)
}

/// Returns Node's event `'newListener'`, which an emitter emits before it adds a listener (R70).
///
/// The argument is the name of the event that gets a listener.
#[doc(alias = "newListener")]
pub const fn new_listener<K>() -> Event<EventName<K>, K> {
    Event::with_name(EventName::NewListener)
}

/// Returns Node's event `'removeListener'`, which an emitter emits after it has removed a listener
/// (R70).
///
/// The argument is the name of the event that has lost a listener.
#[doc(alias = "removeListener")]
pub const fn remove_listener<K>() -> Event<EventName<K>, K> {
    Event::with_name(EventName::RemoveListener)
}
