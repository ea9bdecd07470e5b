//! What a [`Promise`](super::Promise) and a [`TryPromise`](super::TryPromise) contain: an awaiter of a
//! state, or the output itself.
//!
//! A task that returns a value from its first poll needs no state, because nothing but the handle can reach
//! its promise. The handle gets a state when something else than an `await` needs one, such as a reaction, a
//! combinator or `shared`.
//!
//! Invariant: the order of turns, what observers are notified of, and what is reported do not depend on
//! whether there is a state.

use std::cell::Cell;
use std::fmt;
use std::mem::{forget, needs_drop, replace};
use std::rc::Rc;
use std::task::{Context, Poll};

use super::awaiter::{Awaiter, fmt_promise};
use super::identity::Identity;
use super::no_reason;
use super::state::{Awaiting, State, refuse_poll};

/// The handle of a promise that is not shared.
pub(super) struct PromiseHandle<O: 'static> {
    repr: Repr<O>,
}

enum Repr<O: 'static> {
    Awaiter(Awaiter<O>),
    /// Fulfilled, without a state.
    Fulfilled(Fulfilled<O>),
    /// It had no state, and has returned its output.
    Taken(Identity),
    /// It has been converted, and is about to be dropped.
    Converted,
}

/// A fulfilled promise without a state.
struct Fulfilled<O> {
    output: O,
    promise: Identity,
    stage: Cell<Stage>,
}

/// What has happened to a fulfilled promise. It is a word, because a handle is copied by words just after it
/// was made, and a load waits for a store that is smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Stage {
    New,
    Handled,
    /// It was polled, so the one turn that awaiting costs is queued (R45).
    TurnQueued,
}

/// The output is not pinned.
impl<O: 'static> Unpin for PromiseHandle<O> {}

impl<O: 'static> PromiseHandle<O> {
    pub(super) fn new(state: Rc<State<O>>) -> PromiseHandle<O> {
        let repr = Repr::Awaiter(Awaiter::new(state));
        PromiseHandle { repr }
    }

    /// Creates the handle of a promise that is fulfilled. The output must be no rejection, and the
    /// promise be created in an empty context.
    #[inline]
    pub(super) fn fulfilled(promise: Identity, output: O) -> PromiseHandle<O> {
        let repr = Repr::Fulfilled(Fulfilled {
            output,
            promise,
            stage: Cell::new(Stage::New),
        });
        PromiseHandle { repr }
    }

    pub(super) fn is_settled(&self) -> bool {
        match &self.repr {
            Repr::Awaiter(awaiter) => awaiter.state().is_settled(),
            _ => true,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        match &self.repr {
            Repr::Awaiter(awaiter) => awaiter.is_done(),
            Repr::Fulfilled(_) => false,
            Repr::Taken(_) | Repr::Converted => true,
        }
    }

    pub(super) fn mark_handled(&self) {
        match &self.repr {
            Repr::Awaiter(awaiter) => awaiter.state().mark_handled(),
            Repr::Fulfilled(fulfilled) if fulfilled.stage.get() == Stage::New => {
                fulfilled.stage.set(Stage::Handled);
            }
            _ => {}
        }
    }

    /// Polls for the output, as [`Awaiter::poll_output`] does.
    #[inline]
    pub(super) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<O> {
        match &mut self.repr {
            Repr::Awaiter(awaiter) => awaiter.poll_output(cx),
            Repr::Fulfilled(fulfilled) => {
                if fulfilled.stage.replace(Stage::TurnQueued) == Stage::TurnQueued {
                    return Poll::Ready(self.take_output());
                }
                fulfilled.promise.owner.wake_polled(cx);
                Poll::Pending
            }
            Repr::Taken(promise) => refuse_poll(promise.location),
            Repr::Converted => unreachable!("a handle is converted by value"),
        }
    }

    #[inline]
    fn take_output(&mut self) -> O {
        let Repr::Fulfilled(fulfilled) = replace(&mut self.repr, Repr::Converted) else {
            unreachable!("only a fulfilled promise has an output");
        };
        // `Converted` owns nothing. Nearly every await would look whether it does.
        forget(replace(&mut self.repr, Repr::Taken(fulfilled.promise)));
        fulfilled.output
    }

    /// Converts the handle into an awaiter of a state.
    #[inline(always)] // a loop converts all members of a combinator
    pub(super) fn into_awaiter(mut self) -> Awaiter<O> {
        match replace(&mut self.repr, Repr::Converted) {
            Repr::Awaiter(awaiter) => awaiter,
            Repr::Fulfilled(fulfilled) => fulfilled.into_awaiter(),
            Repr::Taken(promise) => taken_awaiter(promise),
            Repr::Converted => unreachable!("a handle is converted by value"),
        }
    }

    pub(super) fn into_state(self) -> Rc<State<O>> {
        self.into_awaiter().into_state()
    }
}

/// Creates the awaiter of a promise that has returned its output.
#[cold]
fn taken_awaiter<O: 'static>(promise: Identity) -> Awaiter<O> {
    let state = State::of(promise, None, no_reason);
    state.take_unsettled();
    Awaiter::with_progress(state, Awaiting::Done)
}

impl<O: 'static> Fulfilled<O> {
    #[cold]
    fn into_awaiter(self) -> Awaiter<O> {
        let stage = self.stage.get();
        let state = State::of(self.promise, None, no_reason);
        state.fulfil_unobserved(self.output);
        if stage != Stage::New {
            state.mark_handled();
        }
        let progress = match stage {
            Stage::TurnQueued => Awaiting::TurnQueued,
            Stage::New | Stage::Handled => Awaiting::NotPolled,
        };
        Awaiter::with_progress(state, progress)
    }
}

impl<O: 'static> Drop for PromiseHandle<O> {
    /// Drops an output that was not taken, as a state does.
    #[inline]
    fn drop(&mut self) {
        if needs_drop::<O>()
            && matches!(self.repr, Repr::Fulfilled(_))
            && let Repr::Fulfilled(fulfilled) = replace(&mut self.repr, Repr::Converted)
        {
            let Identity {
                owner, location, ..
            } = fulfilled.promise;
            owner.drop_value(fulfilled.output, location);
        }
    }
}

impl<O: 'static> fmt::Debug for PromiseHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repr {
            Repr::Awaiter(awaiter) => awaiter.fmt(f),
            Repr::Fulfilled(Fulfilled { promise, .. }) | Repr::Taken(promise) => {
                fmt_promise(f, promise.location, true)
            }
            Repr::Converted => f.write_str("Promise"),
        }
    }
}
