//! The members of a combinator: tasks that pass the outcome of a promise on.
//!
//! JavaScript's `Promise.all` calls `then` on each member and discards the derived promise. A member is
//! therefore a reaction without a promise. It has the number of one, because observers are notified of it.
//!
//! Invariant: no panic leaves a member.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;

use super::awaiter::Awaiter;
use super::error::{Outcome, PromiseError};
use super::no_reason;
use super::state::{Abortable, State};
use crate::async_local::context::AsyncContext;
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::observe::active_resource::PendingPromise;
use crate::observe::event::{Event, PromiseId, SettledAs};
use crate::phases::macrotask::{SourceLocation, TaskKey};

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

    /// Returns the outcome once the promise has woken that task.
    #[inline(always)] // a part of `poll_member`
    fn woken(&mut self) -> Option<Outcome<Result<T, E>>> {
        match &mut self.source {
            Source::Infallible(awaiter) => awaiter.woken().map(|outcome| outcome.map(Ok)),
            Source::Fallible(awaiter) => awaiter.woken(),
        }
    }
}

impl<T, E> fmt::Debug for Member<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").finish_non_exhaustive()
    }
}

/// Calls `observer` with the index and the outcome of each member, one turn after it settles. The members
/// count as handled.
#[track_caller]
pub(super) fn start_members<T: 'static, E: 'static>(
    members: Vec<Member<T, E>>,
    observer: impl Fn(usize, Outcome<Result<T, E>>) + 'static,
) {
    if members.is_empty() {
        return;
    }
    let owner = current("promise combinators");
    let location = Location::caller();
    if !owner.is_open() {
        for member in members {
            owner.new_promise(location);
            drop(member);
        }
        return;
    }
    let count = members.len();
    let all = Rc::new(Members {
        first: Cell::new(0),
        left: Cell::new(count),
        members: RefCell::new(members.into_iter().map(Some).collect()), // in its place
        observer: RefCell::new(Some(Rc::new(observer))),
        context: RefCell::new(owner.context.get()),
        location,
        owner,
    });
    for index in 0..count {
        all.start(index);
    }
}

/// The members of one combinator. They share what a task has of its own, because a combinator may have
/// thousands of them.
///
/// Invariant: the promises of the members have consecutive numbers.
struct Members<T: 'static, E: 'static, F> {
    /// The number of the first member's promise.
    first: Cell<u64>,
    /// How many members have not ended.
    left: Cell<usize>,
    /// `None` for those that have ended.
    members: RefCell<Vec<Option<Member<T, E>>>>,
    /// Dropped by the last member.
    observer: RefCell<Option<Rc<F>>>,
    context: RefCell<AsyncContext>,
    location: SourceLocation,
    owner: Rc<LoopState>,
}

impl<T, E, F> Members<T, E, F>
where
    T: 'static,
    E: 'static,
    F: Fn(usize, Outcome<Result<T, E>>) + 'static,
{
    #[track_caller]
    fn start(self: &Rc<Self>, index: usize) {
        let (owner, location) = (&self.owner, self.location);
        let promise = owner.new_promise(location);
        if index == 0 {
            self.first.set(promise.get());
        }
        debug_assert_eq!(self.index_of(promise.get()), index, "consecutive numbers");
        owner.eagerly(promise, location, || {
            owner.add_member(self.clone(), promise, location, |task| {
                if let Some(member) = &mut self.members.borrow_mut()[index] {
                    member.wait_in(task);
                }
            });
        });
    }

    fn index_of(&self, promise: u64) -> usize {
        (promise - self.first.get()) as usize
    }

    /// Does what a poll of a member does: drops the member and calls the observer. Returns `false` if the
    /// promise has not settled, because something else has woken the task.
    #[inline(always)] // a part of `poll_member`
    fn settle_member(&self, index: usize) -> bool {
        let is_open = self.owner.is_open();
        let mut member = self.members.borrow_mut()[index].take();
        let outcome = match is_open {
            true => member.as_mut().and_then(Member::woken), // may clone an output
            false => None,                                   // cancelled
        };
        if outcome.is_none() && is_open {
            self.members.borrow_mut()[index] = member;
            return false;
        }
        let observer = of_last(&self.observer, self.left.get());
        drop(member);
        if let (Some(outcome), Some(observer)) = (outcome, observer) {
            observer(index, outcome);
        }
        true
    }

    /// Ends a member whose poll has panicked, which has dropped it.
    #[cold]
    fn fail_member(&self, payload: Box<dyn Any + Send>) -> thread::Result<()> {
        let observer = of_last(&self.observer, self.left.get());
        catch_unwind(AssertUnwindSafe(|| {
            drop(observer);
            resume_unwind(payload);
        }))
    }

    /// Ends a poll of a member that was woken too early.
    #[cold]
    fn wait_again(&self) {
        let context = self.owner.context.take();
        if self.left.get() == 1 {
            *self.context.borrow_mut() = context;
        }
    }

    fn notify_settled(&self, number: u64) {
        self.owner.notify_observers(|| Event::PromiseSettled {
            promise: PromiseId(number),
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

/// Takes a value that the members share if this is the last one, and clones it for all others.
fn of_last<V: Clone>(shared: &RefCell<Option<V>>, left: usize) -> Option<V> {
    match left {
        1 => shared.take(),
        _ => shared.borrow().clone(),
    }
}

impl<T, E, F> PendingPromise for Members<T, E, F>
where
    T: 'static,
    E: 'static,
    F: Fn(usize, Outcome<Result<T, E>>) + 'static,
{
    fn created_at(&self) -> SourceLocation {
        self.location
    }

    fn for_each_waker(&self, _visit: &mut dyn FnMut(&Waker)) {}

    fn is_out_of_reach(&self) -> bool {
        false
    }

    fn is_job(&self) -> bool {
        false
    }

    fn is_members(&self) -> bool {
        true
    }

    fn poll_member(&self, task: TaskKey) -> Poll<()> {
        let index = self.index_of(task.promise);
        let owner = &self.owner;
        owner.context.set(of_last(&self.context, self.left.get()));
        // A shared promise clones its output, which is user code.
        let polled = catch_unwind(AssertUnwindSafe(|| self.settle_member(index)));
        let finished = match polled {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.wait_again();
                return Poll::Pending;
            }
            Err(payload) => self.fail_member(payload),
        };
        self.left.set(self.left.get() - 1);
        owner.remove_task(task.index);
        match finished {
            Ok(()) => self.notify_settled(task.promise),
            Err(payload) => self.fail(PromiseError::of_panic(payload)),
        }
        Poll::Ready(())
    }
}
