//! What a phase hands out: a callback to call or a waker to wake.
//!
//! A macrotask contains its work and where that was created. It does not know when it runs, which
//! `event_loop.rs` decides, and it calls nothing, which `event_loop/invoke.rs` does.

mod spare_callback;

use std::num::NonZeroU64;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Waker};

pub(crate) use spare_callback::{ReusableCallback, SpareCallback};

/// A position in the source of the program.
pub(crate) type SourceLocation = &'static Location<'static>;

/// One entry into user code.
pub(crate) struct Macrotask {
    pub(crate) work: Work,
    pub(crate) origin: Origin,
}

/// The origin of an entry into user code. Everything except the location is for observers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) location: SourceLocation,
    /// The number of the timer, immediate, job, source or promise that it belongs to.
    pub(crate) resource: Option<NonZeroU64>,
    /// The number under which observers were notified that it was queued; 0 if they were not.
    pub(crate) entry: u32,
    pub(crate) kind: StepKind,
}

/// The kind of an entry into user code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepKind {
    /// The main script or the start of the main future (R1).
    MainScript,
    /// [`next_tick`](crate::next_tick).
    Tick,
    /// [`queue_microtask`](crate::queue_microtask), [`Handle::schedule`](crate::Handle::schedule) on the
    /// thread of the running loop, or the body of a module (R19).
    Microtask,
    /// A woken task: a promise job.
    Task,
    /// A reaction of a promise, such as [`then`](crate::Promise::then): a promise job.
    Reaction,
    /// [`set_timeout`](crate::set_timeout), [`time::sleep`](crate::time::sleep) and other timeouts.
    Timeout,
    /// [`set_interval`](crate::set_interval), [`time::interval`](crate::time::interval()).
    Interval,
    /// [`set_immediate`](crate::set_immediate), [`yield_now`](crate::yield_now).
    Immediate,
    /// The completion of a job of the worker pool.
    JobDone,
    /// The readiness of a socket or of another descriptor.
    Readiness,
    /// A received signal, see [`signal`](crate::signal) (R64).
    Signal,
    /// The end of a child process, see [`process`](crate::process) (R65).
    ChildExit,
    /// [`Handle::post`](crate::Handle::post), [`Handle::spawn`](crate::Handle::spawn),
    /// [`Handle::schedule`](crate::Handle::schedule) outside of the running loop.
    Message,
    /// The wake of a task from outside of the running loop. It only queues the task, which runs as a
    /// [`Task`](StepKind::Task) in the drain.
    RemoteWake,
    /// [`time::simulate_completion`](crate::time::simulate_completion).
    Simulated,
    /// A result that was known without waiting, reported in the pending phase (R63).
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

    /// Creates an origin with the number of the resource that it belongs to. Observers receive
    /// `index + 1`.
    #[inline]
    pub(crate) fn of(kind: StepKind, location: SourceLocation, index: u64) -> Origin {
        Origin {
            resource: NonZeroU64::new(index.wrapping_add(1)),
            ..Origin::new(kind, location)
        }
    }
}

/// A task in the loop's list of pending tasks. It has ended if the entry at the index is that of another
/// promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskKey {
    pub(crate) index: usize,
    /// The number of its promise.
    pub(crate) promise: u64,
}

/// What waits for an event: a task of the loop, or any other waker. The key of a task costs no atomic
/// operation, unlike a clone of its waker.
pub(crate) enum Waiter {
    Task(TaskKey),
    Waker(Waker),
}

impl Waiter {
    /// Returns its waker, unless it is a task that has ended. `waker_of` returns that of a task.
    pub(crate) fn waker(&self, waker_of: impl Fn(TaskKey) -> Option<Waker>) -> Option<Waker> {
        match self {
            Waiter::Task(task) => waker_of(*task),
            Waiter::Waker(waker) => Some(waker.clone()),
        }
    }
}

impl From<Waiter> for Work {
    #[inline]
    fn from(waiter: Waiter) -> Work {
        match waiter {
            Waiter::Task(task) => Work::WakeTask(task),
            Waiter::Waker(waker) => Work::Wake(Some(waker)),
        }
    }
}

/// User code that waits for its phase.
pub(crate) enum Work {
    /// Called at most once; `None` afterwards.
    Once(Option<Box<dyn FnOnce()>>),
    /// The same, in a box that is used again. When it is taken, it leaves `Once(None)`.
    Reusable(Box<dyn ReusableCallback>),
    /// Called any number of times: an interval, or a timer that can be refreshed.
    Repeating(Box<dyn FnMut()>),
    /// Woken at most once; its task runs as a microtask in the drain after this macrotask.
    Wake(Option<Waker>),
    /// The same for a task of this loop, by its key.
    WakeTask(TaskKey),
    /// Several of both kinds, woken in order. Not a `Vec`, whose capacity would take the place of the tag and
    /// make each test of the variant longer.
    WakeAll(Box<[Waiter]>),
    /// Work with a label for reports.
    Labeled(Box<Labeled>),
    /// Nothing to call: a timer that was cleared after it had fired and then refreshed (R35), or
    /// the immediate that lets the loop turn once more after an error (R51).
    Nothing,
}

