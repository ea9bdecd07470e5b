//! Cancelling from outside: `AbortController` and `AbortSignal`.
//!
//! A signal is aborted once, with a reason. Aborting tells the listeners at once, in the order in
//! which they were added, and then the signals that were made of it ([`AbortSignal::any`]), as
//! Node's `EventTarget` does (`lib/internal/abort_controller.js` `abortSignal`). A listener that
//! panics does not keep the others from being told; its panic is raised again in a tick.
//!
//! What takes a signal: any future ([`WithSignal`]), promises ([`Promise::abort_on`]), timers
//! ([`TimeoutHandle::abort_on`], [`ImmediateHandle::abort_on`]).
//!
//! Invariant: nothing of a signal is borrowed while a listener or a destructor runs.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::hooks::rejection::Reason;
use crate::promise::{Promise, TryPromise};
use crate::schedule::{ImmediateHandle, TimeoutHandle, next_tick, set_timeout};

/// Aborts what was given its [`signal`](AbortController::signal).
///
/// ```
/// use std::time::Duration;
/// use nodeloop::{AbortController, AbortExt, set_timeout, time};
///
/// let result = nodeloop::EventLoop::builder().virtual_time().build().unwrap().run(async {
///     let controller = AbortController::new();
///     let signal = controller.signal();
///     set_timeout(Duration::from_millis(10), move || controller.abort());
///     time::sleep(Duration::from_secs(3600)).with_signal(&signal).await
/// });
/// assert!(result.unwrap().is_err());
/// ```
#[derive(Debug, Clone, Default)]
pub struct AbortController {
    signal: AbortSignal,
}

impl AbortController {
    /// A controller with a signal that is not aborted.
    pub fn new() -> AbortController {
        AbortController::default()
    }

    /// The signal to hand out.
    pub fn signal(&self) -> AbortSignal {
        self.signal.clone()
    }

    /// Aborts with the usual reason, [`AbortReason`]. Only the first call counts.
    pub fn abort(&self) {
        self.abort_with(AbortReason::Aborted);
    }

    /// Aborts with a reason of your own. Only the first call counts.
    pub fn abort_with(&self, reason: impl Reason) {
        self.signal.state.abort(Rc::new(reason));
    }
}

/// Tells whether something is to be given up; handed out by an [`AbortController`].
///
/// Clones are the same signal. It belongs to one thread.
#[derive(Clone, Default)]
pub struct AbortSignal {
    state: Rc<SignalState>,
}

#[derive(Default)]
struct SignalState {
    reason: OnceCell<Rc<dyn Reason>>,
    listeners: RefCell<Vec<(u64, Listener)>>,
    next_listener: Cell<u64>,
    /// At how many listeners those that are over are looked for.
    look_at: Cell<usize>,
    /// The signals made of this one. A signal keeps those alive that it was made of, not these.
    dependants: RefCell<Vec<Weak<SignalState>>>,
    sources: RefCell<Vec<Rc<SignalState>>>,
}

enum Listener {
    Callback(Box<dyn FnOnce()>),
    Wake(Waker),
    /// Ends an operation, unless that is over; then the listener may go.
    End {
        end: Box<dyn FnOnce()>,
        is_over: Box<dyn Fn() -> bool>,
    },
}

/// The usual reasons of an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    /// [`AbortController::abort`]: Node's `AbortError`.
    Aborted,
    /// [`AbortSignal::timeout`]: Node's `TimeoutError`.
    TimedOut,
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AbortReason::Aborted => "the operation was aborted",
            AbortReason::TimedOut => "the operation was aborted due to timeout",
        })
    }
}

impl std::error::Error for AbortReason {}

impl AbortSignal {
    /// A signal that is aborted already.
    pub fn aborted_with(reason: impl Reason) -> AbortSignal {
        let signal = AbortSignal::default();
        signal.state.abort(Rc::new(reason));
        signal
    }

