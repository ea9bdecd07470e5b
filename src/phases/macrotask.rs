//! What a phase hands out: a callback to call or a waker to wake.
//!
//! A macrotask knows what to do and where it was made, never when it runs: that is decided in
//! `event_loop.rs`, where the only call of [`Macrotask::call`] stands.

use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::task::Waker;

/// A place in the user's source.
pub(crate) type SourceLocation = &'static Location<'static>;

/// One piece of the user's code, entered from the loop.
pub(crate) struct Macrotask {
    pub(crate) work: Work,
    pub(crate) origin: Origin,
}

/// Where a piece of the user's code comes from. Only observers look at more than the place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) location: SourceLocation,
    /// The number of the timer, immediate, job, source or promise behind it.
    pub(crate) resource: Option<NonZeroU64>,
    /// The number under which observers were told that it was queued; 0 if they were not.
    pub(crate) entry: u32,
    pub(crate) kind: StepKind,
}

/// What kind of entry the loop makes into the user's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepKind {
    /// The main script or the start of the main future (R1).
    MainScript,
    /// [`next_tick`](crate::next_tick).
    Tick,
    /// [`queue_microtask`](crate::queue_microtask), or the body of a module (R19).
    Microtask,
    /// A task that was woken: a promise job.
    Task,
    /// [`set_timeout`](crate::set_timeout), [`time::sleep`](crate::time::sleep) and the like.
    Timeout,
    /// [`set_interval`](crate::set_interval), [`time::interval`](crate::time::interval()).
    Interval,
    /// [`set_immediate`](crate::set_immediate), [`yield_now`](crate::yield_now).
    Immediate,
    /// A job of the worker pool has finished.
    JobDone,
    /// A socket or another descriptor is ready.
    Readiness,
    /// A signal has come, see [`signal`](crate::signal) (R64).
    Signal,
    /// A child has ended, see [`process`](crate::process) (R65).
    ChildExit,
    /// [`Handle::post`](crate::Handle::post), [`Handle::spawn`](crate::Handle::spawn).
    Message,
    /// A task was woken from outside of the running loop. This only queues it; it runs as a
    /// [`Task`](StepKind::Task) of the drain.
    RemoteWake,
    /// [`time::simulate_completion`](crate::time::simulate_completion).
    Simulated,
    /// A result that was known without waiting, in the pending phase (R63).
    Pending,
    /// The callback of a closed source (R62).
    Close,
    /// A listener of [`on_uncaught`](crate::on_uncaught),
    /// [`on_unhandled_rejection`](crate::on_unhandled_rejection) or
    /// [`on_rejection_handled`](crate::on_rejection_handled).
    ErrorListener,
    /// The listeners of [`on_before_exit`](crate::on_before_exit).
    BeforeExit,
    /// The listeners of [`on_exit`](crate::on_exit).
    Exit,
}

impl Origin {
    #[inline]
    pub(crate) fn new(kind: StepKind, location: SourceLocation) -> Origin {
        Origin {
            location,
            resource: None,
            entry: 0,
            kind,
        }
    }

    /// With the number of what stands behind it, told from 1 on.
    #[inline]
    pub(crate) fn of(kind: StepKind, location: SourceLocation, index: u64) -> Origin {
        Origin {
            resource: NonZeroU64::new(index.wrapping_add(1)),
            ..Origin::new(kind, location)
        }
    }
}

/// The ways in which the user's code is kept until its phase.
pub(crate) enum Work {
    /// Called at most once; `None` afterwards.
    Once(Option<Box<dyn FnOnce()>>),
    /// Called any number of times: an interval, or a timer that can be refreshed.
    Repeating(Box<dyn FnMut()>),
    /// Woken at most once; the task behind it runs as a microtask of this macrotask's drain.
    Wake(Option<Waker>),
    /// Nothing to call: a timer that was cleared after it had fired and then refreshed (R35),
    /// or the immediate that keeps the loop turning behind an error (R51).
    Nothing,
}

impl Work {
    /// Hands the work out and leaves a mark of its kind: what can be done once is *spent*.
    pub(crate) fn take(&mut self) -> Work {
        match self {
            Work::Once(callback) => Work::Once(callback.take()),
            Work::Wake(waker) => Work::Wake(waker.take()),
            Work::Repeating(_) | Work::Nothing => std::mem::replace(self, Work::Nothing),
        }
    }

    /// Whom it wakes, if that is what it does.
    pub(crate) fn waker(&self) -> Option<&Waker> {
        match self {
            Work::Wake(waker) => waker.as_ref(),
            _ => None,
        }
    }

    /// Whether it could be done once only, and was handed out.
    pub(crate) fn is_spent(&self) -> bool {
        matches!(self, Work::Once(None) | Work::Wake(None))
    }
}

impl Macrotask {
    pub(crate) fn new(work: Work, origin: Origin) -> Macrotask {
        Macrotask { work, origin }
    }

    pub(crate) fn callback(callback: impl FnOnce() + 'static, origin: Origin) -> Macrotask {
        Macrotask::new(Work::Once(Some(Box::new(callback))), origin)
    }

    pub(crate) fn wake(waker: Waker, origin: Origin) -> Macrotask {
        Macrotask::new(Work::Wake(Some(waker)), origin)
    }

    /// Wakes several, in order, as one macrotask.
    pub(crate) fn wake_all(wakers: Vec<Waker>, origin: Origin) -> Macrotask {
        Macrotask::callback(move || wake_each(wakers), origin)
    }
}

/// A waker that is not of this crate may panic. Those behind it are woken all the same, or what
/// waits there would wait for ever; the first panic goes on.
fn wake_each(wakers: Vec<Waker>) {
    let wake = |waker: Waker| catch_unwind(AssertUnwindSafe(|| waker.wake())).err();
    let thrown: Vec<_> = wakers.into_iter().filter_map(wake).collect();
    if let Some(first) = thrown.into_iter().next() {
        resume_unwind(first);
    }
}
