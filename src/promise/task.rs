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
use super::handle::PromiseHandle;
use super::identity::Identity;
use super::next::Following;
use super::state::{ReasonOf, SettledBy, State};
use crate::async_local::context::AsyncContext;
use crate::event_loop::state::LoopState;
use crate::event_loop::tasks::{NewTask, Task};
use crate::observe::event::{Event, SettledAs};
use crate::phases::macrotask::{SourceLocation, StepKind, TaskKey};

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
        // `None` in the first poll of an eager task.
        promise: Option<Rc<State<O>>>,
        // Makes the conclusion out of the future's output.
        conclude: Option<C>,
        // The async context of this task, between two of its polls.
        context: AsyncContext,
    }
}

impl<F, O, C> Task for TaskFuture<F, O, C>
where
    F: Future,
    O: 'static,
    C: FnOnce(F::Output) -> Conclusion<O>,
{
    fn resume(mut self: Pin<&mut Self>, owner: &LoopState, cx: &mut Context<'_>) -> Poll<()> {
        debug_assert!(
            !owner.context.is_set(),
            "a task is polled in an empty context"
        );
        let this = self.as_mut().project();
        let future = this.future.as_pin_mut();
        let future = future.expect("a task that has ended is not polled");
        if this.context.is_some() {
            owner.context.set(this.context.take());
        }
        let outcome = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => {
                if owner.context.is_set() {
                    *this.context = owner.context.take();
                }
                return Poll::Pending;
            }
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(PromiseError::of_panic(payload)),
        };
        self.end(outcome);
        Poll::Ready(())
    }

    fn stop(mut self: Pin<&mut Self>, owner: &LoopState) {
        owner.context.set(self.as_mut().project().context.take());
        self.end(Err(PromiseError::Aborted));
    }
}

impl<F, O, C> TaskFuture<F, O, C>
where
    F: Future,
    O: 'static,
    C: FnOnce(F::Output) -> Conclusion<O>,
{
    /// Polls the task of a main future. Its first poll is on the stack of the code that starts it, and in the
    /// context of that code.
    #[inline]
    pub(super) fn poll_main(
        mut self: Pin<&mut Self>,
        owner: &LoopState,
        cx: &mut Context<'_>,
        is_first: bool,
    ) -> Poll<()> {
        let this = self.as_mut().project();
        let promise = this.promise.as_ref().expect("set when it was created");
        let Some(future) = this.future.as_pin_mut() else {
            return Poll::Ready(());
        };
        if !is_first {
            owner.context.set(this.context.take());
        }
        let must_stop = || promise.abort_requested() || !owner.is_open();
        let polled = match must_stop() {
            true => Ok(Poll::Pending),
            false => catch_unwind(AssertUnwindSafe(|| future.poll(cx))),
        };
        let outcome = match polled {
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(PromiseError::of_panic(payload)),
            Ok(Poll::Pending) if must_stop() => Err(PromiseError::Aborted),
            Ok(Poll::Pending) => {
                if is_first {
                    list_main(promise);
                }
                if owner.context.is_set() {
                    *this.context = match is_first {
                        true => owner.context.get(), // the code that starts it continues in it
                        false => owner.context.take(),
                    };
                }
                return Poll::Pending;
            }
        };
        self.end(outcome);
        Poll::Ready(())
    }

    /// Ends a task that has its promise: drops its future, and settles the promise.
    #[inline(never)] // a poll after which the task is pending would save the registers that this needs
    fn end(self: Pin<&mut Self>, outcome: Outcome<F::Output>) {
        let this = self.project();
        let promise = this.promise.as_ref().expect("set by the first poll");
        let outcome = drop_guarded(this.future, outcome);
        unlist_task(promise);
        let conclude = this.conclude.take().expect("a task concludes once");
        match outcome.map(conclude) {
            Ok(Conclusion::Settled(outcome)) => promise.settle(outcome),
            Ok(Conclusion::Follow(following)) => follow(promise, following),
            Err(failure) => promise.settle(Err(failure)),
        }
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

/// Enters a pending main future into the list of its loop. All other tasks are in it from the start.
#[inline(always)]
fn list_main<O: 'static>(promise: &Rc<State<O>>) {
    let number = promise.id().get();
    let index = promise.owner().add_main_task(promise.clone(), number);
    promise.settled_by.set(SettledBy::Task(index));
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

/// A promise that is about to be created together with its task.
pub(super) struct NewPromise<O> {
    pub(super) owner: Rc<LoopState>,
    pub(super) location: SourceLocation,
    pub(super) reason_of: ReasonOf<O>,
}

/// Starts a task whose future is polled at once.
#[track_caller]
pub(super) fn start_eagerly<F: Future + 'static, O: 'static>(
    future: F,
    conclude: impl FnOnce(F::Output) -> Conclusion<O> + 'static,
    new: NewPromise<O>,
) -> PromiseHandle<O> {
    // Every frame between here and the first poll would contain a copy of the future.
    if const { size_of::<F>() >= LARGE_FUTURE } {
        start_as(StepKind::Task, on_heap(future), conclude, new)
    } else {
        start_as(StepKind::Task, future, conclude, new)
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
    new: NewPromise<O>,
) -> PromiseHandle<O> {
    start_as(StepKind::Reaction, future, conclude, new)
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
                promise: Some(promise.clone()),
                conclude: Some(std::convert::identity),
                context: owner.context.get(),
            })
        });
    });
}

