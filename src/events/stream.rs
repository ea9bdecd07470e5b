//! A stream of events: `events.on` of Node's `lib/events.js` (R71).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures::Stream;
use futures::stream::FusedStream;

use super::{Event, EventEmitter, EventError, EventKey, EventName, Listener, SharedError, error};
use crate::phases::macrotask::SourceLocation;
use crate::promise::{Promise, Resolver, ready as fulfilled, with_resolver_at};

/// Listens to an event, and returns a stream of its arguments: `on(emitter, name)`.
///
/// The listener is added at once. Events that are emitted while no code polls the stream are queued,
/// without a limit, as in Node without its `highWaterMark`.
/// An event costs one turn, whether it was queued or not (R71). If the emitter emits
/// [`error`](super::error), the stream returns what is queued, then the error, and ends. It also ends when
/// its listener is removed or the emitter dropped, and after an event given to
/// [`close_on`](Events::close_on).
///
/// To give up on a signal, use [`with_signal`](crate::AbortExt::with_signal) on the future of the next
/// event, or drop the stream, which removes its listeners.
///
/// # Panics
///
/// Panics like [`EventEmitter::on`].
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use nodeloop::events::{self, Event, EventEmitter};
///
/// const DATA: Event<u32> = Event::new("data");
/// const END: Event<()> = Event::new("end");
///
/// let sum = nodeloop::block_on(async {
///     let emitter = EventEmitter::new();
///     let mut numbers = events::on(&emitter, DATA).close_on(&emitter, END);
///     nodeloop::set_immediate(move || {
///         emitter.emit(DATA, &1);
///         emitter.emit(DATA, &2);
///         emitter.emit(END, &());
///     });
///     let mut sum = 0;
///     while let Some(number) = numbers.next().await {
///         sum += number?;
///     }
///     Ok::<u32, events::EventError>(sum)
/// });
/// assert_eq!(sum.unwrap(), 3);
/// ```
#[track_caller]
pub fn on<A, K>(emitter: &EventEmitter<K>, event: Event<A, K>) -> Events<A::Owned>
where
    A: ToOwned + ?Sized + 'static,
    K: EventKey,
{
    let queue = Rc::new(Queue {
        events: RefCell::default(),
        error: RefCell::default(),
        is_closed: Cell::new(false),
        waiting: RefCell::default(),
        listeners: RefCell::default(),
    });
    let is_error = *event.name() == EventName::Error;
    let sender = Sender(queue.clone());
    let on_event = emitter.on(event, move |argument: &A| {
        sender.0.push(argument.to_owned())
    });
    queue.listeners.borrow_mut().push(on_event);
    if !is_error {
        let sender = queue.clone();
        let on_error = emitter.on(error(), move |error| sender.fail(error.clone()));
        queue.listeners.borrow_mut().push(on_error);
    }
    Events {
        queue,
        next: None,
        location: std::panic::Location::caller(),
    }
}

/// The stream of [`on`]: the events of an emitter.
///
/// # Cancel safety
///
/// Dropping the future of the next event loses no event. Dropping the stream removes its listeners.
#[must_use = "dropping it removes the listener"]
pub struct Events<T: 'static> {
    queue: Rc<Queue<T>>,
    /// The promise of the next event, while somebody waits for it.
    next: Option<Promise<Next<T>>>,
    location: SourceLocation,
}

type Next<T> = Option<Result<T, EventError>>;

/// What a stream and its listeners share.
struct Queue<T: 'static> {
    events: RefCell<VecDeque<T>>,
    /// Comes after the events that are queued.
    error: RefCell<Option<SharedError>>,
    is_closed: Cell<bool>,
    waiting: RefCell<Option<Resolver<Next<T>>>>,
    listeners: RefCell<Vec<Listener>>,
}

impl<T: 'static> Queue<T> {
    fn push(&self, event: T) {
        if let Some(waiting) = self.waiting.take() {
            waiting.resolve(Some(Ok(event)));
        } else if !self.is_closed.get() {
            self.events.borrow_mut().push_back(event);
        }
    }

    fn fail(&self, error: SharedError) {
        match self.waiting.take() {
            Some(waiting) => waiting.resolve(Some(Err(EventError::Emitted(error)))),
            None => drop(self.error.replace(Some(error))), // outside of the borrow
        }
        self.close();
    }

    fn close(&self) {
        self.is_closed.set(true);
        for listener in self.listeners.take() {
            listener.remove();
        }
        if let Some(waiting) = self.waiting.take() {
            waiting.resolve(None);
        }
    }

    /// Returns the promise of the next event: `iterator.next()`.
    fn next(&self, location: SourceLocation) -> Promise<Next<T>> {
        let event = self.events.borrow_mut().pop_front();
        if let Some(event) = event {
            return fulfilled(Some(Ok(event)));
        }
        if let Some(error) = self.error.take() {
            return fulfilled(Some(Err(EventError::Emitted(error))));
        }
        if self.is_closed.get() {
            return fulfilled(None);
        }
        let (promise, resolver) = with_resolver_at(location);
        drop(self.waiting.replace(Some(resolver))); // outside of the borrow
        promise
    }
}

/// The event's listener owns it. It is dropped when the listener is removed, which ends the stream.
struct Sender<T: 'static>(Rc<Queue<T>>);

impl<T: 'static> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<T: 'static> Events<T> {
    /// Ends the stream, after the events that are queued, when `event` is emitted: the option `close`
    /// of Node's `events.on`.
    #[track_caller]
    pub fn close_on<A: ?Sized + 'static, K: EventKey>(
        self,
        emitter: &EventEmitter<K>,
        event: Event<A, K>,
    ) -> Events<T> {
        let queue = self.queue.clone();
        let on_close = emitter.on(event, move |_: &A| queue.close());
        self.queue.listeners.borrow_mut().push(on_close);
        self
    }
}

impl<T: 'static> Stream for Events<T> {
    type Item = Result<T, EventError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let next = this
            .next
            .get_or_insert_with(|| this.queue.next(this.location));
        let item = ready!(std::future::Future::poll(Pin::new(next), cx));
        this.next = None;
        Poll::Ready(item)
    }
}

impl<T: 'static> FusedStream for Events<T> {
    fn is_terminated(&self) -> bool {
        let queue = &self.queue;
        let is_empty = queue.events.borrow().is_empty() && queue.error.borrow().is_none();
        self.next.is_none() && queue.is_closed.get() && is_empty
    }
}

impl<T: 'static> Drop for Events<T> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl<T: 'static> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("queued", &self.queue.events.borrow().len())
            .field("is_closed", &self.queue.is_closed.get())
            .finish_non_exhaustive()
    }
}
