//! Workers: event loops on their own threads, and messages between them.
//!
//! | Node | nodeloop |
//! |---|---|
//! | `new Worker(file, { workerData })` | [`Worker::spawn`]`(move \|port\| async move { … })` |
//! | `new Worker(file, { name, resourceLimits: { stackSizeMb } })` | [`Builder`] |
//! | `worker.postMessage(message)`, `parentPort.postMessage(message)` | [`Worker::post`], [`MessagePort::post`] |
//! | `'message'` event | [`Worker::recv`], [`MessagePort::recv`] |
//! | `'exit'` and `'error'` events | [`Worker::join`] |
//! | `worker.terminate()` | [`Worker::terminate`] |
//! | `cluster`, round robin | connections posted to workers, see the example `cluster` |
//! | `cluster`, `SCHED_NONE` | a listener in each worker, with [`TcpSocket::set_reuseport`](crate::net::TcpSocket::set_reuseport) |
//!
//! Nothing is shared and nothing is copied: a message is moved, so it must be `Send`. Use
//! [`spawn_blocking`](crate::spawn_blocking) instead of a worker for a single long computation.
//!
//! # Examples
//!
//! ```
//! use nodeloop::worker::{Worker, WorkerPort};
//!
//! nodeloop::run(async {
//!     // It receives numbers, and sends text.
//!     let mut worker = Worker::spawn(|mut port: WorkerPort<u64, String>| async move {
//!         while let Some(number) = port.recv().await {
//!             port.post(format!("{number}² = {}", number * number)).unwrap();
//!         }
//!     })?;
//!     worker.post(12).unwrap();
//!     assert_eq!(worker.recv().await.unwrap(), "12² = 144");
//!     worker.join().await.unwrap(); // closes the port, so the worker ends
//!     std::io::Result::Ok(())
//! })
//! .unwrap();
//! ```
//!
//! # Order
//!
//! Each message is a macrotask of the poll phase of the loop that receives it, followed by a drain
//! (R66). Messages of one sender arrive in the order in which they were sent, and the end of a
//! worker arrives after all messages that it has sent.

mod builder;
mod channel;
mod port;

/// The lock of `channel.rs`, which the loom model replaces.
mod sync {
    pub(super) use std::sync::{Mutex, MutexGuard};
}

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

use crate::hooks::exit;
use crate::hooks::uncaught::Uncaught;
use crate::phases::macrotask::SourceLocation;
use crate::promise::TryPromise;
use crate::runtime::handle::{Handle, KeepAlive};
use crate::runtime::{MainOutput, RunError};

pub use builder::Builder;
pub use port::{MessagePort, Recv, WorkerPort};

/// A handle to an event loop on its own thread, for its parent, the loop that has started it.
///
/// The parent sends messages of type `I` and receives messages of type `O`; the main future of the
/// worker returns a `T`. The worker's end of the port is a [`WorkerPort<I, O>`](WorkerPort).
///
/// A worker keeps its parent alive until it has ended, unless it is unref'd. Dropping the handle
/// closes the port, which ends a worker that only waits for messages, but does not terminate it.
/// When the process exits, its threads end, whatever the workers are doing.
pub struct Worker<I: Send + 'static, O: Send + 'static, T: 'static> {
    port: MessagePort<I, O>,
    handle: Handle,
    keep_alive: Arc<Mutex<KeepAliveState>>,
    end: TryPromise<WorkerOutcome<T>, RunError>,
}

/// The outcome of a worker that has ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerOutcome<T> {
    /// Its main future has finished with this value, and nothing kept its loop alive.
    Finished(T),
    /// It has called [`exit`] with this code. The code is 1 if it was
    /// [terminated](Worker::terminate).
    Exited(i32),
}

/// Whether a worker keeps its parent alive. The thread of the worker sets `Ended`.
enum KeepAliveState {
    Refed { _token: KeepAlive },
    Unrefed,
    Ended,
}

