//! The workloads that every runtime runs, written once, over traits that each runtime implements.
//!
//! A side is a program that contains one runtime. [`main`] gives it the interface that the program
//! `nodeloop-peers` expects; `node/side.mjs` and `libuv/side.c` have the same one:
//!
//! ```text
//! SIDE list                      prints the names of its workloads, one a line
//! SIDE run WORKLOAD SIZE TIMES   prints TIMES numbers, one a line: the cost of an operation
//! SIDE serve                     prints a port, and echoes what arrives there until it is killed
//! ```
//!
//! A cost is in nanoseconds, or in bytes if the name of the workload begins with `memory`. A workload
//! panics if an operation did not take place or its result is wrong.

mod jobs;
mod memory;
mod net;
mod tasks;
mod timers;
mod wakes;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

pub use jobs::jobs;
pub use memory::{memory, memory_of_promises, memory_of_tasks, used_memory};
pub use net::{BUFFER, echo, serve};
pub use tasks::{chain_of_yields, tasks};
pub use timers::{delay, processor_time_ns, timers};
pub use wakes::wakes;

/// An operation that is done a number of times.
#[derive(Clone, Copy)]
pub struct Workload {
    pub name: &'static str,
    /// Does the operation this many times, and returns the cost of all of them together.
    pub run: fn(u64) -> f64,
}

/// Makes a [`Workload`].
pub fn workload(name: &'static str, run: fn(u64) -> f64) -> Workload {
    Workload { name, run }
}

/// A runtime with tasks on one thread.
pub trait Runtime: 'static {
    /// Runs a future in a task of a new runtime, in the way that is the fastest to wake.
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T;

    /// Spawns a task. Some runtimes cancel it when what this returns is dropped.
    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static;
}

/// A runtime with timers.
pub trait Timers: Runtime {
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static;

    /// Polls a future that may not be limited by a budget of the runtime.
    fn unlimited<F: Future + Unpin>(future: F) -> impl Future<Output = F::Output> {
        future
    }
}

/// A runtime with a `yield_now` of its own.
pub trait Yields: Runtime {
    fn yield_now() -> impl Future<Output = ()> + 'static;
}

/// A runtime with a pool of threads, of which four run.
pub trait Jobs: Runtime {
    fn blocking<T: Send + 'static>(
        job: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static;
}

/// A runtime with TCP.
pub trait Net: Runtime {
    type Listener: 'static;
    type Stream: 'static;

    /// Listens on a port of 127.0.0.1 that the system chooses.
    fn listen() -> impl Future<Output = io::Result<(Self::Listener, u16)>>;

    /// Accepts a connection and sets `TCP_NODELAY`.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Echoes until the client disconnects, with one buffer of [`BUFFER`] bytes, one read and one write
    /// for a message.
    fn echo(stream: Self::Stream) -> impl Future<Output = ()> + 'static;

    /// Spawns a task that nobody awaits.
    fn detach(future: impl Future<Output = ()> + 'static);
}

/// The main function of a side. `serve` is missing if the runtime has no sockets.
pub fn main(workloads: &[Workload], serve: Option<fn()>) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    main_with(&arguments, workloads, serve);
}

/// [`main`] for a program with arguments of its own.
pub fn main_with(arguments: &[String], workloads: &[Workload], serve: Option<fn()>) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["list"] => {
            for workload in workloads {
                println!("{}", workload.name);
            }
            if serve.is_some() {
                println!("serve");
            }
        }
        ["run", name, size, times] => {
            let workload = workloads.iter().find(|workload| workload.name == name);
            let workload = workload.unwrap_or_else(|| panic!("there is no workload `{name}`"));
            let size = size.parse().expect("a size");
            for _ in 0..times.parse().expect("a number of times") {
                println!("{:.3}", (workload.run)(size) / size as f64);
            }
        }
        ["serve"] => serve.expect("this runtime has no sockets")(),
        _ => panic!("usage: list | run WORKLOAD SIZE TIMES | serve"),
    }
}

/// Runs `body` in a new runtime and returns the nanoseconds it took, without start and end of the
/// runtime.
pub fn timed<R: Runtime, F: Future<Output = ()> + 'static>(
    body: impl FnOnce() -> F + 'static,
) -> f64 {
    R::block_on(async move {
        let start = Instant::now();
        body().await;
        start.elapsed().as_nanos() as f64
    })
}

/// Wakes itself and is pending once, so that its task is polled again by the executor.
#[derive(Default)]
pub struct Turn {
    is_over: bool,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.is_over, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The sum of the numbers below `count`.
pub fn sum_below(count: u64) -> u64 {
    count * (count - 1) / 2
}
