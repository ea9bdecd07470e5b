//! The emitter: listeners are added, called and removed as in `EventEmitter.prototype` of Node's
//! `lib/events.js`.
//!
//! Invariant: nothing is borrowed while a listener or a destructor runs.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::{Rc, Weak};

use rustc_hash::FxHashMap;

use super::list::{AnyList, Entry, List, Removed};
use super::{
    Event, EventKey, EventName, SharedError, error_monitor, new_listener, remove_listener,
};
use crate::event_loop::current::try_current;
use crate::hooks::emit_warning;
use crate::hooks::listener::{Listener, Registration};
use crate::hooks::warning::Warning;
use crate::phases::macrotask::SourceLocation;
use crate::promise::{ready, spawn_at};
use crate::schedule::next_tick_at;

/// Calls the listeners of events, by the rules of Node; see the [module](super).
///
/// It needs no event loop. It is not `Clone`: share it with an [`Rc`](std::rc::Rc). Dropping it drops
/// its listeners.
#[doc(alias = "EventTarget")]
pub struct EventEmitter<K: EventKey = &'static str> {
    state: Rc<State<K>>,
}

struct State<K> {
    events: RefCell<FxHashMap<EventName<K>, Listeners>>,
    /// The id of the next listener at the end of a list.
    next_id: Cell<i64>,
    /// The id of the next listener at the beginning of a list.
    next_prepended_id: Cell<i64>,
    next_event: Cell<u64>,
    max_listeners: Cell<usize>,
}

/// The listeners of one event. An event without listeners has none.
struct Listeners {
    /// Grows with each event that gets its first listener.
    since: u64,
    list: Box<dyn AnyList>,
    /// Whether there was a warning about their number (R70).
    has_warned: bool,
}

/// Node's `EventEmitter.defaultMaxListeners`.
const DEFAULT_MAX_LISTENERS: usize = 10;

/// Where a listener is added.
#[derive(Clone, Copy)]
enum Position {
    First,
    Last,
}

impl EventEmitter {
    /// Creates an emitter without listeners, whose keys are `&'static str`.
    ///
    /// `EventEmitter::<K>::default()` creates one with other keys.
    pub fn new() -> EventEmitter {
        EventEmitter::default()
    }
}

impl<K: EventKey> Default for EventEmitter<K> {
    fn default() -> EventEmitter<K> {
        EventEmitter {
            state: Rc::new(State {
                events: RefCell::default(),
                next_id: Cell::new(0),
                next_prepended_id: Cell::new(-1),
                next_event: Cell::new(0),
                max_listeners: Cell::new(DEFAULT_MAX_LISTENERS),
            }),
        }
    }
}

