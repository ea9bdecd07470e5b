//! The first poll of a task that is spawned eagerly, on the stack of its spawner (R46).

use std::panic::Location;

use super::state::LoopState;
use crate::observe::event::{Event, PromiseId};
use crate::phases::macrotask::SourceLocation;

/// The maximum depth of nested eager spawns: tasks that spawn a task within their first poll.
///
/// In a debug build each level needs about three kilobytes of stack, so that a thread with Rust's
/// default of two megabytes has room for all of them.
pub const MAX_SPAWN_DEPTH: usize = 512;

/// The least stack, in bytes, that must be left to the future of an eager spawn.
const STACK_RESERVE: usize = 128 * 1024;

impl LoopState {
    /// Calls `first_poll`, which makes the first poll of the task of a promise. Observers are notified
    /// before and after it.
    #[track_caller]
    pub(crate) fn eagerly(
        &self,
        promise: PromiseId,
        location: SourceLocation,
        first_poll: impl FnOnce(),
    ) {
        let _depth = Depth::enter(self);
        self.notify_observers(|| Event::EagerBegin { promise, location });
        first_poll();
        self.notify_observers(|| Event::EagerEnd { promise, location });
    }
}

/// One level of nested eager spawns.
struct Depth<'a> {
    owner: &'a LoopState,
}

impl Depth<'_> {
    #[track_caller]
    fn enter(owner: &LoopState) -> Depth<'_> {
        let depth = owner.spawn_depth.get();
        let stack_left = stacker::remaining_stack().unwrap_or(usize::MAX);
        if depth >= MAX_SPAWN_DEPTH || stack_left < STACK_RESERVE {
            refuse(depth, stack_left);
        }
        owner.spawn_depth.set(depth + 1);
        Depth { owner }
    }
}

impl Drop for Depth<'_> {
    fn drop(&mut self) {
        self.owner.spawn_depth.set(self.owner.spawn_depth.get() - 1);
    }
}

#[cold]
#[track_caller]
fn refuse(depth: usize, stack_left: usize) -> ! {
    panic!(
        "`spawn` at {} is nested {depth} deep with {} KiB of stack left: it polls the future at \
         once, on the caller's stack, at most {MAX_SPAWN_DEPTH} deep; use `spawn_lazy`, which \
         polls it in a microtask of its own",
        Location::caller(),
        stack_left / 1024,
    )
}
