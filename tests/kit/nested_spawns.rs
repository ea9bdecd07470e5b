//! Eager spawns within the first poll of another task: their limits, and that they hold.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;

use crate::common::limit::limit;
use nodeloop::promise::MAX_SPAWN_DEPTH;
use nodeloop::worker::{self, WorkerPort};

use nodeloop::{Builder, EventLoop, Promise, RunError, set_immediate, spawn};

type BoxedTask = Pin<Box<dyn Future<Output = usize>>>;

/// The stack of a test's thread, and of every thread that Rust starts.
const USUAL_STACK: usize = 2 << 20;
/// A stack on which only the count of levels is a limit.
const LARGE_STACK: usize = 16 << 20;

/// Each spawns the next one in its first poll.
fn nest(left: usize) -> BoxedTask {
    Box::pin(async move {
        match left {
            0 => 0,
            _ => spawn(nest(left - 1)).await + 1,
        }
    })
}

/// The same with local variables in the first poll.
fn nest_with_locals(left: usize) -> BoxedTask {
    Box::pin(async move {
        let locals = [left as u8; 16 << 10];
        black_box(&locals);
        match left {
            0 => 0,
            _ => spawn(nest_with_locals(left - 1)).await + 1,
        }
    })
}

/// The same with a future of `SIZE` bytes, which no box hides from `spawn`.
struct NestLarge<const SIZE: usize> {
    data: [u8; SIZE],
    left: usize,
    next: Option<Promise<usize>>,
}

impl<const SIZE: usize> NestLarge<SIZE> {
    fn new(left: usize) -> NestLarge<SIZE> {
        NestLarge {
            data: [1; SIZE],
            left,
            next: None,
        }
    }
}

impl<const SIZE: usize> Future for NestLarge<SIZE> {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(0);
        }
        let left = this.left - 1;
        let next = this.next.get_or_insert_with(|| spawn(Self::new(left)));
        let one = usize::from(black_box(&this.data)[SIZE - 1]);
        Pin::new(next).poll(cx).map(|depth| depth + one)
    }
}

/// Runs the task that `nest` returns in a task, on a thread with a stack of `stack_size`. Returns how
/// deep it went, or the error.
fn nested<F: Future<Output = usize> + 'static>(
    stack_size: usize,
    settings: impl FnOnce(Builder) -> Builder + Send + 'static,
    nest: impl FnOnce() -> F + Send + 'static,
) -> Result<usize, String> {
    let run = move || {
        let mut event_loop = settings(EventLoop::builder().virtual_time())
            .build()
            .unwrap();
        let result = event_loop.run(async { nest().await });
        assert_eq!(
            event_loop.run(async { 1 }).unwrap(),
            1,
            "the loop can be used again"
        );
        result.map_err(|error| match error {
            RunError::Uncaught(error) => error.message(),
            error => panic!("{error}"),
        })
    };
    let thread = thread::Builder::new().stack_size(stack_size);
    thread.spawn(run).unwrap().join().unwrap()
}

#[track_caller]
fn assert_refused(result: Result<usize, String>) {
    let text = result.expect_err("it is nested too deep");
    assert!(
        text.contains("`spawn` at") && text.contains("use `spawn_lazy`"),
        "{text}"
    );
}

/// With the default settings, in a debug build too.
#[test]
fn two_hundred_spawns_nest_on_a_usual_stack() {
    let _limit = limit();
    assert_eq!(nested(USUAL_STACK, |it| it, || nest(200)), Ok(200));
    assert_refused(nested(USUAL_STACK, |it| it, || nest(1_000_000)));
}

/// The number of levels does not depend on the build, if the stack is large enough.
#[test]
fn spawns_nest_as_deep_as_documented() {
    let _limit = limit();
    let settings = |builder: Builder| builder.spawn_stack(LARGE_STACK / 2);
    let deepest = MAX_SPAWN_DEPTH - 1; // the main future is the first
    assert_eq!(
        nested(LARGE_STACK, settings, move || nest(deepest)),
        Ok(deepest)
    );
    let text = nested(LARGE_STACK, settings, move || nest(deepest + 1)).unwrap_err();
    let expected = format!("nested {MAX_SPAWN_DEPTH} deep");
    assert!(text.contains(&expected), "{text}");
}

