//! The position of a loop.

use std::fmt;
use std::time::Duration;

use super::event::{Phase, StepId};
use crate::phases::macrotask::{SourceLocation, StepKind};

/// The position of a loop, as [`observe::position`](crate::observe::position) returns it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::observe::{Phase, Queue, position};
/// use nodeloop::{EventLoop, next_tick, set_timeout};
///
/// EventLoop::builder().virtual_time().build()?.run_script(|| {
///     assert_eq!(position().queue(), Queue::MainScript);
///     set_timeout(Duration::from_millis(20), || {
///         next_tick(|| {
///             let here = position();
///             assert_eq!((here.phase, here.turn), (Some(Phase::Timers), 1));
///             assert_eq!(here.queue(), Queue::Tick);
///             assert_eq!(here.time, Duration::from_millis(20));
///             assert!(here.to_string().starts_with("tick, timers, turn 1, t=20 ms, created at "));
///         });
///     });
/// })?;
/// assert_eq!(position().queue(), Queue::Outside);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The number of the turn, counted from 1 in each run; 0 before the first.
    pub turn: u64,
    /// The current phase; `None` in the main script, `before_exit` and `exit`.
    pub phase: Option<Phase>,
    /// The kind of the running step.
    pub kind: Option<StepKind>,
    /// Where the running callback or task was created. The first poll of a task is a part of the step
    /// that spawns it (R46).
    pub location: Option<SourceLocation>,
    /// The number of the running step; `None` without observers.
    pub step: Option<StepId>,
    /// The time of the loop's clock. A virtual clock starts at zero, a real one at an arbitrary
    /// point.
    pub time: Duration,
}

/// The queue from which running code was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// No loop is running on this thread, or the loop is between two steps.
    Outside,
    /// The main script.
    MainScript,
    /// A phase, or the listeners of `before_exit` and `exit`.
    Macrotask,
    /// The nextTick queue.
    Tick,
    /// The microtask queue, or listeners for errors, which a drain calls.
    Microtask,
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Queue::Outside => "outside of any loop",
            Queue::MainScript => "main script",
            Queue::Macrotask => "macrotask",
            Queue::Tick => "tick",
            Queue::Microtask => "microtask",
        })
    }
}

impl StepKind {
    /// Returns the queue from which such a step is called.
    pub fn queue(self) -> Queue {
        match self {
            StepKind::MainScript => Queue::MainScript,
            StepKind::Tick => Queue::Tick,
            StepKind::Microtask | StepKind::Task | StepKind::Reaction | StepKind::ErrorListener => {
                Queue::Microtask
            }
            _ => Queue::Macrotask,
        }
    }
}

impl Position {
    /// Returns the position of code outside of any loop.
    pub(crate) fn outside() -> Position {
        Position {
            turn: 0,
            phase: None,
            kind: None,
            location: None,
            step: None,
            time: Duration::ZERO,
        }
    }

    /// Returns the queue from which the running code was called.
    pub fn queue(&self) -> Queue {
        self.kind.map_or(Queue::Outside, StepKind::queue)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "{kind}")?,
            None => write!(f, "{}", Queue::Outside)?,
        }
        if let Some(phase) = self.phase {
            match self.turn {
                0 => write!(f, ", {phase}, before the first turn")?, // R3
                turn => write!(f, ", {phase}, turn {turn}")?,
            }
        }
        if self.kind.is_some() {
            write!(f, ", t={} ms", self.time.as_secs_f64() * 1_000.0)?;
        }
        if let Some(location) = self.location {
            write!(f, ", created at {location}")?;
        }
        Ok(())
    }
}
