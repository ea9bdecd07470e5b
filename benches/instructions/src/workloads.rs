//! The operations that are counted. Each workload checks that all of its operations took place.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::rc::Rc;

use futures::channel::mpsc;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use futures::stream::StreamExt;
use nodeloop::flight_recorder::FlightRecorder;
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::{EventLoop, set_timeout, spawn, spawn_blocking};

use crate::nodeloop_side as shared;
use crate::operations::delay;

/// An operation, and how often it is repeated.
pub struct Workload {
    pub name: &'static str,
    /// The number of operations of the shorter of the two runs.
    pub count: u64,
    /// Performs the operation a number of times, which is a multiple of 1,000.
    pub run: fn(u64),
}

/// In the order of the table.
pub const WORKLOADS: &[Workload] = &[
    workload("tick", 20_000, |n| {
        shared::tick_chain(n);
    }),
    workload("microtask", 20_000, |n| {
        shared::microtask_chain(n);
    }),
    workload("immediate", 20_000, |n| {
        shared::immediate_chain(n);
    }),
    workload("timer-fires", 10_000, timer_fires),
    workload("timer-set-clear", 20_000, |n| {
        shared::timers(0, n);
    }),
    workload("timer-set-clear-200k-pending", 20_000, |n| {
        shared::timers(200_000, n);
    }),
    workload("sleep-poll-drop", 20_000, |n| {
        shared::sleeps(0, n);
    }),
    workload("sleep-poll-drop-200k-pending", 20_000, |n| {
        shared::sleeps(200_000, n);
    }),
    workload("task-wakes-itself", 20_000, |n| {
        shared::turns(1, n);
    }),
    workload("1k-tasks-wake-themselves", 20_000, |n| {
        shared::turns(1_000, n);
    }),
    workload("yield-now", 20_000, |n| {
        shared::yields(1, n);
    }),
    workload("1k-tasks-yield-now", 20_000, |n| {
        shared::yields(1_000, n);
    }),
    workload("spawn-ready", 20_000, |n| {
        shared::spawn_ready(n);
    }),
    workload("spawn-1k-ready", 20_000, spawn_1k_ready),
    workload("spawn-waits-a-turn", 20_000, |n| {
        shared::spawn_waiting(n);
    }),
    workload("resolver", 20_000, |n| {
        shared::resolve(n);
    }),
    workload("channel-ping-pong", 10_000, ping_pong),
    workload("tcp-echo-128-bytes", 5_000, echo),
    workload("tcp-echo-recorded", 5_000, |n| {
        echo_recorded(n, FlightRecorder::in_memory());
    }),
    workload("tcp-echo-recorded-payloads", 5_000, |n| {
        echo_recorded(n, FlightRecorder::in_memory().payloads(true));
    }),
    workload("tcp-echo-recorded-to-file", 5_000, echo_recorded_to_file),
    workload("jobs-at-once", 100_000, jobs_at_once),
];

const fn workload(name: &'static str, count: u64, run: fn(u64)) -> Workload {
    Workload { name, count, run }
}

fn block_on<T: 'static>(future: impl Future<Output = T>) -> T {
    nodeloop::block_on(future)
}

/// Timers of 1,000 durations on a virtual clock.
fn timer_fires(count: u64) {
    let mut event_loop = nodeloop::EventLoop::builder()
        .virtual_time()
        .build()
        .expect("a loop");
    let fired = Rc::new(Cell::new(0));
    let counter = fired.clone();
    event_loop
        .run(async move {
            for index in 0..count {
                let fired = counter.clone();
                set_timeout(delay(index), move || fired.set(fired.get() + 1));
            }
        })
        .expect("no error");
    assert_eq!(fired.get(), count);
}

fn spawn_1k_ready(count: u64) {
    block_on(async move {
        let mut sum = 0;
        for batch in 0..count / 1_000 {
            let numbers = batch * 1_000..(batch + 1) * 1_000;
            let spawned = numbers.map(|number| spawn(async move { black_box(number) }));
            for promise in spawned.collect::<Vec<_>>() {
                sum += promise.await;
            }
        }
        assert_eq!(sum, count * (count - 1) / 2);
    });
}

/// An operation is a message there and one back.
fn ping_pong(count: u64) {
    block_on(async move {
        let (to_echo, mut from_main) = mpsc::unbounded();
        let (to_main, mut from_echo) = mpsc::unbounded();
        let echo = spawn(async move {
            while let Some(number) = from_main.next().await {
                to_main.unbounded_send(number).expect("main receives");
            }
        });
        let mut sum = 0;
        for number in 0..count {
            to_echo.unbounded_send(number).expect("the echo receives");
            sum += from_echo.next().await.expect("an answer");
        }
        drop(to_echo);
        echo.await;
        assert_eq!(sum, count * (count - 1) / 2);
    });
}

/// Client and server are tasks of one loop, so an operation is two reads and two writes.
fn echo(count: u64) {
    block_on(exchange_messages(count));
}

/// The same in a loop with a flight recorder, which writes the records to a file.
fn echo_recorded_to_file(count: u64) {
    let name = format!("nodeloop-instructions-{}.flight", std::process::id());
    let path = std::env::temp_dir().join(name);
    echo_recorded(count, FlightRecorder::to_file(&path));
    std::fs::remove_file(&path).expect("the recording");
}

/// The same in a loop with this flight recorder.
fn echo_recorded(count: u64, recorder: FlightRecorder) {
    let event_loop = EventLoop::builder().record(recorder).build();
    let mut event_loop = event_loop.expect("a loop with a recorder");
    let result = event_loop.block_on(exchange_messages(count));
    result.expect("a run without errors");
}

async fn exchange_messages(count: u64) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let server = spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut message = [0; 128];
        let mut served = 0;
        while stream.read_exact(&mut message).await.is_ok() {
            stream.write_all(&message).await.expect("a peer that reads");
            served += 1;
        }
        served
    });
    let mut stream = TcpStream::connect(address).await.expect("a server");
    stream.set_nodelay(true).expect("an open socket");
    for number in 0..count {
        let sent = [number as u8; 128];
        stream.write_all(&sent).await.expect("a server that reads");
        let mut answer = [0; 128];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(answer, sent);
    }
    drop(stream);
    assert_eq!(server.await, count);
}

/// Jobs that return a number, all submitted before the first is awaited. Valgrind runs one thread at a
/// time, so the count differs by less than 0.5 % from run to run.
fn jobs_at_once(count: u64) {
    block_on(async move {
        let job = |number| spawn_blocking(move || black_box(number));
        let promises: Vec<_> = (0..count).map(job).collect();
        let mut sum = 0;
        for promise in promises {
            sum += promise.await;
        }
        assert_eq!(sum, count * (count - 1) / 2);
    });
}