    /// A signal that is aborted behind `duration` with [`AbortReason::TimedOut`]. Its timer does
    /// not keep the loop alive, as in Node.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn timeout(duration: Duration) -> AbortSignal {
        let signal = AbortSignal::default();
        let state = Rc::downgrade(&signal.state);
        set_timeout(duration, move || {
            if let Some(state) = state.upgrade() {
                state.abort(Rc::new(AbortReason::TimedOut));
            }
        })
        .unref();
        signal
    }

    /// A signal that is aborted as soon as one of `signals` is, with the same reason.
    pub fn any<'a>(signals: impl IntoIterator<Item = &'a AbortSignal>) -> AbortSignal {
        let any = AbortSignal::default();
        for signal in signals {
            if let Some(reason) = signal.state.reason.get() {
                any.state.abort(reason.clone());
                return any;
            }
            let mut dependants = signal.state.dependants.borrow_mut();
            dependants.retain(|dependant| dependant.strong_count() > 0);
            dependants.push(Rc::downgrade(&any.state));
            any.state.sources.borrow_mut().push(signal.state.clone());
        }
        any
    }

    /// Whether it has been aborted.
    pub fn is_aborted(&self) -> bool {
        self.state.reason.get().is_some()
    }

    /// Why it was aborted, if it was.
    pub fn reason(&self) -> Option<&dyn Reason> {
        self.state.reason.get().map(|reason| &**reason)
    }

    /// `throwIfAborted`: an error if it has been aborted, for `?`.
    ///
    /// # Errors
    ///
    /// [`Aborted`] with the reason.
    pub fn check(&self) -> Result<(), Aborted> {
        match self.state.reason.get() {
            Some(reason) => Err(Aborted {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Calls `listener` when the signal is aborted, at once and on the stack of whoever aborts.
    ///
    /// A signal that is aborted already calls nobody any more, as in Node: ask
    /// [`is_aborted`](AbortSignal::is_aborted) first. Dropping what comes back changes nothing.
    pub fn on_abort(&self, listener: impl FnOnce() + 'static) -> AbortListener {
        let id = self.state.add(Listener::Callback(Box::new(listener)));
        AbortListener {
            state: Rc::downgrade(&self.state),
            id,
        }
    }

    /// Waits until the signal is aborted; gives the reason.
    pub async fn aborted(&self) -> Aborted {
        let wait = WithSignal::new(std::future::pending::<std::convert::Infallible>(), self);
        match wait.await {
            Ok(never) => match never {},
            Err(aborted) => aborted,
        }
    }
}

impl SignalState {
    fn add(&self, listener: Listener) -> Option<u64> {
        if self.reason.get().is_some() {
            return None;
        }
        self.forget_what_is_over();
        let id = self.next_listener.get();
        self.next_listener.set(id + 1);
        self.listeners.borrow_mut().push((id, listener));
        Some(id)
    }

    /// A signal may live as long as a server: its listeners must not outnumber what they end. The
    /// bound doubles, so a listener is looked at a constant number of times.
    fn forget_what_is_over(&self) {
        if self.listeners.borrow().len() < self.look_at.get().max(32) {
            return;
        }
        let all = self.listeners.take();
        let is_over =
            |listener: &Listener| matches!(listener, Listener::End { is_over, .. } if is_over());
        let (over, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, one)| is_over(one));
        self.look_at.set(open.len() * 2);
        *self.listeners.borrow_mut() = open;
        drop(over);
    }

    fn remove(&self, id: u64) -> Option<Listener> {
        let mut listeners = self.listeners.borrow_mut();
        let index = listeners.iter().position(|(known, _)| *known == id)?;
        Some(listeners.remove(index).1)
    }

    fn abort(&self, reason: Rc<dyn Reason>) {
        if self.reason.set(reason.clone()).is_err() {
            return;
        }
        loop {
            let mut listeners = self.listeners.borrow_mut();
            if listeners.is_empty() {
                break;
            }
            let (_, listener) = listeners.remove(0);
            drop(listeners);
            match listener {
                Listener::Wake(waker) => waker.wake(),
                Listener::Callback(callback) | Listener::End { end: callback, .. } => {
                    tell(callback)
                }
            }
        }
        let dependants = self.dependants.take();
        drop(self.sources.take());
        for dependant in dependants.iter().filter_map(Weak::upgrade) {
            dependant.abort(reason.clone());
        }
    }
}

/// Calls a listener; a panic in it is raised again in a tick, as Node's `EventTarget` does.
fn tell(listener: Box<dyn FnOnce()>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(listener)) {
        if crate::event_loop::current::try_current().is_none() {
            resume_unwind(payload);
        }
        next_tick(move || resume_unwind(payload));
    }
}

/// A listener added with [`AbortSignal::on_abort`].
#[derive(Debug, Clone)]
pub struct AbortListener {
    state: Weak<SignalState>,
    id: Option<u64>,
}

impl AbortListener {
    /// Takes the listener out, if it has not been called.
    pub fn remove(&self) {
        let state = self.state.upgrade();
        let removed = state.and_then(|state| state.remove(self.id?));
        drop(removed);
    }
}

/// The error of what was given up because its signal was aborted.
#[derive(Clone)]
pub struct Aborted {
    reason: Rc<dyn Reason>,
}

impl Aborted {
    /// Why.
    pub fn reason(&self) -> &dyn Reason {
        &*self.reason
    }

    /// Whether the signal was [`AbortSignal::timeout`]'s.
    pub fn is_timeout(&self) -> bool {
        let reason: &dyn Any = (*self.reason).as_any(); // not that of the `Rc`
        reason.downcast_ref() == Some(&AbortReason::TimedOut)
    }
}

impl fmt::Debug for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Aborted").field(&&*self.reason).finish()
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the operation was aborted: {:?}", self.reason)
    }
}

impl std::error::Error for Aborted {}

/// Of the kind `TimedOut` for a timeout, `Other` for every other reason; the reason as text.
impl From<Aborted> for std::io::Error {
    fn from(aborted: Aborted) -> std::io::Error {
        let kind = match aborted.is_timeout() {
            true => std::io::ErrorKind::TimedOut,
            false => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, aborted.to_string())
    }
}

impl fmt::Debug for AbortSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortSignal")
            .field("reason", &self.state.reason.get())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SignalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalState").finish_non_exhaustive()
    }
}

