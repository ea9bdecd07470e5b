//! A pool whose jobs hang: first all threads but one, then all of them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::UnixStream;
use nodeloop::{EventLoop, Promise, set_interval, spawn, spawn_blocking};

use super::row::{Latencies, Row};
use super::storm::Storm;

const THREADS: usize = 4;

pub fn measure(quick: bool) -> Row {
    let builder = EventLoop::builder().blocking_threads(THREADS);
    let mut event_loop = builder.build().expect("a loop");
    let row = event_loop.block_on(work(if quick { 200 } else { 5_000 }));
    row.unwrap_or_else(|error| Row::failed(&error.to_string()))
}

/// Jobs that hang until the sender is dropped.
struct Hanging {
    release: Vec<Sender<()>>,
    jobs: Vec<Promise<()>>,
}

impl Hanging {
    /// Adds a job, and waits until a thread runs it.
    async fn add(&mut self) {
        let (release, released) = channel::<()>();
        let (started, has_started) = futures::channel::oneshot::channel();
        self.jobs.push(spawn_blocking(move || {
            let _ = started.send(());
            let _ = released.recv();
        }));
        has_started.await.expect("a thread is free");
        self.release.push(release);
    }
}

async fn work(count: u64) -> Row {
    // Some of its panics are in jobs, which wait with the others.
    let storm = Storm::start(true);
    let mut row = Row::default();
    let mut hanging = Hanging {
        release: Vec::new(),
        jobs: Vec::new(),
    };
    for _ in 1..THREADS {
        hanging.add().await;
    }
    let mut latencies = Latencies::default();
    for number in 0..count {
        let start = Instant::now();
        let result = spawn_blocking(move || number * 2).await;
        row.expect(result == number * 2, || {
            format!("job {number} returned {result}")
        });
        latencies.add(start.elapsed());
    }
    let jobs = latencies.text(&format!(
        "jobs while {} of {THREADS} threads hang",
        THREADS - 1
    ));

    hanging.add().await;
    let ran = Rc::new(Cell::new(0));
    let waiting: Vec<_> = (0..count)
        .map(|number| {
            let (ran, job) = (ran.clone(), spawn_blocking(move || number));
            spawn(async move {
                let result = job.await;
                ran.set(ran.get() + 1);
                result
            })
        })
        .collect();
    let ticks = Rc::new(Cell::new(0_u64));
    let counted = ticks.clone();
    let interval = set_interval(Duration::from_millis(1), move || {
        counted.set(counted.get() + 1)
    });
    let loop_latencies = use_the_loop(count).await;
    interval.clear();
    row.expect(ticks.get() > 0, || {
        "no timer fired while the pool hung".to_owned()
    });
    row.expect(ran.get() == 0, || {
        format!("{} jobs ran on threads that hang", ran.get())
    });

    drop(hanging.release);
    let released = hanging.jobs.len();
    for job in hanging.jobs {
        job.await;
    }
    for (number, job) in (0..).zip(waiting) {
        let result = job.await;
        row.expect(result == number, || {
            format!("job {number} returned {result}")
        });
    }
    (row.panics, row.kinds) = storm.stop().await;
    row.done = format!(
        "a pool of {THREADS} threads, {} of which hang while {count} jobs run one after another; then \
         all {released} hang, {count} jobs wait, {} timers fire and {count} messages are echoed on \
         the loop; then the jobs are released and all {count} run",
        THREADS - 1,
        ticks.get(),
    );
    row.permitted = "time: jobs wait while every thread hangs".to_owned();
    row.latency = format!(
        "{jobs}; {}",
        loop_latencies.text("messages while all threads hang")
    );
    row
}

/// Sends messages through a socket to a task that answers.
async fn use_the_loop(count: u64) -> Latencies {
    let (mut left, mut right) = UnixStream::pair().expect("a pair");
    let echo = spawn(async move {
        let mut message = [0; 8];
        while right.read_exact(&mut message).await.is_ok() {
            right.write_all(&message).await.expect("the peer reads");
        }
    });
    let mut latencies = Latencies::default();
    // At least a second, so that timers and panics happen as well.
    let pause = Duration::from_secs(1) / u32::try_from(count).expect("few messages");
    for number in 0..count {
        let (start, mut answer) = (Instant::now(), [0; 8]);
        left.write_all(&number.to_le_bytes())
            .await
            .expect("the peer reads");
        left.read_exact(&mut answer)
            .await
            .expect("the peer answers");
        assert_eq!(answer, number.to_le_bytes());
        latencies.add(start.elapsed());
        nodeloop::time::sleep(pause).await;
    }
    drop(left);
    echo.await;
    latencies
}