/// Work, and the name that the host of an engine has given it.
pub(crate) struct Labeled {
    label: Arc<str>,
    pub(crate) work: Work,
}

impl Work {
    /// Gives the work a label, in the place of one that it has. Work that was taken gets none.
    pub(crate) fn set_label(&mut self, label: Arc<str>) {
        if let Work::Labeled(labeled) = self {
            labeled.label = label;
        } else if self.is_live() {
            let work = std::mem::replace(self, Work::Nothing);
            *self = Work::Labeled(Box::new(Labeled { label, work }));
        }
    }

    pub(crate) fn label(&self) -> Option<&Arc<str>> {
        match self {
            Work::Labeled(labeled) => Some(&labeled.label),
            _ => None,
        }
    }

    /// Returns whether it can be done only once.
    pub(crate) fn is_once(&self) -> bool {
        match self {
            Work::Once(_)
            | Work::Reusable(_)
            | Work::Wake(_)
            | Work::WakeTask(_)
            | Work::WakeAll(_) => true,
            Work::Labeled(labeled) => labeled.work.is_once(),
            Work::Repeating(_) | Work::Nothing => false,
        }
    }

    /// Returns whether it can be called any number of times.
    #[inline]
    pub(crate) fn is_repeating(&self) -> bool {
        match self {
            Work::Repeating(_) => true,
            Work::Labeled(labeled) => labeled.work.is_repeating(),
            _ => false,
        }
    }

    /// Takes the work. Work that can be done only once is *spent* afterwards.
    pub(crate) fn take(&mut self) -> Work {
        match self {
            Work::Once(callback) => Work::Once(callback.take()),
            Work::Reusable(_) => std::mem::replace(self, Work::Once(None)),
            Work::Wake(waker) => Work::Wake(waker.take()),
            Work::WakeTask(_) | Work::WakeAll(_) => std::mem::replace(self, Work::Wake(None)),
            Work::Repeating(_) | Work::Nothing => std::mem::replace(self, Work::Nothing),
            Work::Labeled(labeled) => {
                let rest = match labeled.work {
                    Work::Once(_) | Work::Reusable(_) => Work::Once(None),
                    _ => Work::Nothing,
                };
                std::mem::replace(self, rest)
            }
        }
    }

    /// Makes it the wake of the task that is polled with `cx`; `task` is its key, if the loop knows it.
    /// Returns what the caller drops outside of any borrow.
    #[must_use]
    #[inline(always)] // so that the work is written in its place
    pub(crate) fn set_waking(&mut self, task: Option<TaskKey>, cx: &Context<'_>) -> Option<Work> {
        let before = match task {
            Some(task) => std::mem::replace(self, Work::WakeTask(task)),
            None if matches!(self, Work::Wake(None)) => {
                std::mem::replace(self, Work::Wake(Some(cx.waker().clone())))
            }
            None => return self.replace_waker(cx),
        };
        if !matches!(before, Work::Wake(None) | Work::WakeTask(_)) {
            return Some(before);
        }
        std::mem::forget(before); // it owns nothing
        None
    }

    #[inline(never)]
    fn replace_waker(&mut self, cx: &Context<'_>) -> Option<Work> {
        match self {
            Work::Wake(Some(known)) if known.will_wake(cx.waker()) => None,
            _ => Some(std::mem::replace(
                self,
                Work::Wake(Some(cx.waker().clone())),
            )),
        }
    }

    /// Returns the waker that it wakes, if any. `waker_of` returns that of a task.
    pub(crate) fn waker(&self, waker_of: impl Fn(TaskKey) -> Option<Waker>) -> Option<Waker> {
        match self {
            Work::Wake(waker) => waker.clone(),
            Work::WakeTask(task) => waker_of(*task),
            Work::Labeled(labeled) => labeled.work.waker(waker_of),
            _ => None,
        }
    }

    /// Returns `true` if there is something to do.
    pub(crate) fn is_live(&self) -> bool {
        match self {
            Work::Labeled(labeled) => labeled.work.is_live(),
            work => !matches!(work, Work::Nothing | Work::Once(None) | Work::Wake(None)),
        }
    }

    /// Returns `true` if the work could be done only once and has been taken.
    pub(crate) fn is_spent(&self) -> bool {
        match self {
            Work::Labeled(labeled) => labeled.work.is_spent(),
            work => matches!(work, Work::Once(None) | Work::Wake(None)),
        }
    }
}

impl Macrotask {
    pub(crate) fn new(work: Work, origin: Origin) -> Macrotask {
        Macrotask { work, origin }
    }

    pub(crate) fn callback(callback: impl FnOnce() + 'static, origin: Origin) -> Macrotask {
        Macrotask::new(Work::Once(Some(Box::new(callback))), origin)
    }
}
