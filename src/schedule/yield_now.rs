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
use crate::phases::macrotask::Work;

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
#[track_caller]
pub fn yield_now() -> YieldNow {
    let state = current("yield_now");
    let queued = state.push_immediate(Work::Wake(None), Location::caller());
    let stage = queued.map_or(Stage::Refused, Stage::Queued);
    YieldNow {
        state,
        stage,
        polled: false,
    }
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
    polled: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The loop was ending: the future is pending forever.
    Refused,
    /// The immediate is in the check queue, or has run.
    Queued(ImmediateId),
    Resumed,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let id = match self.stage {
            Stage::Queued(id) => id,
            Stage::Refused => return Poll::Pending,
            Stage::Resumed => return Poll::Ready(()),
        };
        let mut check = self.state.check.borrow_mut();
        if let Some(work) = check.pending_work(id) {
            let wake = Work::waking(self.state.polled_task(cx), cx);
            let replaced = std::mem::replace(work, wake);
            drop(check);
            match replaced {
                Work::Wake(None) => std::mem::forget(replaced), // it owns nothing
                replaced => drop(replaced),
            }
            self.polled = true;
            return Poll::Pending;
        }
        drop(check);
        if !std::mem::replace(&mut self.polled, true) {
            // The immediate has run before the first poll, which therefore costs one turn.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.stage = Stage::Resumed;
        Poll::Ready(())
    }
}

impl FusedFuture for YieldNow {
    fn is_terminated(&self) -> bool {
        matches!(self.stage, Stage::Resumed)
    }
}

impl Drop for YieldNow {
    fn drop(&mut self) {
        if let Stage::Queued(id) = self.stage {
            self.state.clear_immediate(id);
        }
    }
}

impl std::fmt::Debug for YieldNow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("YieldNow")
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
