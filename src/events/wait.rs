//! Waiting for an event once: `events.once` of Node's `lib/events.js` (R71).

use std::cell::{OnceCell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures::future::FusedFuture;

use super::{Event, EventEmitter, EventKey, EventName, Listener, SharedError, error};
use crate::promise::{Settled, TryResolver, try_with_resolver};

/// Listens to an event once, and returns a future of its argument: `await once(emitter, name)`.
///
/// The listener is added at once. The future costs as many turns as Node's: an await continues two
/// turns after the emit, or three if the emit comes before the first turn (R71). If the emitter emits
/// [`error`](super::error) first, that is the `Err`.
///
/// To give up on a signal, use [`with_signal`](crate::AbortExt::with_signal), or drop the future, which
/// removes the listeners.
///
/// # Errors
///
/// Returns an [`EventError`] if the emitter emits an error, and if the listener is removed or the
/// emitter dropped before the event. As with every promise, an error is reported if the future was not
/// polled by the end of the drain (R14).
///
/// # Panics
///
/// Panics if called outside of an event loop, and like [`EventEmitter::on`].
///
/// # Examples
///
/// ```
/// use nodeloop::events::{self, Event, EventEmitter};
///
/// const READY: Event<str> = Event::new("ready");
///
/// let text = nodeloop::block_on(async {
///     let emitter = std::rc::Rc::new(EventEmitter::new());
///     let other = emitter.clone();
///     nodeloop::set_immediate(move || { other.emit(READY, "now"); });
///     events::once(&emitter, READY).await
/// });
/// assert_eq!(text.unwrap(), "now");
/// ```
#[track_caller]
pub fn once<A, K>(emitter: &EventEmitter<K>, event: Event<A, K>) -> Once<A::Owned>
where
    A: ToOwned<Owned: fmt::Debug> + ?Sized + 'static,
    K: EventKey,
{
    let (emitted, resolver) = try_with_resolver();
    // In Node this is an async function that returns a promise, which costs two more turns (R43).
    let (promise, outer) = try_with_resolver();
    outer.resolve_with(emitted);
    let waiting = Rc::new(Waiting {
        resolver: RefCell::new(Some(resolver)),
        on_event: OnceCell::new(),
        on_error: OnceCell::new(),
    });
    let is_error = *event.name() == EventName::Error;
    let sender = Sender(waiting.clone());
    let on_event = emitter.once(event, move |argument: &A| {
        sender.0.conclude(Ok(argument.to_owned()));
    });
    let _ = waiting.on_event.set(on_event);
    if !is_error {
        let sender = waiting.clone();
        let on_error = emitter.once(error(), move |error| {
            sender.conclude(Err(EventError::Emitted(error.clone())));
        });
        let _ = waiting.on_error.set(on_error);
    }
    Once {
        promise: promise.settled().abort_on_drop(),
        waiting,
    }
}

/// The future of [`once`]: it waits for an event.
///
/// # Cancel safety
///
/// Dropping it removes its listeners. An event that was emitted before is lost with it.
#[must_use = "dropping it removes the listener: await it"]
pub struct Once<T: 'static> {
    promise: Settled<Result<T, EventError>>,
    waiting: Rc<Waiting<T>>,
}

/// What a future and its listeners share.
struct Waiting<T: 'static> {
    resolver: RefCell<Option<TryResolver<T, EventError>>>,
    on_event: OnceCell<Listener>,
    on_error: OnceCell<Listener>,
}

impl<T: 'static> Waiting<T> {
    fn conclude(&self, result: Result<T, EventError>) {
        let resolver = self.resolver.take();
        self.remove_listeners();
        match (resolver, result) {
            (Some(resolver), Ok(value)) => resolver.resolve(value),
            (Some(resolver), Err(error)) => resolver.reject(error),
            (None, _) => {}
        }
    }

    fn remove_listeners(&self) {
        for listener in [&self.on_event, &self.on_error] {
            if let Some(listener) = listener.get() {
                listener.remove();
            }
        }
    }
}

/// The event's listener owns it. It is dropped without a call if the listener is removed.
struct Sender<T: 'static>(Rc<Waiting<T>>);

impl<T: 'static> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.conclude(Err(EventError::Removed));
    }
}

impl<T: 'static> Future for Once<T> {
    type Output = Result<T, EventError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.promise).poll(cx));
        // The end of the loop is the only other reason for the end of the promise.
        Poll::Ready(outcome.unwrap_or(Err(EventError::Removed)))
    }
}

impl<T: 'static> FusedFuture for Once<T> {
    fn is_terminated(&self) -> bool {
        self.promise.is_terminated()
    }
}

impl<T: 'static> Drop for Once<T> {
    fn drop(&mut self) {
        drop(self.waiting.resolver.take()); // no error is reported
        self.waiting.remove_listeners();
    }
}

impl<T: 'static> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once")
            .field("listener", &self.waiting.on_event.get())
            .finish_non_exhaustive()
    }
}

/// The error of [`once`] and [`on`](super::on).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventError {
    /// The emitter has emitted [`error`](super::error), with this argument.
    Emitted(SharedError),
    /// The listener was removed, or the emitter dropped, before the event.
    Removed,
}

/// The text of an emitted error is that of the error.
impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventError::Emitted(error) => error.fmt(f),
            EventError::Removed => {
                f.write_str("the listener was removed, or its emitter dropped, before the event")
            }
        }
    }
}

impl Error for EventError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            EventError::Emitted(error) => error.source(),
            EventError::Removed => None,
        }
    }
}