/// Without the limit of the stack it would overflow, and the process would be aborted.
#[test]
#[cfg_attr(
    miri,
    ignore = "Miri has no stack, so only the number of levels is limited"
)]
fn large_futures_and_locals_do_not_overflow_the_stack() {
    let _limit = limit();
    for stack_size in [USUAL_STACK, 1 << 20] {
        let deep = MAX_SPAWN_DEPTH - 1;
        assert_refused(nested(
            stack_size,
            |it| it,
            move || NestLarge::<2_000>::new(deep),
        ));
        assert_refused(nested(
            stack_size,
            |it| it,
            move || NestLarge::<10_240>::new(deep),
        ));
        // The default limit leaves 256 KiB of a stack of 1 MiB. In a debug build for Windows, one level of
        // this future needs more.
        if stack_size == USUAL_STACK || !cfg!(windows) {
            assert_refused(nested(
                stack_size,
                |it| it,
                move || NestLarge::<40_960>::new(deep),
            ));
        }
        assert_refused(nested(stack_size, |it| it, move || nest_with_locals(deep)));
    }
}

#[test]
fn some_large_futures_nest_on_a_usual_stack() {
    let _limit = limit();
    assert_eq!(
        nested(USUAL_STACK, |it| it, || NestLarge::<10_240>::new(10)),
        Ok(10)
    );
    assert_eq!(
        nested(USUAL_STACK, |it| it, || NestLarge::<65_536>::new(2)),
        Ok(2)
    );
}

#[test]
#[cfg_attr(
    miri,
    ignore = "Miri has no stack, so only the number of levels is limited"
)]
fn a_small_stack_needs_a_lower_limit() {
    let _limit = limit();
    let settings = |builder: Builder| builder.spawn_stack(64 << 10);
    assert_eq!(nested(256 << 10, settings, || nest(10)), Ok(10));
    assert_refused(nested(256 << 10, settings, || nest(MAX_SPAWN_DEPTH - 1)));
    assert_refused(nested(256 << 10, settings, || {
        nest_with_locals(MAX_SPAWN_DEPTH - 1)
    }));
}

#[test]
#[cfg_attr(
    miri,
    ignore = "Miri has no stack, so only the number of levels is limited"
)]
fn a_worker_allows_half_of_the_stack_that_it_was_given() {
    let _limit = limit();
    let joined = nodeloop::block_on(async {
        let settings = worker::Builder::new().stack_size(256 << 10);
        let main = |_: WorkerPort<(), ()>| nest(MAX_SPAWN_DEPTH - 1);
        settings.spawn(main).unwrap().join().await
    });
    let text = joined.unwrap_err().to_string();
    assert!(
        text.contains("KiB of stack") && text.contains("on 128 KiB"),
        "{text}"
    );
}

/// What the callback of a spawn has used of the stack before does not count.
#[test]
fn a_single_spawn_deep_in_a_recursion_is_not_refused() {
    let _limit = limit();
    #[inline(never)]
    fn recurse(left: usize, spawned: &Rc<Cell<bool>>) {
        let mut locals = [left as u8; 64 << 10];
        black_box(&mut locals);
        if left > 0 {
            recurse(left - 1, spawned);
        } else {
            let spawned = spawned.clone();
            spawn(async move { spawned.set(true) }).detach();
        }
        black_box(&mut locals);
    }
    let run = || {
        let spawned = Rc::new(Cell::new(false));
        let seen = spawned.clone();
        nodeloop::run_script(move || {
            set_immediate(move || recurse(20, &spawned));
        });
        assert!(seen.get());
    };
    let thread = thread::Builder::new().stack_size(LARGE_STACK);
    thread.spawn(run).unwrap().join().unwrap();
}