impl<K: EventKey> EventEmitter<K> {
    /// Adds a listener after the others of the event (R67).
    ///
    /// The handle removes it. Dropping the handle does not.
    ///
    /// # Panics
    ///
    /// Panics if the event has listeners for another type of argument.
    #[doc(alias = "addListener")]
    #[track_caller]
    pub fn on<A: ?Sized + 'static>(
        &self,
        event: Event<A, K>,
        listener: impl Fn(&A) + 'static,
    ) -> Listener {
        self.add(event, Entry::Every(Box::new(listener)), Position::Last)
    }

    /// Adds a listener that is removed before its first call (R68).
    ///
    /// # Panics
    ///
    /// Panics like [`on`](EventEmitter::on).
    #[track_caller]
    pub fn once<A: ?Sized + 'static>(
        &self,
        event: Event<A, K>,
        listener: impl FnOnce(&A) + 'static,
    ) -> Listener {
        self.add(event, Entry::once(listener), Position::Last)
    }

    /// Adds a listener before the others of the event (R67).
    ///
    /// # Panics
    ///
    /// Panics like [`on`](EventEmitter::on).
    #[doc(alias = "prependListener")]
    #[track_caller]
    pub fn prepend<A: ?Sized + 'static>(
        &self,
        event: Event<A, K>,
        listener: impl Fn(&A) + 'static,
    ) -> Listener {
        self.add(event, Entry::Every(Box::new(listener)), Position::First)
    }

    /// Adds a listener before the others that is removed before its first call (R68).
    ///
    /// # Panics
    ///
    /// Panics like [`on`](EventEmitter::on).
    #[doc(alias = "prependOnceListener")]
    #[track_caller]
    pub fn prepend_once<A: ?Sized + 'static>(
        &self,
        event: Event<A, K>,
        listener: impl FnOnce(&A) + 'static,
    ) -> Listener {
        self.add(event, Entry::once(listener), Position::First)
    }

    /// Adds a listener that starts a task, and emits its failure as [`error`](super::error): Node's
    /// `captureRejections` (R72).
    ///
    /// The future runs at once up to its first wait, as with [`spawn`](crate::spawn). An `Err` is
    /// emitted in a tick, one turn after the task has ended. If nobody listens to `error` then, that
    /// is an uncaught panic ([`on_uncaught`](crate::on_uncaught)). A panic of the task is reported as
    /// that of any other task.
    ///
    /// # Panics
    ///
    /// Panics like [`on`](EventEmitter::on). The listener panics if it is called outside of an event
    /// loop.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::events::{self, Event, EventEmitter};
    ///
    /// const PATH: Event<str> = Event::new("path");
    ///
    /// let error = nodeloop::block_on(async {
    ///     let emitter = EventEmitter::new();
    ///     emitter.on_async(PATH, |path| {
    ///         let path = path.to_owned();
    ///         async move { nodeloop::fs::read(path).await.map(drop) }
    ///     });
    ///     emitter.emit(PATH, "/does/not/exist");
    ///     events::once(&emitter, events::error()).await
    /// });
    /// let error = error.unwrap();
    /// assert!(error.downcast_ref::<std::io::Error>().is_some());
    /// ```
    #[doc(alias = "captureRejections")]
    #[track_caller]
    pub fn on_async<A, F, E>(
        &self,
        event: Event<A, K>,
        listener: impl Fn(&A) -> F + 'static,
    ) -> Listener
    where
        A: ?Sized + 'static,
        F: Future<Output = Result<(), E>> + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let (state, location) = (Rc::downgrade(&self.state), Location::caller());
        self.on(event, move |argument| {
            let (state, future) = (state.clone(), listener(argument));
            let task = async move {
                if let Err(error) = future.await {
                    ready(()).await; // R72: a reaction takes a turn
                    next_tick_at(location, move || {
                        emit_failure(&state, error.into().into(), location)
                    });
                }
            };
            spawn_at(location, task).detach();
        })
    }

    /// Calls the listeners of the event with the argument, in order (R67). Returns whether there was
    /// one.
    ///
    /// # Panics
    ///
    /// Panics if a listener does, and then calls no further listener. Panics if the event has
    /// listeners for another type of argument, and if it is [`error`](super::error) and has none; see
    /// [`emit_error`](EventEmitter::emit_error).
    #[track_caller]
    pub fn emit<A: ?Sized + 'static>(&self, event: Event<A, K>, argument: &A) -> bool {
        let is_error = event.name == EventName::Error;
        if is_error {
            self.call(&Event::with_name(EventName::ErrorMonitor), argument); // of the same type
        }
        let has_listeners = self.call(&event, argument);
        assert!(
            has_listeners || !is_error,
            "an `error` event has no listener: add one, or use `emit_error`, which returns the error: {}",
            error_text(argument)
        );
        has_listeners
    }

    /// Emits the event [`error`](super::error), or returns the error if nobody listens to it (R69).
    ///
    /// # Errors
    ///
    /// Returns the error if there is no listener. Node throws it at this place.
    ///
    /// # Panics
    ///
    /// Panics if a listener does.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::events::{self, EventEmitter};
    ///
    /// fn parse(emitter: &EventEmitter) -> Result<(), Box<dyn std::error::Error>> {
    ///     if let Err(error) = "4x".parse::<i32>() {
    ///         emitter.emit_error(error)?; // a listener deals with it, or the caller
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let emitter = EventEmitter::new();
    /// assert!(parse(&emitter).is_err());
    /// emitter.on(events::error(), |error| println!("no number: {error}"));
    /// assert!(parse(&emitter).is_ok());
    /// ```
    #[track_caller]
    #[must_use = "an `error` without a listener is a failure: use `?`, or add a listener of `error`"]
    pub fn emit_error(
        &self,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Result<(), SharedError> {
        let error = SharedError::from(error.into());
        self.call(&error_monitor(), &error);
        match self.call(&super::error(), &error) {
            true => Ok(()),
            false => Err(error),
        }
    }

    /// Returns the number of listeners of an event.
    pub fn listener_count(&self, event: impl Into<EventName<K>>) -> usize {
        let events = self.state.events.borrow();
        events.get(&event.into()).map_or(0, |it| it.list.len())
    }

    /// Returns the names of the events that have listeners, in the order in which each got its first
    /// one (R70).
    #[doc(alias = "eventNames")]
    pub fn event_names(&self) -> Vec<EventName<K>> {
        self.state.names()
    }

    /// Removes all listeners of an event (R70).
    ///
    /// If [`remove_listener`](super::remove_listener) has listeners, they are called for each, from
    /// the last to the first.
    #[doc(alias = "removeAllListeners")]
    pub fn remove_all(&self, event: impl Into<EventName<K>>) {
        self.state.remove_all(&event.into());
    }

    /// Removes all listeners of all events, those of [`remove_listener`](super::remove_listener) at
    /// the end (R70).
    #[doc(alias = "removeAllListeners")]
    pub fn clear(&self) {
        let state = &self.state;
        if state.has(&EventName::RemoveListener) {
            let names = state.names().into_iter();
            for name in names.filter(|name| *name != EventName::RemoveListener) {
                state.remove_all(&name);
            }
            state.remove_all(&EventName::RemoveListener);
        }
        drop(state.events.take()); // outside of the borrow
    }

    /// Sets the number of listeners of one event above which there is a warning; 10 by default, and no
    /// limit if it is 0 (R70).
    ///
    /// A program that adds a listener for each request, and removes none, leaks. The
    /// `MaxListenersExceededWarning` is emitted once for each event, by the loop that is running;
    /// outside of a loop there is none. See [`on_warning`](crate::on_warning).
    #[doc(alias = "setMaxListeners")]
    pub fn set_max_listeners(&self, count: usize) {
        self.state.max_listeners.set(count);
    }

    /// Returns the number of listeners of one event above which there is a warning.
    #[doc(alias = "getMaxListeners")]
    pub fn max_listeners(&self) -> usize {
        self.state.max_listeners.get()
    }

    #[track_caller]
    fn add<A: ?Sized + 'static>(
        &self,
        event: Event<A, K>,
        entry: Entry<A>,
        position: Position,
    ) -> Listener {
        let state = &self.state;
        // R70: before it is added, so that what this adds comes first.
        self.call(&new_listener(), &event.name);
        let id = state.next_id(position);
        let mut events = state.events.borrow_mut();
        let listeners = events.entry(event.name.clone()).or_insert_with(|| {
            let since = state.next_event.get();
            state.next_event.set(since + 1);
            Listeners {
                since,
                list: Box::new(List::<A>::default()),
                has_warned: false,
            }
        });
        let list: &mut dyn Any = &mut *listeners.list;
        match list.downcast_mut::<List<A>>() {
            Some(list) => list.add(id, entry),
            None => wrong_type::<A, K>(&event.name, &*listeners.list),
        }
        let warning = listeners.warning(&event.name, state.max_listeners.get());
        drop(events);
        if let (Some(warning), true) = (warning, try_current().is_some()) {
            emit_warning(warning);
        }
        Listener::new(EmitterListener {
            state: Rc::downgrade(state),
            name: event.name,
            id,
        })
    }

    /// Calls the listeners that the event has now. Returns whether there was one.
    #[track_caller]
    fn call<A: ?Sized + 'static>(&self, event: &Event<A, K>, argument: &A) -> bool {
        let Some(entries) = self.entries(event) else {
            return false;
        };
        for (id, entry) in &*entries {
            match &**entry {
                Entry::Every(listener) => listener(argument),
                Entry::Once(listener) => {
                    // R68: an inner emit may have called it.
                    if let Some(listener) = listener.take() {
                        self.state.remove(&event.name, *id);
                        listener(argument);
                    }
                }
            }
        }
        true
    }

    #[track_caller]
    fn entries<A: ?Sized + 'static>(
        &self,
        event: &Event<A, K>,
    ) -> Option<Rc<BTreeMap<i64, Rc<Entry<A>>>>> {
        let events = self.state.events.borrow();
        let list = &*events.get(&event.name)?.list;
        match (list as &dyn Any).downcast_ref::<List<A>>() {
            Some(list) => Some(list.entries()),
            None => wrong_type::<A, K>(&event.name, list),
        }
    }
}

