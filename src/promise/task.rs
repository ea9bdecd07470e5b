//! Spawning: a future becomes a task, and the task settles a promise.
//!
//! Eager as a call of an async function is (R46): the future is polled at once, on the caller's
//! stack, and only a task that is pending behind its first poll enters the registry through which
//! the end of the loop cancels it.
//!
//! A task never lets a panic out: neither its poll nor its destructor. Both settle the promise.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use async_task::Runnable;
use pin_project_lite::pin_project;

use super::next::Following;
use super::state::{Outcome, PromiseError, Source, State, identity_of};
use crate::async_local::context::AsyncContext;
use crate::event_loop::current::schedule;
use crate::event_loop::state::{LiveTask, LoopState};
use crate::observe::event::Event;
use crate::reactor::remote_queue::TaskMeta;

/// How deep eager spawns may nest: a task that spawns a task that spawns a task, each inside the
/// first poll of the one before. A debug build takes three kilobytes of stack for each, so that a
/// thread of two megabytes, Rust's default, holds them.
pub const MAX_SPAWN_DEPTH: usize = 512;

/// How much of the stack is left to the future that is spawned, at least.
const STACK_RESERVE: usize = 128 * 1024;

/// How a task ends: its promise settles, or follows another one.
pub(super) enum Conclusion<O> {
    Settled(Outcome<O>),
    Follow(Following<O>),
}

pin_project! {
    /// The future of a task: the user's, the promise it settles, and how.
    struct TaskFuture<F, O, C> {
        #[pin]
        future: Option<F>,
        promise: Rc<State<O>>,
        conclude: Option<C>,
        // The values that follow the flow of this task, between two of its polls.
        context: AsyncContext,
        // Whether the next poll is on the spawner's stack, and so in the spawner's context.
        is_in_place: bool,
    }
}

impl<F, O, C> Future for TaskFuture<F, O, C>
where
    F: Future,
    O: 'static,
    C: FnOnce(F::Output) -> Conclusion<O>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let promise = &*this.promise;
        let owner = promise.owner();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let is_in_place = std::mem::replace(this.is_in_place, false);
        if !is_in_place {
            owner.context.set(this.context.take());
        }
        let mut output = if must_stop(promise) {
            Err(PromiseError::Aborted)
        } else {
            match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                Ok(Poll::Ready(output)) => Ok(output),
                Err(payload) => Err(PromiseError::Panicked(payload)),
                Ok(Poll::Pending) if must_stop(promise) => Err(PromiseError::Aborted),
                Ok(Poll::Pending) => {
                    if promise.source.get() == Source::None {
                        let task = LiveTask {
                            waker: cx.waker().clone(),
                            promise: promise.clone(),
                        };
                        let key = owner.tasks.borrow_mut().insert(task);
                        promise.source.set(Source::Task(key));
                    }
                    *this.context = match is_in_place {
                        true => owner.context.get(), // the spawner goes on in it
                        false => owner.context.take(),
                    };
                    return Poll::Pending;
                }
            }
        };
        // The future goes before its promise settles, as a function's locals go before its
        // caller continues.
        let dropped = catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
        if let Err(payload) = dropped
            && !matches!(output, Err(PromiseError::Panicked(_)))
        {
            output = Err(PromiseError::Panicked(payload)); // it takes the place of the output
        }
        if let Source::Task(key) = promise.source.replace(Source::None) {
            let task = owner.tasks.borrow_mut().remove(key);
            drop(task); // outside of the borrow
        }
        let conclude = this.conclude.take().expect("a task concludes once");
        match output.map(conclude) {
            Ok(Conclusion::Settled(outcome)) => promise.settle(outcome),
            Ok(Conclusion::Follow(following)) => follow(promise, following),
            Err(failure) => promise.settle(Err(failure)),
        }
        Poll::Ready(())
    }
}

