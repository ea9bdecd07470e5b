//! The members of a combinator: tasks that pass the outcome of a promise on.
//!
//! JavaScript's `Promise.all` calls `then` on each member and discards the derived promise. A member is
//! therefore a reaction without a promise. It has the number of one, because observers are notified of it.
//!
//! Invariant: no panic leaves a member.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::awaiter::Awaiter;
use super::error::{Outcome, PromiseError};
use super::no_reason;
use super::state::{Abortable, State};
use crate::async_local::context::AsyncContext;
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::event_loop::tasks::NewTask;
use crate::observe::event::{Event, PromiseId, SettledAs};
use crate::phases::macrotask::{SourceLocation, StepKind, TaskKey};

/// A promise whose outcome a combinator receives.
pub struct Member<T: 'static, E: 'static> {
    source: Source<T, E>,
}

enum Source<T: 'static, E: 'static> {
    /// A promise that cannot be rejected.
    Infallible(Awaiter<T>),
    Fallible(Awaiter<Result<T, E>>),
}

impl<T: 'static, E: 'static> Member<T, E> {
    pub(super) fn infallible(awaiter: Awaiter<T>) -> Member<T, E> {
        let source = Source::Infallible(awaiter);
        Member { source }
    }

    pub(super) fn fallible(awaiter: Awaiter<Result<T, E>>) -> Member<T, E> {
        let source = Source::Fallible(awaiter);
        Member { source }
    }

    pub(super) fn promise(&self) -> Rc<dyn Abortable> {
        match &self.source {
            Source::Infallible(awaiter) => awaiter.state().clone(),
            Source::Fallible(awaiter) => awaiter.state().clone(),
        }
    }

    /// Lets the promise wake a task, as a first poll by that task does.
    fn wait_in(&mut self, task: TaskKey) {
        match &mut self.source {
            Source::Infallible(awaiter) => awaiter.wait_in(task),
            Source::Fallible(awaiter) => awaiter.wait_in(task),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<Result<T, E>>> {
        match &mut self.source {
            Source::Infallible(awaiter) => awaiter.poll(cx).map(|outcome| outcome.map(Ok)),
            Source::Fallible(awaiter) => awaiter.poll(cx),
        }
    }
}

impl<T, E> fmt::Debug for Member<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").finish_non_exhaustive()
    }
}

/// Calls `observer` one turn after `member` settles. The member counts as handled.
#[track_caller]
pub(super) fn start_member<T: 'static, E: 'static>(
    mut member: Member<T, E>,
    observer: impl FnOnce(Outcome<Result<T, E>>) + 'static,
) {
    let owner = current("promise combinators");
    let location = Location::caller();
    let promise = owner.new_promise(location);
    if !owner.is_open() {
        return; // drops the member
    }
    let new = NewTask {
        promise: None,
        number: promise.get(),
        location,
        kind: StepKind::Reaction,
    };
    let state = owner.clone();
    owner.eagerly(promise, location, || {
        state.add_waiting_task(new, |task| {
            member.wait_in(task);
            Box::pin(MemberTask {
                member: Some((member, observer)),
                context: state.context.get(),
                index: task.index,
                promise,
                location,
                owner: state.clone(),
            })
        });
    });
}

struct MemberTask<T: 'static, E: 'static, F> {
    member: Option<(Member<T, E>, F)>,
    context: AsyncContext,
    index: usize,
    promise: PromiseId,
    location: SourceLocation,
    owner: Rc<LoopState>,
}

/// Neither the promise nor the callback is pinned.
impl<T: 'static, E: 'static, F> Unpin for MemberTask<T, E, F> {}

impl<T: 'static, E: 'static, F> Future for MemberTask<T, E, F>
where
    F: FnOnce(Outcome<Result<T, E>>),
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some((member, _)) = &mut this.member else {
            return Poll::Ready(());
        };
        this.owner.context.set(this.context.take());
        // A shared promise clones its output, which is user code.
        let polled = match this.owner.is_open() {
            true => catch_unwind(AssertUnwindSafe(|| member.poll(cx))),
            false => Ok(Poll::Pending),
        };
        let outcome = match polled {
            Ok(Poll::Ready(outcome)) => Ok(Some(outcome)),
            Ok(Poll::Pending) if this.owner.is_open() => {
                this.context = this.owner.context.take();
                return Poll::Pending;
            }
            Ok(Poll::Pending) => Ok(None), // cancelled
            Err(payload) => Err(payload),
        };
        let (member, observer) = this.member.take().expect("it was there above");
        let finished = catch_unwind(AssertUnwindSafe(|| {
            drop(member);
            match outcome {
                Ok(Some(outcome)) => observer(outcome),
                Ok(None) => drop(observer),
                Err(payload) => {
                    drop(observer);
                    resume_unwind(payload);
                }
            }
        }));
        this.owner.remove_task(this.index);
        match finished {
            Ok(()) => this.notify_settled(),
            Err(payload) => this.fail(PromiseError::of_panic(payload)),
        }
        Poll::Ready(())
    }
}

impl<T: 'static, E: 'static, F> MemberTask<T, E, F> {
    fn notify_settled(&self) {
        self.owner.notify_observers(|| Event::PromiseSettled {
            promise: self.promise,
            location: self.location,
            settled: SettledAs::Fulfilled,
        });
    }

    /// Reports a panic of a destructor or of a clone, as that of a promise that no code handles.
    #[cold]
    fn fail(&self, failure: PromiseError) {
        let promise = State::<()>::new(self.owner.clone(), self.location, no_reason);
        promise.settle(Err(failure));
    }
}
