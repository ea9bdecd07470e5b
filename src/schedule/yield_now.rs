//! `yield_now`: an immediate that resumes the task that awaits it (R41).

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;

use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::phases::check::ImmediateId;

/// Yields to the loop: resumes in the next check phase (R41), as Node's
/// `timersPromises.setImmediate()`.
///
/// Meanwhile the loop delivers I/O that is ready and timers that are due. This call queues the
/// immediate, not the first poll. To yield to other microtasks only, await a settled promise
/// ([`promise::ready`](crate::promise::ready)).
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[inline]
#[track_caller]
pub fn yield_now() -> YieldNow {
    let state = current("yield_now");
    let stage = match state.push_waking_immediate(Location::caller()) {
        Some(id) => Stage::new(id, QUEUED),
        None => Stage::new(0, REFUSED),
    };
    YieldNow { state, stage }
}

/// The future of [`yield_now`].
///
/// Once it has resumed it stays ready, and is terminated (see [`FusedFuture`]).
///
/// # Cancel safety
///
/// It is cancel safe. Dropping it clears its immediate.
#[must_use = "futures do nothing unless polled"]
pub struct YieldNow {
    state: Rc<LoopState>,
    stage: Stage,
}

/// What has become of the immediate, and its number, in one word: [`yield_now`] then returns its future in
/// two registers.
#[derive(Clone, Copy)]
struct Stage(u64);

/// The loop was ending: the future is pending forever.
const REFUSED: u64 = 0;
/// The immediate is in the check queue, or has run. The future was not polled.
const QUEUED: u64 = 1;
/// The same, but it was polled.
const POLLED: u64 = 2;
/// The future is ready.
const RESUMED: u64 = 3;

impl Stage {
    #[inline]
    fn new(id: ImmediateId, stage: u64) -> Stage {
        Stage(id << 2 | stage)
    }

    #[inline]
    fn id(self) -> ImmediateId {
        self.0 >> 2
    }

    #[inline]
    fn is(self, stage: u64) -> bool {
        self.0 & 3 == stage
    }

    /// Returns the number of the immediate if the future waits for it.
    #[inline]
    fn waits_for(self) -> Option<ImmediateId> {
        (self.is(QUEUED) || self.is(POLLED)).then_some(self.id())
    }
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let stage = self.stage;
        if stage.is(POLLED) && self.state.check.borrow().has_passed(stage.id()) {
            self.stage = Stage::new(stage.id(), RESUMED);
            return Poll::Ready(());
        }
        self.wait(cx)
    }
}

impl YieldNow {
    /// Polls it before it can resume, or after it has.
    #[inline]
    fn wait(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(id) = self.stage.waits_for() else {
            return match self.is_terminated() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            };
        };
        self.stage = Stage::new(id, POLLED);
        let mut check = self.state.check.borrow_mut();
        let Some(work) = check.pending_work(id) else {
            // The immediate has run before the first poll, which therefore costs one turn.
            drop(check);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let replaced = work.set_waking(self.state.polled_task(cx), cx);
        drop(check);
        drop(replaced);
        Poll::Pending
    }
}

impl FusedFuture for YieldNow {
    fn is_terminated(&self) -> bool {
        self.stage.is(RESUMED)
    }
}

impl Drop for YieldNow {
    fn drop(&mut self) {
        if let Some(id) = self.stage.waits_for() {
            self.state.clear_immediate(id);
        }
    }
}

impl std::fmt::Debug for YieldNow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("YieldNow")
            .field("is_terminated", &self.is_terminated())
            .finish_non_exhaustive()
    }
}
