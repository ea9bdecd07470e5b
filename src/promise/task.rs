//! Tasks: a future that settles a promise.
//!
//! A task is started eagerly, as a call of an async function is (R46), or lazily. An eager task is
//! polled at once, on the caller's stack. The loop owns the task, in its list of tasks, until its
//! promise settles or the end of the loop cancels it.
//!
//! Invariant: no panic leaves a task, neither from its poll nor from a destructor; it settles the
//! promise.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::awaiter::{Awaiter, Waiting};
use super::error::{Outcome, PromiseError};
use super::next::Following;
use super::state::{SettledBy, State};
use crate::async_local::context::AsyncContext;
use crate::event_loop::tasks::NewTask;
use crate::phases::macrotask::StepKind;

/// How a task ends: its promise settles, or follows another one.
pub(super) enum Conclusion<O> {
    Settled(Outcome<O>),
    Follow(Following<O>),
}

pin_project! {
    /// The future of a task.
    pub(super) struct TaskFuture<F, O, C> {
        #[pin]
        future: Option<F>,
        promise: Rc<State<O>>,
        // Makes the conclusion out of the future's output.
        conclude: Option<C>,
        // The async context of this task, between two of its polls.
        context: AsyncContext,
        // Whether the next poll is on the spawner's stack, and so in the spawner's context.
        is_eager: bool,
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
        let context = &owner.context;
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let is_eager = std::mem::replace(this.is_eager, false);
        if !is_eager {
            context.set(this.context.take());
        }
        let enclosing = owner.begin_polling(index_of_task(promise), cx);
        let polled = match must_stop(promise) {
            true => Ok(Poll::Pending),
            false => catch_unwind(AssertUnwindSafe(|| future.poll(cx))),
        };
        owner.end_polling(enclosing);
        let outcome = match polled {
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(PromiseError::of_panic(payload)),
            Ok(Poll::Pending) if must_stop(promise) => Err(PromiseError::Aborted),
            Ok(Poll::Pending) => {
                list_main(promise);
                *this.context = match is_eager {
                    true => context.get(), // the spawner continues in it
                    false => context.take(),
                };
                return Poll::Pending;
            }
        };
        let outcome = drop_guarded(this.future, outcome);
        unlist_task(promise);
        let conclude = this.conclude.take().expect("a task concludes once");
        match outcome.map(conclude) {
            Ok(Conclusion::Settled(outcome)) => promise.settle(outcome),
            Ok(Conclusion::Follow(following)) => follow(promise, following),
            Err(failure) => promise.settle(Err(failure)),
        }
        Poll::Ready(())
    }
}

/// Drops the future, before its promise settles, as the locals of a function are dropped before
/// its caller continues. A panic in a destructor replaces the output.
#[inline(always)] // like the other steps: every task runs it
fn drop_guarded<F, T>(mut future: Pin<&mut Option<F>>, outcome: Outcome<T>) -> Outcome<T> {
    match catch_unwind(AssertUnwindSafe(|| future.set(None))) {
        Err(payload) if !matches!(outcome, Err(PromiseError::Panicked(_))) => {
            Err(PromiseError::of_panic(payload))
        }
        _ => outcome,
    }
}

/// Returns the index of the task that settles a promise, or that of no task.
#[inline(always)]
fn index_of_task<O: 'static>(promise: &Rc<State<O>>) -> usize {
    match promise.settled_by.get() {
        SettledBy::Task(index) => index,
        _ => usize::MAX,
    }
}

/// Enters a pending main future into the loop's list. All other tasks are in it from the start.
#[inline(always)]
fn list_main<O: 'static>(promise: &Rc<State<O>>) {
    if promise.settled_by.get() == SettledBy::None {
        let number = promise.id().get();
        let index = promise.owner().add_main_task(promise.clone(), number);
        promise.settled_by.set(SettledBy::Task(index));
    }
}

#[inline(always)]
fn unlist_task<O: 'static>(promise: &Rc<State<O>>) {
    if let SettledBy::Task(index) = promise.settled_by.replace(SettledBy::None) {
        promise.owner().remove_task(index);
    }
}

/// Makes the promise follow another one (R43): a task in a microtask of its own awaits that one,
/// and settles this one in the turn after. Following itself is an error at once (R44).
pub(super) fn follow<O: 'static>(promise: &Rc<State<O>>, following: Following<O>) {
    if is_same(&following, promise) {
        return promise.settle(Err(PromiseError::SelfResolution));
    }
    promise.settled_by.set(SettledBy::None); // until the new task has been polled
    start_lazily(following.outcome, Conclusion::Settled, promise);
}

fn is_same<O: 'static>(following: &Following<O>, promise: &Rc<State<O>>) -> bool {
    std::ptr::addr_eq(Rc::as_ptr(&following.promise), Rc::as_ptr(promise))
}

