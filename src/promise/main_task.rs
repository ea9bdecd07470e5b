//! The task of a main future, which borrows the future from the caller of `run`.

use std::cell::OnceCell;
use std::future::Future;
use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::error::PromiseError;
use super::error_of;
use super::state::State;
use super::task::{Conclusion, TaskFuture};
use crate::event_loop::main_future::MainTask;
use crate::event_loop::state::LoopState;
use crate::hooks::rejection::MainError;
use crate::hooks::uncaught::drop_quietly;
use crate::observe::event::PromiseId;
use crate::phases::macrotask::SourceLocation;

/// The output of the promise of a main future. The output of the future itself, which may borrow, is
/// no part of it.
pub(crate) type MainResult = Result<(), MainError>;

/// The promise of a main future, once that has started.
pub(crate) type MainPromise = OnceCell<Rc<State<MainResult>>>;

/// Returns the task of a main future. It stores its promise in `promise`, and passes the output of the
/// future to `conclude`, which calls the `Debug` of an error.
pub(crate) fn main_task<'a, F: Future>(
    location: SourceLocation,
    promise: &'a MainPromise,
    future: Pin<&'a mut Option<F>>,
    conclude: impl FnOnce(F::Output) -> MainResult + 'a,
) -> impl MainTask + 'a {
    let conclude = |output| {
        let concluded = catch_unwind(AssertUnwindSafe(|| conclude(output)));
        Conclusion::Settled(concluded.map_err(PromiseError::of_panic))
    };
    BorrowingTask {
        location,
        promise,
        parts: Some((OnStack(future), conclude)),
        task: None,
        was_polled: false,
    }
}

struct BorrowingTask<'a, F, C> {
    location: SourceLocation,
    promise: &'a MainPromise,
    /// What the task is made of when it starts.
    parts: Option<(OnStack<'a, F>, C)>,
    task: Option<TaskFuture<OnStack<'a, F>, MainResult, C>>,
    was_polled: bool,
}

impl<F, C> MainTask for BorrowingTask<'_, F, C>
where
    F: Future,
    C: FnOnce(F::Output) -> Conclusion<MainResult>,
{
    fn create(&mut self, owner: &Rc<LoopState>) -> PromiseId {
        let new_promise = || State::new(owner.clone(), self.location, error_of);
        let promise = self.promise.get_or_init(new_promise);
        let parts = self.parts.take();
        self.task = parts.map(|(future, conclude)| TaskFuture::main(future, conclude, promise));
        promise.id()
    }

    fn poll(&mut self, owner: &LoopState, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.task {
            Some(task) => {
                let is_first = !replace(&mut self.was_polled, true);
                Pin::new(task).poll_main(owner, cx, is_first)
            }
            None => Poll::Ready(()),
        }
    }

    fn discard(&mut self) {
        drop_quietly(self.parts.take());
    }
}

/// A future that stays in its place on the stack. Dropping this drops it there.
struct OnStack<'a, F>(Pin<&'a mut Option<F>>);

impl<F: Future> Future for OnStack<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.0.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending, // it is dropped together with this
        }
    }
}

impl<F> Drop for OnStack<'_, F> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}