impl<I: Send + 'static, O: Send + 'static, T: Send + 'static> Worker<I, O, T> {
    /// Starts a thread with an event loop that runs the future returned by `main`.
    ///
    /// `main` is called on the new thread, with the worker's end of the port, by
    /// [`EventLoop::run`](crate::EventLoop::run): the loop ends when the future has finished and
    /// nothing keeps the loop alive, or when it returns an `Err`, and `exit` ends the worker, not the
    /// process. This function blocks until the loop was built. A [`Builder`] sets the name and the
    /// stack size of the thread.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, for example if it can't start another
    /// thread or the process is out of descriptors.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn spawn<M, F>(main: M) -> io::Result<Worker<I, O, T>>
    where
        M: FnOnce(WorkerPort<I, O>) -> F + Send + 'static,
        F: Future<Output = T> + 'static,
        T: MainOutput,
    {
        Builder::new().spawn(main)
    }

    /// Sends a message to the worker.
    ///
    /// The queue of messages is unbounded. If the worker may be slower than its parent, have it
    /// acknowledge messages.
    ///
    /// # Errors
    ///
    /// Returns the message if the worker has ended or has dropped its port.
    #[doc(alias = "postMessage")]
    pub fn post(&self, message: I) -> Result<(), I> {
        self.port.post(message)
    }

    /// Waits for the next message of the worker, as [`MessagePort::recv`] does.
    ///
    /// Resolves to `None` if the worker has ended or has dropped its port.
    pub fn recv(&mut self) -> Recv<'_, I, O> {
        self.port.recv()
    }

    /// Returns the parent's end of the port, which is a stream of messages.
    pub fn port(&mut self) -> &mut MessagePort<I, O> {
        &mut self.port
    }

    /// Closes the port, and returns a promise of the worker's outcome.
    ///
    /// The promise is rejected if the worker's run fails, with an uncaught panic or an unhandled
    /// rejection. A rejection that is not handled is an unhandled rejection in the *parent*, so the
    /// failure of a worker that was dropped is not lost.
    #[doc(alias = "exit")]
    pub fn join(self) -> TryPromise<WorkerOutcome<T>, RunError> {
        self.end
    }

    /// Ends the worker in the next poll phase of its loop, as if it called [`exit`] with code 1
    /// there: its `on_exit` listeners are called, and destructors run.
    ///
    /// Unlike in Node, a running callback is not interrupted, because threads cannot be.
    pub fn terminate(&self) {
        let _ = self.handle.post(|| exit(1)); // fails if it has ended
    }

    /// Returns the handle to the worker's loop.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Makes the worker keep its parent alive until it has ended, which is the default.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Self {
        let mut keep_alive = lock(&self.keep_alive);
        if matches!(*keep_alive, KeepAliveState::Unrefed) {
            let _token = self.port.loop_handle().keep_alive();
            *keep_alive = KeepAliveState::Refed { _token };
        }
        drop(keep_alive);
        self
    }

    /// Makes the worker not keep its parent alive.
    ///
    /// A pending [`recv`](Worker::recv) still does.
    pub fn unref(&self) -> &Self {
        let mut keep_alive = lock(&self.keep_alive);
        if matches!(*keep_alive, KeepAliveState::Refed { .. }) {
            *keep_alive = KeepAliveState::Unrefed;
        }
        drop(keep_alive);
        self
    }

    /// Returns whether the worker keeps its parent alive.
    ///
    /// A worker that has ended does not.
    pub fn has_ref(&self) -> bool {
        matches!(*lock(&self.keep_alive), KeepAliveState::Refed { .. })
    }
}

impl<I: Send + 'static, O: Send + 'static, T: 'static> fmt::Debug for Worker<I, O, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Worker").field(&self.handle).finish()
    }
}

/// Waits for the end of a worker that was started at `location`.
async fn outcome<T>(
    end: oneshot::Receiver<Result<T, RunError>>,
    location: SourceLocation,
) -> Result<WorkerOutcome<T>, RunError> {
    match end.await {
        Ok(Ok(value)) => Ok(WorkerOutcome::Finished(value)),
        Ok(Err(RunError::Exit(code))) => Ok(WorkerOutcome::Exited(code)),
        Ok(Err(error)) => Err(error),
        Err(oneshot::Canceled) => Err(RunError::Uncaught(Uncaught::new(
            Box::new("the worker panicked while its loop was dropped"),
            location,
        ))),
    }
}

fn lock(state: &Mutex<KeepAliveState>) -> MutexGuard<'_, KeepAliveState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
