//! Timers.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::{Timers, Workload, workload};

/// The number of different delays.
const DELAYS: u64 = 1_000;

/// The number of pending timers in the workload that has them.
const PENDING: u64 = 200_000;

pub fn timers<R: Timers>() -> Vec<Workload> {
    vec![
        workload("sleep-drop", |n| sleeps::<R>(0, n)),
        workload("sleep-drop-200k", |n| sleeps::<R>(PENDING, n)),
        workload("sleeps-fire", sleeps_fire::<R>),
    ]
}

/// Returns the delay of a timer that is not to fire, from one to two minutes. Consecutive indices do
/// not have consecutive delays.
pub fn delay(index: u64) -> Duration {
    Duration::from_millis(60_000 + index * 7_919 % DELAYS * 60)
}

/// Returns the processor time that all threads of this process have used.
pub fn processor_time_ns() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Polls a sleep once and drops it.
fn sleeps<R: Timers>(pending: u64, count: u64) -> f64 {
    R::block_on(async move {
        let mut sleeps: Vec<_> = (0..pending)
            .map(|index| Box::pin(R::sleep(delay(index))))
            .collect();
        let mut is_pending = 0;
        for sleep in &mut sleeps {
            is_pending += u64::from(polled_once::<R, _>(sleep.as_mut()).await.is_pending());
        }
        assert_eq!(is_pending, pending);
        let start = Instant::now();
        for index in 0..count {
            let sleep = pin!(R::sleep(delay(index)));
            is_pending += u64::from(polled_once::<R, _>(sleep).await.is_pending());
        }
        let time = start.elapsed();
        assert_eq!(is_pending, pending + count);
        time.as_nanos() as f64
    })
}

/// Polls a future once, outside of the budget of the runtime. Otherwise some polls of a sleep would be
/// pending without arming a timer.
pub async fn polled_once<R: Timers, F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    let mut future = pin!(R::unlimited(future));
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Lets tasks sleep for one of 1,000 durations up to a second, until all are awake. Returns processor
/// time, because the loop waits most of the time.
fn sleeps_fire<R: Timers>(count: u64) -> f64 {
    let before = processor_time_ns();
    R::block_on(async move {
        let fired = Rc::new(Cell::new(0));
        let start = |index| {
            let fired = fired.clone();
            R::spawn(async move {
                R::sleep(Duration::from_millis(1 + index * 7_919 % DELAYS)).await;
                fired.set(fired.get() + 1);
            })
        };
        for task in (0..count).map(start).collect::<Vec<_>>() {
            task.await;
        }
        assert_eq!(fired.get(), count);
    });
    processor_time_ns() - before
}
