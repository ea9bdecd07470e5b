//! hyper's timer: sleeps that are `Send + Sync` as hyper demands, with timers of the loop.
//!
//! A sleep is the key of a timer and the door of its loop, nothing else. Where the loop runs it
//! reaches the timer directly; dropped anywhere else, it sends its key home through the door,
//! and there the timer is disarmed.
//!
//! Invariant: the handle of a timer is given up exactly once, on the loop's thread.

use std::fmt;
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
use crate::phases::macrotask::{SourceLocation, Work};
use crate::phases::timers::TimerKey;
use crate::reactor::clock::{MachineInstant, machine_instant, machine_now, since_base};
use crate::reactor::remote_queue::{Message, RemoteQueue};
use crate::time::{Progress, ceil_ms, poll_timer, release_timer};

/// The loop's timers and its clock, real or virtual, for hyper.
///
/// A sleep is armed where it is made, counts whole milliseconds, rounded up, and stands in the
/// same lists as [`time::sleep`](crate::time::sleep) (R41). It can be sent and dropped anywhere,
/// which disarms it; it is polled on its loop only.
///
/// # Panics
///
/// Making a sleep panics outside of an event loop, polling one outside of its own.
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
    /// A timer whose sleeps keep the loop alive, as every pending operation does (R6).
    pub fn new() -> HyperTimer {
        HyperTimer { is_refed: true }
    }

    /// A timer whose sleeps do not keep the loop alive, Node's `unref`: for what only looks
    /// after something else, such as the pool of idle connections of a client.
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
        let now = state.clock.now();
        Box::pin(LoopSleep::arm(
            &state,
            now,
            since_base(deadline),
            self.is_refed,
        ))
    }

    /// The time of the loop that runs on this thread, or the machine's.
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

/// The future of a sleep.
struct LoopSleep {
    /// `None` if the loop took no timer any more: it never ends then.
    handle: Option<TimerHandle>,
    progress: Progress,
}

impl LoopSleep {
    #[track_caller]
    fn arm(state: &Rc<LoopState>, now: Duration, deadline: Duration, is_refed: bool) -> LoopSleep {
        let location = Location::caller();
        let duration_ms = ceil_ms(deadline.saturating_sub(now));
        let key = state.arm_timer(Work::Wake(None), duration_ms, false, location, now);
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
                "a sleep of `HyperTimer`, made at {}, was polled outside of its event loop: poll \
                 the connection it belongs to as a task of the loop on which it was made",
                handle.location
            ),
        }
    }
}

impl fmt::Debug for LoopSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopSleep")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// A timer of a loop, held on whatever thread.
struct TimerHandle {
    remote_queue: Arc<RemoteQueue>,
    key: TimerKey,
    location: SourceLocation,
}

impl TimerHandle {
    /// The loop of the timer, if it is the one that runs on this thread.
    fn running_loop(&self) -> Option<Rc<LoopState>> {
        try_current().filter(|state| state.remote_queue.id() == self.remote_queue.id())
    }
}

impl Drop for TimerHandle {
    fn drop(&mut self) {
        if let Some(state) = self.running_loop() {
            release_timer(&state, self.key);
        } else if !self.remote_queue.is_closed() {
            let home = TimerHandle {
                remote_queue: self.remote_queue.clone(),
                ..*self
            };
            let message = Message::Post(Box::new(move || drop(home)), self.location);
            // Refused, it comes back and is dropped in front of a closed door.
            let _ = self.remote_queue.push(message);
        }
    }
}