/// R43: the promise follows another one. A job awaits that, one more settles this one with it.
/// Following itself is an error at once (R44).
pub(super) fn follow<O: 'static>(promise: &Rc<State<O>>, following: Following<O>) {
    if following.identity == identity_of(promise) {
        return promise.settle(Err(PromiseError::SelfResolution));
    }
    promise.source.set(Source::None); // from now on a task stands behind it
    start_lazily(following.outcome, Conclusion::Settled, promise);
}

/// Whether the task is to drop its future instead of polling it.
fn must_stop<O: 'static>(promise: &Rc<State<O>>) -> bool {
    promise.abort_requested() || !promise.owner().is_open()
}

/// Polls the future of a new task at once.
#[track_caller]
pub(super) fn start_eagerly<F, O, C>(future: F, conclude: C, promise: &Rc<State<O>>)
where
    F: Future + 'static,
    O: 'static,
    C: FnOnce(F::Output) -> Conclusion<O> + 'static,
{
    if !promise.owner().is_open() {
        return promise.settle(Err(PromiseError::Aborted)); // and the future is dropped
    }
    let owner = promise.owner().clone();
    let _depth = Depth::enter(&owner);
    let (id, location) = (promise.id(), promise.location());
    owner.notify_observers(|| Event::EagerBegin {
        promise: id,
        location,
    });
    task(future, conclude, promise, None, true).run();
    owner.notify_observers(|| Event::EagerEnd {
        promise: id,
        location,
    });
}

/// Polls the future of a new task in a microtask of its own.
pub(super) fn start_lazily<F, O, C>(future: F, conclude: C, promise: &Rc<State<O>>)
where
    F: Future + 'static,
    O: 'static,
    C: FnOnce(F::Output) -> Conclusion<O> + 'static,
{
    if !promise.owner().is_open() {
        return promise.settle(Err(PromiseError::Aborted)); // and the future is dropped
    }
    let context = promise.owner().context.get();
    let runnable = task(future, conclude, promise, context, false);
    promise.owner().push_task(runnable);
}

/// How the task of a plain `spawn` concludes.
pub(super) fn with_output<O>(output: O) -> Conclusion<O> {
    Conclusion::Settled(Ok(output))
}

fn task<F, O, C>(
    future: F,
    conclude: C,
    promise: &Rc<State<O>>,
    context: AsyncContext,
    is_in_place: bool,
) -> Runnable<TaskMeta>
where
    F: Future + 'static,
    O: 'static,
    C: FnOnce(F::Output) -> Conclusion<O> + 'static,
{
    let future = TaskFuture {
        future: Some(future),
        promise: promise.clone(),
        conclude: Some(conclude),
        context,
        is_in_place,
    };
    let meta = TaskMeta {
        remote_queue: promise.owner().remote_queue.clone(),
        location: promise.location(),
        promise: promise.id().get(),
    };
    let (runnable, task) = async_task::Builder::new()
        .metadata(meta)
        .spawn_local(move |_| future, schedule);
    task.detach();
    runnable
}

/// Counts how deep eager spawns are nested, and refuses what the stack can't hold.
struct Depth<'a> {
    owner: &'a LoopState,
}

impl Depth<'_> {
    #[track_caller]
    fn enter(owner: &LoopState) -> Depth<'_> {
        let depth = owner.spawn_depth.get();
        let stack_left = stacker::remaining_stack().unwrap_or(usize::MAX);
        if depth >= MAX_SPAWN_DEPTH || stack_left < STACK_RESERVE {
            refuse(depth, stack_left);
        }
        owner.spawn_depth.set(depth + 1);
        Depth { owner }
    }
}

impl Drop for Depth<'_> {
    fn drop(&mut self) {
        self.owner.spawn_depth.set(self.owner.spawn_depth.get() - 1);
    }
}

#[cold]
#[track_caller]
fn refuse(depth: usize, stack_left: usize) -> ! {
    panic!(
        "`spawn` at {} is nested {depth} deep with {} KiB of stack left: it polls the future at \
         once, on the caller's stack, at most {MAX_SPAWN_DEPTH} deep; use `spawn_lazy`, which \
         polls it in a microtask of its own",
        Location::caller(),
        stack_left / 1024,
    )
}
