//! hyper's timer: sleeps that are `Send + Sync`, as hyper requires, over timers of the loop.
//!
//! A sleep holds the key of a timer and the remote queue of its loop. On the loop's thread it
//! accesses the timer directly. Dropped elsewhere, it posts its key to the loop, which disarms the
//! timer.
//!
//! Invariant: a timer is released exactly once, on the loop's thread.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::hyper::rt::{Sleep, Timer};

use crate::event_loop::current::{current, try_current};
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, Work};
use crate::phases::timers::TimerKey;
use crate::reactor::clock::{MachineInstant, machine_instant, machine_now, since_base};
use crate::reactor::remote_queue::{Message, RemoteQueue};
use crate::time::{Progress, ceil_ms, drop_timer, poll_timer};

/// Implements hyper's `Timer` with the timers and the clock, real or virtual, of the loop.
///
/// A sleep is armed when it is created, is rounded up to whole milliseconds, and shares the timer
/// lists with [`time::sleep`](crate::time::sleep) (R41). It can be sent to and dropped on any
/// thread, which disarms it, but must be polled on its loop.
///
/// # Panics
///
/// Creating a sleep panics outside of an event loop. Polling a sleep panics outside of its own.
///
/// # Examples
///
/// ```
/// use hyper::rt::Timer;
/// use nodeloop::{EventLoop, hyper::HyperTimer};
/// use std::time::Duration;
///
/// let mut event_loop = EventLoop::builder().virtual_time().build()?;
/// event_loop.run(async {
///     let timer = HyperTimer::new();
///     let start = timer.now();
///     timer.sleep(Duration::from_secs(30)).await; // virtual time: no waiting
///     assert_eq!(timer.now() - start, Duration::from_secs(30));
/// }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct HyperTimer {
    is_refed: bool,
}

impl HyperTimer {
    /// Returns a timer whose sleeps keep the loop alive (R6).
    pub fn new() -> HyperTimer {
        HyperTimer { is_refed: true }
    }

    /// Makes the sleeps of this timer not keep the loop alive, as Node's `unref` does: for
    /// maintenance, such as closing a client's idle connections.
    pub fn unref(mut self) -> HyperTimer {
        self.is_refed = false;
        self
    }
}

impl Default for HyperTimer {
    fn default() -> HyperTimer {
        HyperTimer::new()
    }
}

impl Timer for HyperTimer {
    #[track_caller]
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let state = current("HyperTimer::sleep");
        let now = state.clock.now();
        let deadline = now.saturating_add(duration);
        Box::pin(LoopSleep::arm(&state, now, deadline, self.is_refed))
    }

    #[track_caller]
    fn sleep_until(&self, deadline: MachineInstant) -> Pin<Box<dyn Sleep>> {
        let state = current("HyperTimer::sleep_until");
        let (now, deadline) = (state.clock.now(), since_base(deadline));
        Box::pin(LoopSleep::arm(&state, now, deadline, self.is_refed))
    }

    /// Returns the time of the current event loop, or of the machine outside of one.
    fn now(&self) -> MachineInstant {
        machine_instant(try_current().map_or_else(machine_now, |state| state.clock.now()))
    }

    #[track_caller]
    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: MachineInstant) {
        match sleep.as_mut().downcast_mut_pin::<LoopSleep>() {
            Some(sleep) => {
                let state = current("HyperTimer::reset");
                let (now, deadline) = (state.clock.now(), since_base(deadline));
                *sleep.get_mut() = LoopSleep::arm(&state, now, deadline, self.is_refed);
            }
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// The future that hyper polls.
struct LoopSleep {
    /// `None` if the loop was ending and accepted no timer: the sleep never completes.
    handle: Option<TimerHandle>,
    progress: Progress,
}

impl LoopSleep {
    #[track_caller]
    fn arm(state: &Rc<LoopState>, now: Duration, deadline: Duration, is_refed: bool) -> LoopSleep {
        let location = Location::caller();
        let duration_ms = ceil_ms(deadline.saturating_sub(now));
        let origin = Origin::new(StepKind::Timeout, location);
        let timer = Macrotask::new(Work::Wake(None), origin);
        let key = state.arm_timer(timer, duration_ms, now);
        if let (Some(key), false) = (key, is_refed) {
            state.timers.borrow_mut().set_refed(key, false);
        }
        LoopSleep {
            handle: key.map(|key| TimerHandle {
                remote_queue: state.remote_queue.clone(),
                key,
                location,
            }),
            progress: Progress::Armed,
        }
    }
}

impl Sleep for LoopSleep {}

impl Future for LoopSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(handle) = &this.handle else {
            return Poll::Pending;
        };
        match handle.running_loop() {
            Some(state) => poll_timer(&state, handle.key, &mut this.progress, cx),
            None => panic!(
                "a sleep of `HyperTimer`, created at {}, was polled outside of its event loop: \
                 poll its connection in a task of the loop on which it was created",
                handle.location
            ),
        }
    }
}

/// Owns a timer of a loop, on any thread.
struct TimerHandle {
    remote_queue: Arc<RemoteQueue>,
    key: TimerKey,
    location: SourceLocation,
}

impl TimerHandle {
    /// Returns the loop of the timer if it is the current one of this thread.
    fn running_loop(&self) -> Option<Rc<LoopState>> {
        try_current().filter(|state| Arc::ptr_eq(&state.remote_queue, &self.remote_queue))
    }
}

impl Drop for TimerHandle {
    fn drop(&mut self) {
        if let Some(state) = self.running_loop() {
            drop_timer(&state, self.key);
        } else if !self.remote_queue.is_closed() {
            let moved = TimerHandle {
                remote_queue: self.remote_queue.clone(),
                ..*self
            };
            let message = Message::Post(Box::new(move || drop(moved)), self.location);
            // If the queue was closed meanwhile, the handle is dropped here, with nothing to do.
            let _ = self.remote_queue.push(message);
        }
    }
}