/// What this crate adds to every future.
pub trait AbortExt: Future + Sized {
    /// Gives the future up when `signal` is aborted: it is dropped, and the error comes one turn
    /// behind the abort. A signal that is aborted already lets the future not be polled at all;
    /// the error then costs one turn, too.
    ///
    /// Dropping a [`Promise`] only detaches it: for one of those take
    /// [`Promise::abort_on`] as well.
    fn with_signal(self, signal: &AbortSignal) -> WithSignal<Self> {
        WithSignal::new(self, signal)
    }
}

impl<F: Future> AbortExt for F {}

pin_project! {
    /// A future that is given up when its signal is aborted; see [`AbortExt::with_signal`].
    ///
    /// It is cancel safe if the future in it is.
    #[must_use = "futures do nothing unless polled"]
    pub struct WithSignal<F> {
        #[pin]
        future: Option<F>,
        signal: AbortSignal,
        waiting: Waiting,
        was_aborted_at_first: bool,
    }
}

/// The place of a future among the listeners of a signal; leaving it takes the listener out.
struct Waiting {
    state: Weak<SignalState>,
    listener: Option<(u64, Waker)>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let (Some(state), Some((id, _))) = (self.state.upgrade(), self.listener.take()) {
            let removed = state.remove(id);
            drop(removed);
        }
    }
}

impl<F: Future> WithSignal<F> {
    fn new(future: F, signal: &AbortSignal) -> WithSignal<F> {
        WithSignal {
            future: Some(future),
            waiting: Waiting {
                state: Rc::downgrade(&signal.state),
                listener: None,
            },
            signal: signal.clone(),
            was_aborted_at_first: false,
        }
    }
}

impl<F: Future> Future for WithSignal<F> {
    type Output = Result<F::Output, Aborted>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Err(aborted) = this.signal.check() {
            let first_poll = this.waiting.listener.is_none() && !*this.was_aborted_at_first;
            this.future.set(None);
            if first_poll {
                *this.was_aborted_at_first = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Err(aborted));
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            panic!("a `WithSignal` was polled after it had ended");
        };
        if let Poll::Ready(output) = future.poll(cx) {
            this.future.set(None);
            return Poll::Ready(Ok(output));
        }
        let known = this.waiting.listener.as_ref();
        if known.is_none_or(|(_, waker)| !waker.will_wake(cx.waker())) {
            let state = &this.signal.state;
            if let Some((id, _)) = this.waiting.listener.take() {
                let removed = state.remove(id);
                drop(removed);
            }
            match state.add(Listener::Wake(cx.waker().clone())) {
                Some(id) => this.waiting.listener = Some((id, cx.waker().clone())),
                // The future has aborted its own signal.
                None => cx.waker().wake_by_ref(),
            }
        }
        Poll::Pending
    }
}

impl<F> fmt::Debug for WithSignal<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithSignal")
            .field("signal", &self.signal)
            .finish_non_exhaustive()
    }
}

impl<T: 'static> Promise<T> {
    /// [Aborts](Promise::abort) the promise when `signal` is aborted, at once if it is already:
    /// a task is cancelled, a job that has not started leaves the queue.
    pub fn abort_on(self, signal: &AbortSignal) -> Promise<T> {
        let state = Rc::downgrade(self.state());
        let settles = state.clone();
        let is_over = move || settles.upgrade().is_none_or(|state| state.is_settled());
        end_when(signal, is_over, move || {
            if let Some(state) = state.upgrade() {
                state.abort();
            }
        });
        self
    }
}

impl<T: 'static, E: 'static> TryPromise<T, E> {
    /// As [`Promise::abort_on`].
    pub fn abort_on(self, signal: &AbortSignal) -> TryPromise<T, E> {
        let state = Rc::downgrade(self.state());
        let settles = state.clone();
        let is_over = move || settles.upgrade().is_none_or(|state| state.is_settled());
        end_when(signal, is_over, move || {
            if let Some(state) = state.upgrade() {
                state.abort();
            }
        });
        self
    }
}

impl TimeoutHandle {
    /// [Clears](Timeout::clear) the timer when `signal` is aborted, at once if it is already.
    pub fn abort_on(&self, signal: &AbortSignal) -> &TimeoutHandle {
        let (timer, watched) = (self.clone(), self.clone());
        end_when(signal, move || !watched.is_pending(), move || timer.clear());
        self
    }
}

impl ImmediateHandle {
    /// [Clears](Immediate::clear) the immediate when `signal` is aborted, at once if it is already.
    pub fn abort_on(&self, signal: &AbortSignal) -> &ImmediateHandle {
        let (immediate, watched) = (self.clone(), self.clone());
        end_when(
            signal,
            move || !watched.is_pending(),
            move || immediate.clear(),
        );
        self
    }
}

fn end_when(
    signal: &AbortSignal,
    is_over: impl Fn() -> bool + 'static,
    end: impl FnOnce() + 'static,
) {
    if signal.is_aborted() {
        end();
    } else {
        signal.state.add(Listener::End {
            end: Box::new(end),
            is_over: Box::new(is_over),
        });
    }
}
