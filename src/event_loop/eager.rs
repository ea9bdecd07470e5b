//! The first poll of a task that is spawned eagerly, on the stack of its spawner (R46).
//!
//! Safe code cannot ask for the size of its stack, so a loop limits what nested eager spawns may use.
//! A count alone would not protect the stack: in a debug build a level of a small future needs three
//! kilobytes, and a level whose `poll` has large local variables needs more than their size.

use std::cell::Cell;
use std::panic::Location;

use super::state::LoopState;
use crate::observe::event::{Event, PromiseId};
use crate::phases::macrotask::SourceLocation;

/// The maximum depth of nested eager spawns: tasks that spawn a task within their first poll.
///
/// The stack that they may use is limited, too; see
/// [`Builder::spawn_stack`](crate::Builder::spawn_stack). In a debug build, where each level
/// needs about three kilobytes, the default of that limit is reached first.
pub const MAX_SPAWN_DEPTH: usize = 512;

/// The default of [`Builder::spawn_stack`](crate::Builder::spawn_stack).
///
/// The smallest of the usual stacks has one megabyte: that of the main thread on Windows.
pub(crate) const DEFAULT_SPAWN_STACK: usize = 768 * 1024;

/// How deep the eager spawns of a loop are nested, and the limit of the stack that they use.
pub(crate) struct SpawnNesting {
    depth: Cell<usize>,
    /// The address of the stack at the outermost spawn.
    outermost: Cell<usize>,
    max_stack: Cell<usize>,
}

impl Default for SpawnNesting {
    fn default() -> SpawnNesting {
        SpawnNesting {
            depth: Cell::new(0),
            outermost: Cell::new(0),
            max_stack: Cell::new(DEFAULT_SPAWN_STACK),
        }
    }
}

impl SpawnNesting {
    pub(crate) fn set_max_stack(&self, bytes: usize) {
        self.max_stack.set(bytes);
    }

    /// Enters one more level, until the guard is dropped.
    #[track_caller]
    fn enter(&self) -> Level<'_> {
        let depth = self.depth.get();
        let address = stack_address();
        if depth == 0 {
            self.outermost.set(address);
        }
        let used = self.outermost.get().abs_diff(address);
        if depth >= MAX_SPAWN_DEPTH || used > self.max_stack.get() {
            self.refuse(used);
        }
        self.depth.set(depth + 1);
        Level { nesting: self }
    }

    #[cold]
    #[track_caller]
    fn refuse(&self, used: usize) -> ! {
        panic!(
            "`spawn` at {} is nested {} deep on {} KiB of stack: it polls the future at once, on the \
             caller's stack, at most {MAX_SPAWN_DEPTH} deep and on {} KiB; use `spawn_lazy`, which \
             polls it in a microtask of its own, or set `Builder::spawn_stack`",
            Location::caller(),
            self.depth.get(),
            used / 1024,
            self.max_stack.get() / 1024,
        )
    }
}

/// One level of nested eager spawns.
pub(crate) struct Level<'a> {
    nesting: &'a SpawnNesting,
}

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.nesting.depth.set(self.nesting.depth.get() - 1);
    }
}

/// Returns an address in the stack frame of the caller.
#[inline(always)]
fn stack_address() -> usize {
    let local = 0_u8;
    match cfg!(any(miri, fuzzing)) {
        // Miri has no stack: each variable has an address of its own. Fuzzers use AddressSanitizer, which
        // has variables on the heap. There, only the depth is limited.
        true => 0,
        false => (&raw const local).addr(),
    }
}

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
        let level = self.begin_eager(promise, location);
        first_poll();
        self.end_eager(level, promise, location);
    }

    /// Begins what [`eagerly`](LoopState::eagerly) does.
    #[track_caller]
    #[inline]
    pub(crate) fn begin_eager(&self, promise: PromiseId, location: SourceLocation) -> Level<'_> {
        let level = self.spawn_nesting.enter();
        self.notify_observers(|| Event::EagerBegin { promise, location });
        level
    }

    #[inline]
    pub(crate) fn end_eager(&self, level: Level<'_>, promise: PromiseId, location: SourceLocation) {
        self.notify_observers(|| Event::EagerEnd { promise, location });
        drop(level);
    }
}
