//! Functions that let time pass: for virtual clocks.

use std::panic::Location;
use std::time::Duration;

use crate::async_local::bind;
use crate::event_loop::current::current;
use crate::phases::macrotask::{Macrotask, Origin, StepKind};
use crate::phases::poll::delivery::footprint::{Access, Key};
use crate::promise::{Promise, with_resolver};

/// Blocks the loop for `duration`: time passes and nothing runs, as during a busy callback.
///
/// A virtual clock advances at once. With a real clock the thread sleeps.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn block_for(duration: Duration) {
    let state = current("time::block_for");
    state.poll.delivery.touch(Key::Clock, Access::Write);
    state.clock.block_for(duration);
}

/// Blocks the loop until every job of its pool has finished.
///
/// Meanwhile nothing is delivered, and a virtual clock does not advance. The next poll phase
/// delivers the completions.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn wait_for_jobs() {
    let state = current("time::wait_for_jobs");
    match state.pool.last_end() {
        Ok(None) => {}
        Ok(Some(end)) => state.clock.block_for(end.saturating_sub(state.clock.now())),
        Err(location) => panic!(
            "`time::wait_for_jobs` waits for a job that never finishes, submitted at {location:?}: \
             let the simulated host finish it, or do not wait for it"
        ),
    }
    let end = state.pool.wait_for_jobs();
    state.poll.jobs_have_finished(end);
}

/// Advances virtual time by `duration`: waits until everything that becomes due has run.
///
/// After the `await`, the clock is `duration` later than at the call, or more if a callback blocked
/// for longer, and no timer that was due by then is pending. The future keeps the loop alive.
///
/// # Panics
///
/// Panics if called outside of an event loop, and if the clock is real.
#[track_caller]
pub fn advance(duration: Duration) -> Promise<()> {
    let state = current("time::advance");
    assert!(
        state.clock.is_virtual(),
        "`time::advance` needs a virtual clock: build the loop with \
         `EventLoop::builder().virtual_time()`, or await `time::sleep` instead"
    );
    let target = state.clock.now().saturating_add(duration);
    state.poll.time.allow_until(target);
    let (promise, resolver) = with_resolver();
    // A timers phase runs between two poll phases: everything that is due at the target has run
    // when the second completion is delivered.
    simulate_completion(duration, move || {
        simulate_completion(Duration::ZERO, move || resolver.resolve(()));
    });
    promise
}

/// Calls `callback` as the completion of an operation that takes `duration`: as a macrotask of the
/// first poll phase after `duration` has passed (R61).
///
/// It is meant for virtual time, where it replaces a read or a request of a known duration. It
/// keeps the loop alive until `callback` is called.
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn simulate_completion(duration: Duration, callback: impl FnOnce() + 'static) {
    let state = current("time::simulate_completion");
    if state.is_open() {
        let due = state.clock.now().saturating_add(duration);
        let mut origin = Origin::new(StepKind::Simulated, Location::caller());
        origin.entry = state.enqueued(origin, Some(due));
        let macrotask = Macrotask::callback(bind(&state, callback), origin);
        state.poll.simulated.add(due, macrotask);
    }
}
