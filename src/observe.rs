//! Looking at a loop from outside of its order: observers, and where the loop is.
//!
//! An [`Observer`] is told every [`Event`] of its loop, at fixed points: turns, phases, waits,
//! steps, drains, what is queued and by whom, promises, throws. Install it with
//! [`Builder::observer`](crate::Builder::observer), from inside with [`install`], or with
//! [`every_loop`] for loops that somebody else builds.
//!
//! ```
//! use std::{cell::RefCell, rc::Rc, time::Duration};
//! use nodeloop::observe::{Event, EventContext};
//! use nodeloop::{EventLoop, next_tick, set_timeout};
//!
//! let log = Rc::new(RefCell::new(Vec::new()));
//! let lines = log.clone();
//! let observer = move |event: &Event, context: &EventContext<'_>| {
//!     if let Event::StepBegin(step) = event {
//!         lines.borrow_mut().push(format!("{} at {:?}", step.kind, context.time()));
//!     }
//! };
//! EventLoop::builder().virtual_time().observer(observer).build()?.run_script(|| {
//!     set_timeout(Duration::from_millis(20), || next_tick(|| {}));
//! })?;
//! assert_eq!(
//!     *log.borrow(),
//!     ["main script at 0ns", "timeout at 20ms", "tick at 20ms", "before_exit at 20ms", "exit at 20ms"]
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`position`] says where the running code is, at any time and without any observer.
//!
//! The numbers in events ([`StepId`]) join what is queued with what runs: [`Event::Enqueued`] has
//! the number with which [`Event::StepBegin`] comes later, and the step that was running, which is
//! the cause. Numbers of steps are given only while somebody observes, so what was queued before
//! the first observer came begins with a number that was never told.
//!
//! Invariant: with and without observers, the order is the same.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::event_loop::current::{self, current};
use crate::event_loop::state::LoopState;

pub(crate) mod active_resource;
pub(crate) mod event;
mod every_loop;
mod histogram;
mod metrics;
pub(crate) mod position;
pub(crate) mod registry;
mod slow_callbacks;
pub(crate) mod starvation;
mod starvation_detector;
#[cfg(feature = "tracing")]
mod traced;
pub(crate) mod why_alive;

pub(crate) use every_loop::of_new_loop;
pub use every_loop::{EveryLoop, every_loop};
pub use histogram::Histogram;
pub use metrics::{Counts, Metrics, Utilization};
pub use slow_callbacks::{SlowCallback, SlowCallbacks, slow_callbacks, warn_of_slow_callbacks};
pub use starvation_detector::{StarvationDetector, starvation_detector};
#[cfg(feature = "tracing")]
pub use traced::Traced;

pub use crate::phases::macrotask::StepKind;
pub use event::{Event, Phase, PromiseId, SettledAs, Step, StepId};
pub use position::{Position, Queue};
pub use registry::{EventContext, Observer};
pub use starvation::{Link, Starvation};

/// Where the running code is: turn, phase, queue, time, and the place where the running callback
/// was made.
///
/// It costs nothing to keep and little to ask, and never panics: outside of any loop it says so.
pub fn position() -> Position {
    current::position()
}

/// Has `observer` told what happens in the loop of this thread, from now on until the returned
/// handle is dropped.
///
/// Observers are told in the order in which they were installed, those of the builder first.
///
/// # Panics
///
/// Outside of an event loop, and in an observer.
#[track_caller]
pub fn install(observer: impl Observer + 'static) -> ObserverHandle {
    let state = current("observe::install");
    ObserverHandle::new(state, Rc::new(observer), Location::caller())
}

/// An observer that [`install`] has installed. Dropping it removes the observer; what is under way
/// by then is not told to its end.
#[must_use = "dropping it removes the observer"]
pub struct ObserverHandle {
    state: Rc<LoopState>,
    /// `None` if it is to stay.
    id: Option<u64>,
}

impl ObserverHandle {
    pub(crate) fn new(
        state: Rc<LoopState>,
        observer: Rc<dyn Observer>,
        location: &'static Location<'static>,
    ) -> ObserverHandle {
        let id = state.observers.install(observer, location, &state.queues);
        state.update_fast_path();
        ObserverHandle {
            state,
            id: Some(id),
        }
    }

    /// Removes the observer now.
    pub fn remove(self) {}

    /// Leaves the observer in place until the loop is dropped.
    pub fn forget(mut self) {
        self.id = None;
    }
}

impl Drop for ObserverHandle {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.state.observers.remove(id); // and drops it, outside of any borrow
            self.state.update_fast_path();
        }
    }
}

impl fmt::Debug for ObserverHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installed").finish_non_exhaustive()
    }
}
