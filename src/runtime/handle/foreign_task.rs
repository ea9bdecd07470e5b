//! Tasks of `async_task`, which other code owns and the loop only polls.
//!
//! Invariant: a runnable is polled once, dropped on the loop's thread, or returned to its scheduler.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use async_task::Runnable;

use super::Handle;
use crate::event_loop::current::try_current;
use crate::phases::queues::QueuedCallback;
use crate::reactor::remote_queue::{ForeignRunnable, Message};

impl<M: Send + Sync + 'static> ForeignRunnable for Runnable<M> {
    fn run(self: Box<Self>) {
        Runnable::run(*self);
    }
}

impl Handle {
    /// Polls a task of [`async_task`] on the loop's thread.
    ///
    /// It is to be called by the schedule function of the task. The future can be made on any thread and
    /// is polled on the loop's thread only; its [`async_task::Task`] can be awaited, cancelled by dropping
    /// it, or detached on any thread. [`Handle::spawn`] is for futures that are not `Send`, and has no
    /// way to cancel: dropping its promise detaches the task.
    ///
    /// On the thread of the running loop, the poll is a microtask (R10, R13), like that of a woken task.
    /// Elsewhere, the runnable is a message of the poll phase with a drain of its own (R66), in one order
    /// with those of [`Handle::post`]. `async_task` schedules a task that is woken during its poll after the
    /// poll, so that is a microtask, too, whichever thread has woken it. The poll has no async context: every
    /// [`AsyncLocalStorage`](crate::AsyncLocalStorage) is empty there.
    ///
    /// The loop does not own the task, so a pending one does not keep the loop alive; a
    /// [`KeepAlive`](crate::KeepAlive) token does. A runnable that is still queued when the loop is dropped
    /// is dropped on the loop's thread, which cancels its task. A future that waits at that moment is
    /// dropped later: when it is woken and the runnable is refused, or when its [`async_task::Task`] is
    /// dropped.
    ///
    /// # Panics of the future
    ///
    /// They follow [`propagate_panic`](async_task::Builder::propagate_panic). By default, the panic is an
    /// uncaught error of the loop, as that of a callback is (R51): it ends the run unless
    /// [`on_uncaught`](crate::on_uncaught) takes it. Awaiting the [`async_task::Task`] then panics as well.
    /// With `propagate_panic(true)` the loop continues, and awaiting the task resumes the panic. A panic in
    /// the destructor of the future aborts the process.
    ///
    /// # Futures that are not `Send`
    ///
    /// A runnable of [`async_task::spawn_local`] must be run and dropped on the thread that has made it;
    /// `async_task` aborts the process if it is dropped elsewhere. If another thread may wake the task after
    /// the end of the loop, the schedule function must not drop the error there: it must pass the runnable
    /// to its own thread, or [forget](std::mem::forget) it. [`spawn`](crate::spawn) and [`Handle::spawn`]
    /// have no such condition.
    ///
    /// # Errors
    ///
    /// Returns a [`ScheduleError`] with the runnable if the loop has ended, or if it is cancelling its tasks
    /// on this thread. Dropping the runnable cancels the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::{Handle, async_task};
    /// use std::thread;
    ///
    /// nodeloop::block_on(async {
    ///     let handle = Handle::current();
    ///     let spawner = thread::spawn(move || {
    ///         let (runnable, task) = async_task::spawn(
    ///             async { thread::current().id() },
    ///             move |runnable| drop(handle.schedule(runnable)), // cancels it after the end
    ///         );
    ///         runnable.schedule();
    ///         task
    ///     });
    ///     let task = spawner.join().unwrap();
    ///     assert_eq!(task.await, thread::current().id());
    /// });
    /// ```
    #[track_caller]
    pub fn schedule<M>(&self, runnable: Runnable<M>) -> Result<(), ScheduleError<M>>
    where
        M: Send + Sync + 'static,
    {
        let location = Location::caller();
        if let Some(state) = try_current()
            && Arc::ptr_eq(&state.remote_queue, &self.remote_queue)
        {
            if !state.is_open() {
                return Err(ScheduleError { runnable });
            }
            let callback = Box::new(move || {
                runnable.run();
            });
            state.push_microtask(QueuedCallback { callback, location });
            return Ok(());
        }
        let message = Message::Runnable(Box::new(runnable), location);
        match self.remote_queue.push_from(self.number, message) {
            Err(Message::Runnable(refused, _)) => Err(ScheduleError::of(refused)),
            _ => Ok(()),
        }
    }
}

/// The error of [`Handle::schedule`]: the loop has ended. It contains the runnable.
pub struct ScheduleError<M = ()> {
    runnable: Runnable<M>,
}

impl<M: 'static> ScheduleError<M> {
    fn of(refused: Box<dyn ForeignRunnable>) -> ScheduleError<M> {
        let refused: Box<dyn Any> = refused;
        let runnable = refused.downcast();
        let runnable = *runnable.expect("a queue returns the message that it refuses");
        ScheduleError { runnable }
    }
}

impl<M> ScheduleError<M> {
    /// Returns the runnable. Dropping it cancels its task.
    pub fn into_runnable(self) -> Runnable<M> {
        self.runnable
    }
}

impl<M> fmt::Debug for ScheduleError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleError").finish_non_exhaustive()
    }
}

impl<M> fmt::Display for ScheduleError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the event loop has ended and cannot poll the task; run its runnable elsewhere, or drop \
             it to cancel the task",
        )
    }
}

impl<M> Error for ScheduleError<M> {}