/// Whether the task must drop its future instead of polling it.
fn must_stop<O: 'static>(promise: &Rc<State<O>>) -> bool {
    promise.abort_requested() || !promise.owner().is_open()
}

/// Starts a task whose future is polled at once.
#[track_caller]
pub(super) fn start_eagerly<F: Future + 'static, O: 'static>(
    future: F,
    conclude: impl FnOnce(F::Output) -> Conclusion<O> + 'static,
    promise: &Rc<State<O>>,
) {
    // Every frame between here and the first poll would contain a copy of the future.
    if const { size_of::<F>() >= LARGE_FUTURE } {
        start_as(StepKind::Task, on_heap(future), conclude, promise);
    } else {
        start_as(StepKind::Task, future, conclude, promise);
    }
}

/// The size of a future, in bytes, from which it is moved to the heap before anything else.
const LARGE_FUTURE: usize = 2048;

/// Moves a future to the heap. Its copies on the stack are gone when this returns.
#[inline(never)]
fn on_heap<F>(future: F) -> Pin<Box<F>> {
    Box::pin(future)
}

/// Starts a reaction whose future may do more than to wait for a promise.
#[track_caller]
pub(super) fn start_reaction<T, O: 'static>(
    future: impl Future<Output = T> + 'static,
    conclude: impl FnOnce(T) -> Conclusion<O> + 'static,
    promise: &Rc<State<O>>,
) {
    start_as(StepKind::Reaction, future, conclude, promise);
}

/// Starts a reaction to `source`, as a task that calls `handler` when it is polled for the first time. In
/// the place of a poll before, which would only wait, it is entered among the reactions of the source.
#[track_caller]
pub(super) fn react_to<S: 'static, O: 'static>(
    mut source: Awaiter<S>,
    handler: impl FnOnce(Outcome<S>) -> Conclusion<O> + 'static,
    promise: &Rc<State<O>>,
) {
    let owner = promise.owner().clone();
    if !owner.is_open() {
        promise.settle(Err(PromiseError::Aborted));
        return drop((source, handler));
    }
    owner.eagerly(promise.id(), promise.location(), || {
        owner.add_waiting_task(new_task(promise, StepKind::Reaction), |task| {
            promise.settled_by.set(SettledBy::Task(task.index));
            source.wait_in(task);
            Box::pin(TaskFuture {
                future: Some(Waiting::new(source, handler)),
                promise: promise.clone(),
                conclude: Some(std::convert::identity),
                context: owner.context.get(),
                is_eager: false,
            })
        });
    });
}

#[track_caller]
fn start_as<T, O: 'static>(
    kind: StepKind,
    future: impl Future<Output = T> + 'static,
    conclude: impl FnOnce(T) -> Conclusion<O> + 'static,
    promise: &Rc<State<O>>,
) {
    let owner = promise.owner().clone();
    if !owner.is_open() {
        return promise.settle(Err(PromiseError::Aborted)); // drops the future
    }
    owner.eagerly(promise.id(), promise.location(), || {
        owner.start_task(new_task(promise, kind), |task| {
            promise.settled_by.set(SettledBy::Task(task.index));
            Box::pin(TaskFuture::eager(future, conclude, promise))
        });
    });
}

/// Starts a task whose future is polled for the first time in a microtask of its own.
pub(super) fn start_lazily<T, O: 'static>(
    future: impl Future<Output = T> + 'static,
    conclude: impl FnOnce(T) -> Conclusion<O> + 'static,
    promise: &Rc<State<O>>,
) {
    let owner = promise.owner();
    if !owner.is_open() {
        return promise.settle(Err(PromiseError::Aborted)); // drops the future
    }
    owner.queue_task(new_task(promise, StepKind::Task), |task| {
        promise.settled_by.set(SettledBy::Task(task.index));
        Box::pin(TaskFuture {
            future: Some(future),
            promise: promise.clone(),
            conclude: Some(conclude),
            context: owner.context.get(),
            is_eager: false,
        })
    });
}

fn new_task<O: 'static>(promise: &Rc<State<O>>, kind: StepKind) -> NewTask {
    NewTask {
        promise: Some(promise.clone()),
        number: promise.id().get(),
        location: promise.location(),
        kind,
    }
}

/// Concludes a task whose output is the output of its promise.
pub(super) fn with_output<O>(output: O) -> Conclusion<O> {
    Conclusion::Settled(Ok(output))
}

impl<F, O, C> TaskFuture<F, O, C> {
    /// Creates a task whose first poll is on the spawner's stack.
    pub(super) fn eager(future: F, conclude: C, promise: &Rc<State<O>>) -> TaskFuture<F, O, C> {
        TaskFuture {
            future: Some(future),
            promise: promise.clone(),
            conclude: Some(conclude),
            context: None,
            is_eager: true,
        }
    }
}
