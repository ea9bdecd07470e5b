//! Observers, which receive the events of a loop, and the position of the loop.
//!
//! An [`Observer`] receives every [`Event`] of its loop: turns, phases, waits, steps, drains, what
//! is queued and by which step, promises and panics. Install it with
//! [`Builder::observer`](crate::Builder::observer), inside of a running loop with [`install`], or
//! with [`every_loop`] for loops that other code builds. Observers do not change the order in which
//! anything runs.
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
//! [`position`] returns the position of the running code, even without observers.
//!
//! The numbers in events ([`StepId`]) connect what is queued with what runs: [`Event::Enqueued`]
//! contains the number of the later [`Event::StepBegin`], and the step that was running, which is
//! the cause. Steps are numbered only while the loop has an observer: the number of a step that was
//! queued before the first observer was installed is in no `Enqueued` event.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::event_loop::current::{self, current};
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::SourceLocation;

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
pub use every_loop::{EveryLoopHandle, every_loop};
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

/// Returns the position of the running code: turn, phase, queue, time, and where the running callback
/// was created.
///
/// It is cheap and never panics. Outside of any loop the queue is [`Queue::Outside`].
pub fn position() -> Position {
    current::position()
}

/// Registers `observer` for all events of the loop of this thread, until the returned handle is
/// dropped.
///
/// Observers are notified in the order in which they were installed, those of the builder first.
///
/// # Panics
///
/// Panics if no event loop is running on this thread, or if it is called by an observer.
#[track_caller]
pub fn install(observer: impl Observer + 'static) -> ObserverHandle {
    let state = current("observe::install");
    ObserverHandle::new(state, Rc::new(observer), Location::caller())
}

/// An observer that was installed with [`install`]. Dropping the handle removes the observer.
///
/// An observer that is removed between a begin event and its end event, for example in the middle
/// of a phase, does not receive the end event.
#[must_use = "dropping it removes the observer"]
pub struct ObserverHandle {
    state: Rc<LoopState>,
    /// `None` if dropping the handle does not remove the observer.
    id: Option<u64>,
    location: SourceLocation,
}

impl ObserverHandle {
    pub(crate) fn new(
        state: Rc<LoopState>,
        observer: Rc<dyn Observer>,
        location: SourceLocation,
    ) -> ObserverHandle {
        let id = state.observers.install(observer, location, &state.queues);
        state.update_fast_path();
        ObserverHandle {
            state,
            id: Some(id),
            location,
        }
    }

    /// Removes the observer.
    pub fn remove(self) {}

    /// Keeps the observer until the loop is dropped.
    pub fn forget(mut self) {
        self.id = None;
    }
}

impl Drop for ObserverHandle {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let removed = self.state.observers.remove(id);
            self.state.update_fast_path();
            self.state.drop_value(removed, self.location);
        }
    }
}

impl fmt::Debug for ObserverHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserverHandle").finish_non_exhaustive()
    }
}
