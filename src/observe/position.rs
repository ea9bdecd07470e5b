//! Where the loop is.

use std::fmt;
use std::time::Duration;

use super::event::{Phase, StepId};
use crate::phases::macrotask::{SourceLocation, StepKind};

/// Where a loop is: what [`observe::position`](crate::observe::position) gives.
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
///             assert!(here.to_string().starts_with("tick, timers, turn 1, t=20 ms, made at "));
///         });
///     });
/// })?;
/// assert_eq!(position().queue(), Queue::Outside);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The number of the turn, counted from 1 in each run; 0 in front of the first.
    pub turn: u64,
    /// The phase, if one is under way: not in the main script, `before_exit` and `exit`.
    pub phase: Option<Phase>,
    /// What runs.
    pub kind: Option<StepKind>,
    /// Where the running callback or task was made. A task that is polled by its spawner (R46) is
    /// a part of whatever spawned it.
    pub location: Option<SourceLocation>,
    /// The number of the running step, if anybody observes.
    pub step: Option<StepId>,
    /// The clock of the loop, virtual or real, from an arbitrary start: zero for a virtual clock.
    pub time: Duration,
}

/// From which queue the running code comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// No loop is running on this thread, or it is between two steps.
    Outside,
    /// The main script.
    MainScript,
    /// A phase, or the listeners of `before_exit` and `exit`.
    Macrotask,
    /// The nextTick queue.
    Tick,
    /// The microtask queue, or the listeners that are told of errors, which a drain calls.
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
    /// The queue from which it is entered.
    pub fn queue(self) -> Queue {
        match self {
            StepKind::MainScript => Queue::MainScript,
            StepKind::Tick => Queue::Tick,
            StepKind::Microtask | StepKind::Task | StepKind::ErrorListener => Queue::Microtask,
            _ => Queue::Macrotask,
        }
    }
}

impl Position {
    /// No loop runs on this thread.
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

    /// From which queue the running code comes.
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
            write!(f, ", {phase}, turn {}", self.turn)?;
        }
        if self.kind.is_some() {
            write!(f, ", t={} ms", self.time.as_secs_f64() * 1_000.0)?;
        }
        if let Some(location) = self.location {
            write!(f, ", made at {location}")?;
        }
        Ok(())
    }
}