impl Listeners {
    /// Returns a warning if these are more listeners than `limit`, once.
    #[track_caller]
    fn warning<K: EventKey>(&mut self, name: &EventName<K>, limit: usize) -> Option<Warning> {
        let count = self.list.len();
        if limit == 0 || count <= limit || self.has_warned {
            return None;
        }
        self.has_warned = true;
        let message = format!(
            "possible memory leak: the event {} has {count} listeners, and the limit is {limit}; \
             remove listeners that are not needed, or call `set_max_listeners`",
            name.text()
        );
        Some(Warning::new(message).with_name("MaxListenersExceededWarning"))
    }
}

impl<K: EventKey> State<K> {
    fn next_id(&self, position: Position) -> i64 {
        let (next, step) = match position {
            Position::First => (&self.next_prepended_id, -1),
            Position::Last => (&self.next_id, 1),
        };
        next.replace(next.get() + step)
    }

    fn has(&self, name: &EventName<K>) -> bool {
        self.events.borrow().contains_key(name)
    }

    fn names(&self) -> Vec<EventName<K>> {
        let events = self.events.borrow();
        let mut names: Vec<_> = events.iter().map(|(name, it)| (it.since, name)).collect();
        names.sort_unstable_by_key(|(since, _)| *since);
        names.into_iter().map(|(_, name)| name.clone()).collect()
    }

