//! The settings of a worker's thread.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use futures::channel::oneshot;

use super::{KeepAliveState, MessagePort, Worker, WorkerPort, lock, outcome};
use crate::event_loop::current::current;
use crate::promise::try_spawn;
use crate::runtime::handle::Handle;
use crate::runtime::{EventLoop, MainOutput, RunError};

/// The settings of a worker's thread.
///
/// # Examples
///
/// ```
/// use nodeloop::worker::{Builder, WorkerPort};
///
/// nodeloop::run(async {
///     let builder = Builder::new().name("parser").stack_size(8 << 20);
///     let mut worker = builder.spawn(|port: WorkerPort<(), String>| async move {
///         let thread = std::thread::current();
///         port.post(thread.name().unwrap().to_owned()).unwrap();
///     })?;
///     assert_eq!(worker.recv().await.unwrap(), "parser");
///     std::io::Result::Ok(())
/// })
/// .unwrap();
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "settings do nothing until a worker is spawned with them"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
}

impl Builder {
    /// Creates the default settings, which [`Worker::spawn`] uses.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Sets the name of the thread, for panics and debuggers; `nodeloop-worker` by default.
    ///
    /// Operating systems shorten it: Linux shows 15 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// Sets the stack size of the thread in bytes; by default that of Rust's threads, two megabytes.
    ///
    /// [`spawn`](crate::spawn) polls on the stack of its caller, so deeply nested tasks need more. They
    /// may use half of the size that is set here, as if by
    /// [`spawn_stack`](crate::Builder::spawn_stack).
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Starts a worker with these settings, as [`Worker::spawn`] does.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`Worker::spawn`], and if the name contains a NUL byte.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn spawn<I, O, T, M, F>(self, main: M) -> io::Result<Worker<I, O, T>>
    where
        I: Send + 'static,
        O: Send + 'static,
        T: MainOutput + Send + 'static,
        M: FnOnce(WorkerPort<I, O>) -> F + Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let parent = current("worker::Worker::spawn");
        parent.refuse_in_world(
            "a host of a simulated world starts no worker, because its thread would run in real time: \
             run the program of the worker on another host, or test this part outside of the world",
        )?;
        let (parent, node) = (Handle::new(parent.remote_queue.clone()), parent.node);
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
        let spawn_stack = self.stack_size.map(|bytes| bytes / 2);
        let thread = move || {
            let mut settings = EventLoop::builder().node(node);
            if let Some(bytes) = spawn_stack {
                settings = settings.spawn_stack(bytes);
            }
            let mut event_loop = match settings.build() {
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
        let thread = self.thread()?.spawn(thread)?;
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

    fn thread(self) -> io::Result<thread::Builder> {
        let name = self.name.unwrap_or_else(|| "nodeloop-worker".to_owned());
        if name.contains('\0') {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the name of the worker contains a NUL byte",
            ));
        }
        let thread = thread::Builder::new().name(name);
        Ok(match self.stack_size {
            Some(bytes) => thread.stack_size(bytes),
            None => thread,
        })
    }
}
