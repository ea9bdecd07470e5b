//! An executor of a `Vec` of boxed futures and a `VecDeque`, without unsafe code: what a runtime pays that
//! is written in safe Rust, before it has an order, promises, timers and reports.
//!
//! Its wakers may be used on other threads, as those of every runtime.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use side_common::Runtime;

thread_local! {
    static TASKS: RefCell<Tasks> = RefCell::default();
    static EXECUTOR: Cell<u64> = const { Cell::new(0) };
}

static NEXT: AtomicU64 = AtomicU64::new(1);

type BoxedTask = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct Tasks {
    entries: Vec<Entry>,
    free: Vec<usize>,
    queue: VecDeque<usize>,
    remote: Arc<Mutex<Vec<(usize, u64)>>>,
    generations: u64,
}

struct Entry {
    /// `None` while it is polled, and after its end.
    future: Option<BoxedTask>,
    waker: Option<Waker>,
    generation: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Scheduled,
    Running,
    Woken,
}

struct TaskWaker {
    executor: u64,
    index: usize,
    generation: u64,
    remote: Arc<Mutex<Vec<(usize, u64)>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<TaskWaker>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<TaskWaker>) {
        if EXECUTOR.get() == self.executor {
            TASKS.with_borrow_mut(|tasks| tasks.wake(self.index, self.generation));
        } else {
            let mut remote = self.remote.lock().expect("no panic under the lock");
            remote.push((self.index, self.generation));
        }
    }
}

impl Tasks {
    #[inline]
    fn wake(&mut self, index: usize, generation: u64) {
        let Some(entry) = self.entries.get_mut(index) else {
            return;
        };
        if entry.generation != generation {
            return;
        }
        match entry.state {
            State::Idle => {
                entry.state = State::Scheduled;
                self.queue.push_back(index);
            }
            State::Running => entry.state = State::Woken,
            State::Scheduled | State::Woken => {}
        }
    }

    fn spawn(&mut self, future: BoxedTask) {
        self.generations += 1;
        let index = self.free.pop().unwrap_or(self.entries.len());
        let waker = Waker::from(Arc::new(TaskWaker {
            executor: EXECUTOR.get(),
            index,
            generation: self.generations,
            remote: self.remote.clone(),
        }));
        let entry = Entry {
            future: Some(future),
            waker: Some(waker),
            generation: self.generations,
            state: State::Scheduled,
        };
        match self.entries.get_mut(index) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        self.queue.push_back(index);
    }

    /// Returns the next task, which is about to be polled.
    #[inline]
    fn next(&mut self) -> Option<(usize, BoxedTask, Waker)> {
        loop {
            let index = self.queue.pop_front()?;
            let entry = &mut self.entries[index];
            entry.state = State::Running;
            if let (Some(future), Some(waker)) = (entry.future.take(), entry.waker.take()) {
                return Some((index, future, waker));
            }
        }
    }

    /// Keeps a task that is pending.
    #[inline]
    fn keep(&mut self, index: usize, future: BoxedTask, waker: Waker) {
        let entry = &mut self.entries[index];
        entry.future = Some(future);
        entry.waker = Some(waker);
        match entry.state {
            State::Woken => {
                entry.state = State::Scheduled;
                self.queue.push_back(index);
            }
            _ => entry.state = State::Idle,
        }
    }

    /// Removes a task that has ended.
    fn remove(&mut self, index: usize) {
        self.entries[index].generation = 0;
        self.free.push(index);
    }

    /// Takes what other threads have woken. Returns `false` if that is nothing.
    fn receive(&mut self) -> bool {
        let remote = std::mem::take(&mut *self.remote.lock().expect("no panic under the lock"));
        for (index, generation) in &remote {
            self.wake(*index, *generation);
        }
        !remote.is_empty()
    }
}

/// What a task and the handle of its output share.
struct Joined<T> {
    output: Cell<Option<T>>,
    waker: Cell<Option<Waker>>,
}

struct Join<T>(Rc<Joined<T>>);

impl<T> Future for Join<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.0.output.take() {
            Some(output) => Poll::Ready(output),
            None => {
                self.0.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

pub struct Safe;

impl Runtime for Safe {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        EXECUTOR.set(NEXT.fetch_add(1, Ordering::Relaxed));
        let main = start(future);
        loop {
            while let Some((index, mut future, waker)) = TASKS.with_borrow_mut(Tasks::next) {
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                match polled {
                    Poll::Pending => {
                        TASKS.with_borrow_mut(|tasks| tasks.keep(index, future, waker));
                    }
                    Poll::Ready(()) => TASKS.with_borrow_mut(|tasks| tasks.remove(index)),
                }
            }
            if let Some(output) = main.output.take() {
                return output;
            }
            let is_woken = TASKS.with_borrow_mut(Tasks::receive);
            assert!(is_woken, "nothing is left that could wake the task");
        }
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        Join(start(future))
    }
}

fn start<T: 'static>(future: impl Future<Output = T> + 'static) -> Rc<Joined<T>> {
    let joined = Rc::new(Joined {
        output: Cell::new(None),
        waker: Cell::new(None),
    });
    let settled = joined.clone();
    let task = Box::pin(async move {
        settled.output.set(Some(future.await));
        if let Some(waker) = settled.waker.take() {
            waker.wake();
        }
    });
    TASKS.with_borrow_mut(|tasks| tasks.spawn(task));
    joined
}