    /// Removes a listener. Returns whether it was there.
    fn remove(self: &Rc<Self>, name: &EventName<K>, id: i64) -> bool {
        let removed = self.take(name, id);
        if removed.is_none() {
            return false;
        }
        let emitter = EventEmitter {
            state: self.clone(),
        };
        emitter.call(&remove_listener(), name); // R70
        true
    }

    fn take(&self, name: &EventName<K>, id: i64) -> Option<Removed> {
        let mut events = self.events.borrow_mut();
        let listeners = events.get_mut(name)?;
        let removed = listeners.list.remove(id);
        if listeners.list.len() == 1 {
            listeners.has_warned = false; // in Node, a single listener is not in a list
        }
        let emptied = (listeners.list.len() == 0).then(|| events.remove(name));
        drop(events);
        drop(emptied);
        removed
    }

    fn remove_all(self: &Rc<Self>, name: &EventName<K>) {
        if self.has(&EventName::RemoveListener) {
            let last = || self.events.borrow().get(name).and_then(|it| it.list.last());
            while let Some(id) = last() {
                self.remove(name, id);
            }
        } else {
            let removed = self.events.borrow_mut().remove(name);
            drop(removed); // outside of the borrow
        }
    }
}

/// Emits the failure of a task of [`EventEmitter::on_async`].
fn emit_failure<K: EventKey>(state: &Weak<State<K>>, error: SharedError, location: SourceLocation) {
    let emitter = state.upgrade().map(|state| EventEmitter { state });
    let is_handled = emitter.is_some_and(|emitter| {
        emitter.call(&error_monitor(), &error);
        emitter.call(&super::error(), &error)
    });
    assert!(
        is_handled,
        "the async listener added at {location} failed, and the event `error` has no listener: {error}"
    );
}

#[track_caller]
fn wrong_type<A: ?Sized, K: EventKey>(name: &EventName<K>, list: &dyn AnyList) -> ! {
    panic!(
        "the event {} is used with an argument of type `{}`, and has listeners for `{}`: give the two \
         events different keys",
        name.text(),
        std::any::type_name::<A>(),
        list.argument()
    )
}

/// Returns the text of the argument of an `error` event, whose type is always the same.
fn error_text<A: ?Sized + 'static>(error: &A) -> String {
    let text: fn(&SharedError) -> String = SharedError::to_string;
    let text = (&text as &dyn Any).downcast_ref::<fn(&A) -> String>();
    text.map(|text| text(error)).unwrap_or_default()
}

impl<K: EventKey> fmt::Debug for EventEmitter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventEmitter")
            .field("events", &self.event_names())
            .finish_non_exhaustive()
    }
}

/// A listener of an [`EventEmitter`].
struct EmitterListener<K: EventKey> {
    state: Weak<State<K>>, // a listener may own its own handle
    name: EventName<K>,
    id: i64,
}

impl<K: EventKey> Registration for EmitterListener<K> {
    fn remove(&self) -> bool {
        let state = self.state.upgrade();
        state.is_some_and(|state| state.remove(&self.name, self.id))
    }

    fn subject(&self) -> &dyn fmt::Debug {
        &self.name
    }
}
