//! Workers: loops on threads of their own, and messages between them.
//!
//! | Node | nodeloop |
//! |---|---|
//! | `new Worker(file, { workerData })` | [`Worker::spawn`]`(move \|port\| async move { … })` |
//! | `worker.postMessage(message)`, `parentPort.postMessage(message)` | [`Worker::post`], [`Port::post`] |
//! | `'message'` event | [`Worker::recv`], [`Port::recv`] |
//! | `'exit'` and `'error'` events | [`Worker::join`] |
//! | `worker.terminate()` | [`Worker::terminate`] |
//! | `cluster`, round robin | connections posted to workers, see the example `cluster` |
//! | `cluster`, `SCHED_NONE` | a listener in each worker, with [`TcpSocket::set_reuse_port`](crate::net::TcpSocket::set_reuse_port) |
//!
//! Nothing is shared: what is sent moves, so it has to be `Send`, and is not copied. A single job
//! that takes long needs no worker but [`spawn_blocking`](crate::spawn_blocking).
//!
//! ```
//! use nodeloop::worker::{Port, Worker};
//!
//! nodeloop::run(async {
//!     let mut worker = Worker::spawn(|mut port: Port<u64, u64>| async move {
//!         while let Some(number) = port.recv().await {
//!             port.post(number * number).unwrap();
//!         }
//!     })?;
//!     worker.post(12).unwrap();
//!     assert_eq!(worker.recv().await, Some(144));
//!     worker.join().await.unwrap(); // its port is closed, so it comes to its end
//!     std::io::Result::Ok(())
//! })
//! .unwrap();
//! ```
//!
//! **Order.** Each message is a macrotask of the poll phase of the loop that receives it, with a
//! drain behind it (R66); messages of one sender come in the order in which they were sent, and
//! the end of a worker behind all that it has sent.

mod lane;

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll};

use futures::Stream;
use futures::channel::oneshot;

use crate::event_loop::current::current;
use crate::hooks::exit;
use crate::hooks::uncaught::Uncaught;
use crate::phases::macrotask::SourceLocation;
use crate::promise::{TryPromise, try_spawn};
use crate::runtime::handle::{Handle, KeepAlive};
use crate::runtime::{EventLoop, RunError};
use lane::Lane;

/// A loop on a thread of its own, seen from the loop that has started it. It is sent `S`, sends
/// `R`, and ends with a `T`.
///
/// It keeps the loop that has started it alive until it has ended, unless it is unref'd. Dropping
/// it closes its port, whereupon a worker that waits for messages comes to its end; it is not
/// terminated. When the program ends, workers end with it, wherever they are.
pub struct Worker<S: Send + 'static, R: Send + 'static, T: 'static> {
    port: Port<S, R>,
    handle: Handle,
    hold: Arc<Mutex<Hold>>,
    end: TryPromise<WorkerOutcome<T>, RunError>,
}

/// How a worker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerOutcome<T> {
    /// Its main future has finished with this value, and nothing kept its loop alive.
    Finished(T),
    /// It has called [`exit`] with this code; with 1 if it was
    /// [terminated](Worker::terminate).
    Exited(i32),
}

/// Whether a worker keeps the loop alive that has started it.
enum Hold {
    Refed { _token: KeepAlive },
    Unrefed,
    WorkerOutcome,
}

