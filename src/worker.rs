//! Workers: event loops on their own threads, and messages between them.
//!
//! | Node | nodeloop |
//! |---|---|
//! | `new Worker(file, { workerData })` | [`Worker::spawn`]`(move \|port\| async move { … })` |
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
//! use nodeloop::worker::{MessagePort, Worker};
//!
//! nodeloop::run(async {
//!     let mut worker = Worker::spawn(|mut port: MessagePort<u64, u64>| async move {
//!         while let Some(number) = port.recv().await {
//!             port.post(number * number).unwrap();
//!         }
//!     })?;
//!     worker.post(12).unwrap();
//!     assert_eq!(worker.recv().await, Some(144));
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

mod channel;
mod port;

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use futures::channel::oneshot;

use crate::event_loop::current::current;
use crate::hooks::exit;
use crate::hooks::uncaught::Uncaught;
use crate::phases::macrotask::SourceLocation;
use crate::promise::{TryPromise, try_spawn};
use crate::runtime::handle::{Handle, KeepAlive};
use crate::runtime::{EventLoop, MainOutput, RunError};

pub use port::{MessagePort, Recv};

/// A handle to an event loop on its own thread, for its parent, the loop that has started it.
///
/// The parent sends messages of type `S` and receives messages of type `R`; the main future of the
/// worker returns a `T`.
///
/// A worker keeps its parent alive until it has ended, unless it is unref'd. Dropping the handle
/// closes the port, which ends a worker that only waits for messages, but does not terminate it.
/// When the process exits, its threads end, whatever the workers are doing.
pub struct Worker<S: Send + 'static, R: Send + 'static, T: 'static> {
    port: MessagePort<S, R>,
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

impl<S: Send + 'static, R: Send + 'static, T: Send + 'static> Worker<S, R, T> {
    /// Starts a thread with an event loop that runs the future returned by `main`.
    ///
    /// `main` is called on the new thread, with the worker's end of the port, by
    /// [`EventLoop::run`]: the loop ends when the future has finished and nothing keeps the loop
    /// alive, or when it returns an `Err`, and `exit` ends the worker, not the process. This function blocks until the loop was
    /// built.
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
    pub fn spawn<M, F>(main: M) -> io::Result<Worker<S, R, T>>
    where
        M: FnOnce(MessagePort<R, S>) -> F + Send + 'static,
        F: Future<Output = T> + 'static,
        T: MainOutput,
    {
        let parent = Handle::new(current("worker::Worker::spawn").remote_queue.clone());
        let (to_worker, to_parent) = (Arc::default(), Arc::default());
        let port = MessagePort::new(
            Arc::clone(&to_worker),
            Arc::clone(&to_parent),
            parent.clone(),
        );
        let keep_alive = Arc::new(Mutex::new(KeepAliveState::Refed {
            _token: parent.keep_alive(),
        }));
        let (end_sender, end) = oneshot::channel();
        let (handle_sender, handle) = mpsc::channel();
        let keep_alive_in_worker = keep_alive.clone();
        let location = Location::caller();
        let thread = move || {
            let mut event_loop = match EventLoop::builder().build() {
                Ok(event_loop) => event_loop,
                Err(error) => return drop(handle_sender.send(Err(error))),
            };
            let handle = event_loop.handle();
            let port = MessagePort::new(to_parent, to_worker, handle.clone());
            let _ = handle_sender.send(Ok(handle)); // `spawn` waits for it
            let main = pin!(Some(async move { main(port).await }));
            let result = event_loop.run_pinned(location, main);
            let result = result.map_err(RunError::without_value);
            drop(event_loop); // close its resources before the parent is notified
            let _ = end_sender.send(result);
            *lock(&keep_alive_in_worker) = KeepAliveState::Ended;
        };
        let thread = std::thread::Builder::new()
            .name("nodeloop-worker".to_owned())
            .spawn(thread)?;
        let handle = match handle.recv() {
            Ok(built) => built?,
            Err(_) => return Err(io::Error::other("the thread of the worker has panicked")),
        };
        drop(thread); // the end of the thread is received as a message
        let end = try_spawn(outcome(end, location));
        Ok(Worker {
            port,
            handle,
            keep_alive,
            end,
        })
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
    pub fn post(&self, message: S) -> Result<(), S> {
        self.port.post(message)
    }

    /// Waits for the next message of the worker, as [`MessagePort::recv`] does.
    ///
    /// Resolves to `None` if the worker has ended or has dropped its port.
    pub fn recv(&mut self) -> Recv<'_, S, R> {
        self.port.recv()
    }

    /// Returns the parent's end of the port, which is a stream of messages.
    pub fn port(&mut self) -> &mut MessagePort<S, R> {
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

impl<S: Send + 'static, R: Send + 'static, T: 'static> fmt::Debug for Worker<S, R, T> {
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
