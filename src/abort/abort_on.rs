//! The operations that a signal can abort: futures, promises, timers and immediates.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use futures::future::FusedFuture;
use pin_project_lite::pin_project;

use super::listeners::{OnAbort, Operation};
use super::{AbortSignal, Aborted};
use crate::phases::macrotask::SourceLocation;
use crate::promise::{Settled, State};
use crate::schedule::{ImmediateHandle, TimeoutHandle};

/// Extends every future with [`with_signal`](AbortExt::with_signal).
pub trait AbortExt: Future + Sized {
    /// Drops the future when `signal` is aborted, and returns [`Aborted`] instead of its output.
    ///
    /// The error is returned one turn after the abort. If the signal is already aborted, the future
    /// is never polled, and the error is returned one turn after the first poll.
    ///
    /// Dropping a [`Promise`](crate::Promise) only detaches its task. To end the task as well, use
    /// [`Settled::abort_on`].
    #[track_caller]
    fn with_signal(self, signal: &AbortSignal) -> WithSignal<Self> {
        WithSignal {
            future: Some(self),
            registration: Registration {
                signal: signal.clone(),
                stage: Stage::NotPolled,
                location: Location::caller(),
            },
        }
    }
}

impl<F: Future> AbortExt for F {}

pin_project! {
    /// The future of [`AbortExt::with_signal`].
    ///
    /// # Panics
    ///
    /// Panics if it is polled after it has returned. It is a [`FusedFuture`], which `select!` does
    /// not poll again.
    ///
    /// # Cancel safety
    ///
    /// It is cancel safe if its future is. Dropping it removes it from the signal's listeners.
    #[must_use = "futures do nothing unless polled"]
    pub struct WithSignal<F> {
        #[pin]
        future: Option<F>,
        registration: Registration,
    }
}

/// The listener by which a signal wakes the task of a future. Dropping it removes the listener.
struct Registration {
    signal: AbortSignal,
    stage: Stage,
    location: SourceLocation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    NotPolled,
    /// The listener has this id.
    Registered(u64),
    /// The signal was aborted before a listener could be added; the turn that the error costs is
    /// queued.
    TurnQueued,
    /// The output or the error was returned.
    Done,
}

impl Registration {
    /// Registers the task to be woken by the abort.
    fn register(&mut self, cx: &Context<'_>) {
        let state = &self.signal.state;
        let id = match self.stage {
            Stage::Registered(id) => state.set_waker(id, cx.waker()).then_some(id),
            _ => state.add(OnAbort::Wake(cx.waker().clone())),
        };
        match id {
            Some(id) => self.stage = Stage::Registered(id),
            None => self.queue_turn(cx), // the future has aborted its own signal
        }
    }

    fn queue_turn(&mut self, cx: &Context<'_>) {
        self.stage = Stage::TurnQueued;
        cx.waker().wake_by_ref();
    }
}

impl Registration {
    /// Removes the listener, if there is one.
    fn finish(&mut self) {
        if let Stage::Registered(id) = std::mem::replace(&mut self.stage, Stage::Done) {
            self.signal.state.remove(id);
        }
    }

    #[cold]
    fn refuse_poll(&self) -> ! {
        panic!(
            "the future of `with_signal` created at {} was polled after it had returned: await it \
             once",
            self.location
        );
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.finish();
    }
}

impl<F: Future> Future for WithSignal<F> {
    type Output = Result<F::Output, Aborted>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.registration.stage == Stage::Done {
            this.registration.refuse_poll();
        }
        if let Err(aborted) = this.registration.signal.check() {
            this.future.set(None);
            if this.registration.stage == Stage::NotPolled {
                this.registration.queue_turn(cx);
                return Poll::Pending;
            }
            this.registration.finish();
            return Poll::Ready(Err(aborted));
        }
        let future = this.future.as_mut().as_pin_mut();
        if let Some(Poll::Ready(output)) = future.map(|future| future.poll(cx)) {
            this.future.set(None);
            this.registration.finish();
            return Poll::Ready(Ok(output));
        }
        this.registration.register(cx);
        Poll::Pending
    }
}

impl<F: Future> FusedFuture for WithSignal<F> {
    fn is_terminated(&self) -> bool {
        self.registration.stage == Stage::Done
    }
}

impl<F> fmt::Debug for WithSignal<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithSignal")
            .field("signal", &self.registration.signal)
            .finish_non_exhaustive()
    }
}

impl<O: 'static> Settled<O> {
    /// [Aborts](Settled::abort) the promise when `signal` is aborted, at once if it already is.
    pub fn abort_on(self, signal: &AbortSignal) -> Settled<O> {
        signal.listen_for(Rc::downgrade(self.state()));
        self
    }
}

impl TimeoutHandle {
    /// [Clears](TimeoutHandle::clear) the timer when `signal` is aborted, at once if it already is.
    pub fn abort_on(&self, signal: &AbortSignal) -> &TimeoutHandle {
        signal.listen_for(self.clone());
        self
    }
}

impl ImmediateHandle {
    /// [Clears](ImmediateHandle::clear) the immediate when `signal` is aborted, at once if it
    /// already is.
    pub fn abort_on(&self, signal: &AbortSignal) -> &ImmediateHandle {
        signal.listen_for(self.clone());
        self
    }
}

impl AbortSignal {
    fn listen_for(&self, operation: impl Operation + 'static) {
        if self.is_aborted() {
            operation.abort();
        } else {
            self.state.add(OnAbort::Operation(Box::new(operation)));
        }
    }
}

impl<O: 'static> Operation for Weak<State<O>> {
    fn is_over(&self) -> bool {
        self.upgrade().is_none_or(|promise| promise.is_settled())
    }

    fn abort(&self) {
        if let Some(promise) = self.upgrade() {
            promise.abort();
        }
    }
}

impl Operation for TimeoutHandle {
    fn is_over(&self) -> bool {
        !self.may_run()
    }

    fn abort(&self) {
        self.clear();
    }
}

impl Operation for ImmediateHandle {
    fn is_over(&self) -> bool {
        !self.is_pending()
    }

    fn abort(&self) {
        self.clear();
    }
}