impl<S: Send + 'static, R: Send + 'static, T: Send + 'static> Worker<S, R, T> {
    /// Starts a thread with a loop, which runs what `main` makes of its end of the port.
    ///
    /// `main` is called on the new thread. The loop is an ordinary one, entered by
    /// [`EventLoop::run`]: it ends when the future has finished and nothing is alive, and `exit` in
    /// it ends the worker, not the process. This waits until the loop has been built.
    ///
    /// # Errors
    ///
    /// The system's, when it has no thread or no descriptor left.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn spawn<M, F>(main: M) -> io::Result<Worker<S, R, T>>
    where
        M: FnOnce(Port<R, S>) -> F + Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let parent = Handle::new(current("worker::Worker::spawn").remote_queue.clone());
        let (there, back) = (Arc::new(Lane::default()), Arc::new(Lane::default()));
        let port = Port::new(there.clone(), back.clone(), parent.clone());
        let hold = Arc::new(Mutex::new(Hold::Refed {
            _token: parent.keep_alive(),
        }));
        let (ended, has_ended) = oneshot::channel();
        let (built, is_built) = mpsc::channel();
        let holds = hold.clone();
        let thread = move || {
            let mut event_loop = match EventLoop::builder().build() {
                Ok(event_loop) => event_loop,
                Err(error) => return drop(built.send(Err(error))),
            };
            let handle = event_loop.handle();
            let port = Port::new(back, there, handle.clone());
            let _ = built.send(Ok(handle)); // it is waited for
            let result = event_loop.run(async move { main(port).await });
            drop(event_loop); // what it has open is closed before its end is told
            let _ = ended.send(result);
            *lock(&holds) = Hold::WorkerOutcome;
        };
        let thread = std::thread::Builder::new()
            .name("nodeloop-worker".to_owned())
            .spawn(thread)?;
        let handle = match is_built.recv() {
            Ok(built) => built?,
            Err(_) => return Err(io::Error::other("the thread of the worker has panicked")),
        };
        drop(thread); // its end is told by a message
        let end = try_spawn(end_of(has_ended, Location::caller()));
        Ok(Worker {
            port,
            handle,
            hold,
            end,
        })
    }

    /// Sends the worker a message.
    ///
    /// What is sent is queued without a bound until the worker receives it; let it answer if it
    /// may be slower than you.
    ///
    /// # Errors
    ///
    /// The message, if the worker has ended or has dropped its port.
    #[doc(alias = "postMessage")]
    pub fn post(&self, message: S) -> Result<(), S> {
        self.port.post(message)
    }

    /// Waits for the next message of the worker; nothing comes when it has dropped its port, as it
    /// does at its end. See [`Port::recv`].
    pub fn recv(&mut self) -> Recv<'_, S, R> {
        self.port.recv()
    }

    /// This end of the port, which is a stream of messages.
    pub fn port(&mut self) -> &mut Port<S, R> {
        &mut self.port
    }

    /// Closes the port, and gives a promise of how the worker ends.
    ///
    /// A worker whose run fails rejects the promise: with an uncaught panic, an unhandled
    /// rejection. As any promise it is an unhandled rejection *here* if nobody has handled it by
    /// then, so the failure of a worker that was dropped or forgotten does not pass silently.
    #[doc(alias = "exit")]
    pub fn join(self) -> TryPromise<WorkerOutcome<T>, RunError> {
        self.end
    }

    /// Ends the worker at the next poll phase of its loop, as if it called [`exit`]
    /// with the code 1 there: its `on_exit` listeners are called, and destructors run.
    ///
    /// A callback that is running is not interrupted, unlike in Node: nothing can do that to a
    /// thread.
    pub fn terminate(&self) {
        let _ = self.handle.post(|| exit(1)); // or it has ended
    }

    /// The handle to the worker's loop.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Makes the worker keep this loop alive again until it has ended. It does at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Self {
        let mut hold = lock(&self.hold);
        if matches!(*hold, Hold::Unrefed) {
            let _token = self.port.handle.keep_alive();
            *hold = Hold::Refed { _token };
        }
        drop(hold);
        self
    }

    /// Makes the worker not keep this loop alive. A [`recv`](Worker::recv) that waits does, for
    /// itself.
    pub fn unref(&self) -> &Self {
        let mut hold = lock(&self.hold);
        if matches!(*hold, Hold::Refed { .. }) {
            *hold = Hold::Unrefed;
        }
        drop(hold);
        self
    }

    /// Whether the worker keeps this loop alive; not any more when it has ended.
    pub fn has_ref(&self) -> bool {
        matches!(*lock(&self.hold), Hold::Refed { .. })
    }
}