/// Starts a task whose future is polled at once. The promise has no state if the future returns a value from
/// this poll.
///
/// The poll is no closure that the loop calls, because what a closure contains would be copied several times.
#[track_caller]
fn start_as<T, O: 'static>(
    kind: StepKind,
    future: impl Future<Output = T> + 'static,
    conclude: impl FnOnce(T) -> Conclusion<O> + 'static,
    new: NewPromise<O>,
) -> PromiseHandle<O> {
    let (owner, location) = (new.owner, new.location);
    let context = owner.context.get();
    let id = owner.new_promise(location);
    let new_state = |context| {
        let identity = Identity::of(owner.clone(), id, location);
        State::of(identity, context, new.reason_of)
    };
    if !owner.is_open() {
        let state = new_state(context);
        state.settle(Err(PromiseError::Aborted));
        return PromiseHandle::new(state); // drops the future
    }
    let level = owner.begin_eager(id, location);
    let mut future = Box::pin(TaskFuture {
        future: Some(future),
        promise: None,
        conclude: Some(conclude),
        context: None,
    });
    let (task, waker) = owner.begin_task(NewTask {
        promise: None, // until the first poll is over
        number: id.get(),
        location,
        kind,
    });
    let polled = future
        .as_mut()
        .first_poll(&owner, task, &mut waker.context());
    let handle = match polled {
        Poll::Pending => {
            let state = new_state(context);
            state.settled_by.set(SettledBy::Task(task.index));
            future.as_mut().set_promise(state.clone());
            owner.end_first_poll(task.index, future, waker, state.clone());
            PromiseHandle::new(state)
        }
        // The report of a rejection needs the context.
        Poll::Ready(Conclusion::Settled(Ok(output)))
            if context.is_none() && (new.reason_of)(&output).is_none() =>
        {
            owner.notify_observers(|| Event::PromiseSettled {
                promise: id,
                location,
                settled: SettledAs::Fulfilled,
            });
            owner.take_back(waker);
            PromiseHandle::fulfilled(Identity::of(owner.clone(), id, location), output)
        }
        Poll::Ready(conclusion) => {
            let state = new_state(context);
            match conclusion {
                Conclusion::Settled(outcome) => state.settle(outcome),
                Conclusion::Follow(following) => follow(&state, following),
            }
            owner.take_back(waker);
            PromiseHandle::new(state)
        }
    };
    owner.end_eager(level, id, location);
    handle
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
    let task = owner.queue_task(new_task(promise, StepKind::Task), |task| {
        promise.settled_by.set(SettledBy::Task(task.index));
        Box::pin(TaskFuture {
            future: Some(future),
            promise: Some(promise.clone()),
            conclude: Some(conclude),
            context: owner.context.get(),
        })
    });
    if promise.abort_requested() {
        owner.abort_task(task); // it follows another promise, and was aborted just before
    }
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
    /// Creates the task of a main future, whose first poll is on the stack of the code that starts it.
    pub(super) fn main(future: F, conclude: C, promise: &Rc<State<O>>) -> TaskFuture<F, O, C> {
        TaskFuture {
            future: Some(future),
            promise: Some(promise.clone()),
            conclude: Some(conclude),
            context: None,
        }
    }
}

impl<F, O, C> TaskFuture<F, O, C>
where
    F: Future,
    O: 'static,
    C: FnOnce(F::Output) -> Conclusion<O>,
{
    /// Makes the first poll of an eager task, which has no promise yet. A task that ends is removed.
    #[inline]
    fn first_poll(
        self: Pin<&mut Self>,
        owner: &LoopState,
        task: TaskKey,
        cx: &mut Context<'_>,
    ) -> Poll<Conclusion<O>> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("a new task has its future");
        let enclosing = owner.begin_first_poll(task, cx);
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll(cx)));
        owner.restore_polled(&enclosing);
        let outcome = match polled {
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(PromiseError::of_panic(payload)),
            Ok(Poll::Pending) if !owner.is_open() => Err(PromiseError::Aborted),
            Ok(Poll::Pending) => {
                *this.context = owner.context.get(); // the spawner continues in it
                return Poll::Pending;
            }
        };
        let outcome = drop_guarded(this.future, outcome);
        owner.remove_eager_task(task.index);
        let conclude = this.conclude.take().expect("a task concludes once");
        Poll::Ready(match outcome.map(conclude) {
            Ok(conclusion) => conclusion,
            Err(failure) => Conclusion::Settled(Err(failure)),
        })
    }

    #[inline]
    fn set_promise(self: Pin<&mut Self>, promise: Rc<State<O>>) {
        *self.project().promise = Some(promise);
    }
}
