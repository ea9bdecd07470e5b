//! Limits: what a package costs that every runtime on these packages needs, without the runtime.
//! async-task on a bare `VecDeque`, a bare mio loop, an empty system call. With `--safe`, an executor without unsafe
//! code.

mod bare_mio;
mod safe;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_task::Runnable;
use side_common::{Runtime, Workload, workload};

thread_local! {
    static QUEUE: RefCell<VecDeque<Runnable>> = const { RefCell::new(VecDeque::new()) };
}

/// A queue that only its own thread can fill.
struct Queue;

impl Runtime for Queue {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let mut task = pin!(Queue::spawn(future));
        while let Some(runnable) = QUEUE.with_borrow_mut(VecDeque::pop_front) {
            runnable.run();
        }
        match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("nothing is left that could wake the task"),
        }
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        let push = |runnable| QUEUE.with_borrow_mut(|queue| queue.push_back(runnable));
        let (runnable, task) = async_task::spawn_local(future, push);
        runnable.schedule();
        task
    }
}

/// One system call that does next to nothing.
fn system_calls(count: u64) -> f64 {
    let start = Instant::now();
    let id = rustix::process::getppid();
    for _ in 1..count {
        assert_eq!(rustix::process::getppid(), id);
    }
    start.elapsed().as_nanos() as f64
}

/// One poll of a mio loop with nothing to report.
fn empty_polls(count: u64) -> f64 {
    let mut poll = mio::Poll::new().expect("a poll");
    let mut events = mio::Events::with_capacity(1);
    let start = Instant::now();
    for _ in 0..count {
        poll.poll(&mut events, Some(Duration::ZERO))
            .expect("a poll");
        assert!(events.is_empty());
    }
    start.elapsed().as_nanos() as f64
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--safe") {
        arguments.remove(0);
        let mut workloads: Vec<Workload> = side_common::tasks::<safe::Safe>();
        workloads.retain(|workload| workload.name != "start-up");
        workloads.push(side_common::memory_of_tasks::<safe::Safe>());
        return side_common::main_with(&arguments, &workloads, None);
    }
    let mut workloads: Vec<Workload> = side_common::tasks::<Queue>();
    // Nothing is set up, so there is no start-up.
    workloads.retain(|workload| workload.name != "start-up");
    workloads.push(side_common::memory_of_tasks::<Queue>());
    workloads.push(workload("immediate-chain", system_calls));
    workloads.push(workload("yield", system_calls));
    workloads.push(workload("empty-poll", empty_polls));
    side_common::main(&workloads, Some(bare_mio::serve));
}