async fn end_of<T>(
    has_ended: oneshot::Receiver<Result<T, RunError>>,
    location: SourceLocation,
) -> Result<WorkerOutcome<T>, RunError> {
    match has_ended.await {
        Ok(Ok(value)) => Ok(WorkerOutcome::Finished(value)),
        Ok(Err(RunError::Exit(code))) => Ok(WorkerOutcome::Exited(code)),
        Ok(Err(error)) => Err(error),
        Err(oneshot::Canceled) => Err(RunError::Uncaught(Uncaught {
            payload: Box::new("the worker panicked while its loop was taken down"),
            location,
        })),
    }
}

fn lock(hold: &Mutex<Hold>) -> MutexGuard<'_, Hold> {
    hold.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Send + 'static, R: Send + 'static, T: 'static> fmt::Debug for Worker<S, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Worker").field(&self.handle).finish()
    }
}

/// One end of a line between a worker and the loop that has started it; sends `S`, receives `R`.
///
/// Dropping it closes the line: the other end receives what was sent, and then nothing more.
pub struct Port<S: Send + 'static, R: Send + 'static> {
    sends: Arc<Lane<S>>,
    receives: Arc<Lane<R>>,
    /// The loop of this end.
    handle: Handle,
    refed: bool,
    /// While somebody waits.
    waits: Option<KeepAlive>,
}

impl<S: Send + 'static, R: Send + 'static> Port<S, R> {
    fn new(sends: Arc<Lane<S>>, receives: Arc<Lane<R>>, handle: Handle) -> Port<S, R> {
        Lane::receive_on(&receives, handle.clone());
        Port {
            sends,
            receives,
            handle,
            refed: true,
            waits: None,
        }
    }

    /// Sends a message to the other end.
    ///
    /// What is sent is queued without a bound until it is received.
    ///
    /// # Errors
    ///
    /// The message, if the other end was dropped or its loop has ended.
    #[doc(alias = "postMessage")]
    pub fn post(&self, message: S) -> Result<(), S> {
        Lane::send(&self.sends, message)
    }

    /// Waits for the next message; nothing comes when the other end was dropped.
    ///
    /// Waiting keeps the loop alive unless the port is unref'd. Cancel safe: no message is lost by
    /// dropping the future.
    pub fn recv(&mut self) -> Recv<'_, S, R> {
        Recv { port: self }
    }

    /// Makes waits for a message keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&mut self) -> &mut Self {
        self.refed = true;
        self
    }

    /// Makes waits for a message not keep the loop alive.
    pub fn unref(&mut self) -> &mut Self {
        self.refed = false;
        self.waits = None;
        self
    }

    /// Whether waits for a message keep the loop alive.
    pub fn has_ref(&self) -> bool {
        self.refed
    }

    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<R>> {
        let polled = self.receives.poll_recv(cx);
        if polled.is_ready() {
            self.waits = None;
        } else if self.refed && self.waits.is_none() {
            self.waits = Some(self.handle.keep_alive());
        }
        polled
    }
}

/// The messages. A stream that is polled and then left alone keeps the loop alive until it is
/// polled again or dropped.
impl<S: Send + 'static, R: Send + 'static> Stream for Port<S, R> {
    type Item = R;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<R>> {
        self.poll_recv(cx)
    }
}

impl<S: Send + 'static, R: Send + 'static> Drop for Port<S, R> {
    fn drop(&mut self) {
        Lane::end(&self.sends);
        self.receives.refuse();
    }
}

impl<S: Send + 'static, R: Send + 'static> fmt::Debug for Port<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Port").field(&self.handle).finish()
    }
}

/// The future of [`Port::recv`]. Dropping it ends the wait and loses no message.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Recv<'a, S: Send + 'static, R: Send + 'static> {
    port: &'a mut Port<S, R>,
}

impl<S: Send + 'static, R: Send + 'static> Future for Recv<'_, S, R> {
    type Output = Option<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<R>> {
        self.port.poll_recv(cx)
    }
}

impl<S: Send + 'static, R: Send + 'static> Drop for Recv<'_, S, R> {
    fn drop(&mut self) {
        self.port.waits = None;
    }
}
