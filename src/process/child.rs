//! A child process that was started.

#[cfg(unix)]
#[path = "child/unix.rs"]
mod system;
#[cfg_attr(unix, path = "child/world.rs")]
#[cfg_attr(not(unix), path = "child/no_world.rs")]
mod world;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::process::{self, ExitStatus, Output};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::SpawnError;
use super::children::{ChildKey, ExitCallback, NewChild, Process, RunningChild, replayed_stdio};
use super::pipes::{ChildStderr, ChildStdin, ChildStdout, read_to_close};
use crate::event_loop::state::LoopState;
use crate::io::loop_ended;
use crate::phases::macrotask::SourceLocation;
use crate::reactor::journal::{Journal, Operation, Subject};
use crate::runtime::MainOutput;

/// A child process, returned by [`Command::spawn`](super::Command::spawn).
///
/// Dropping it does not affect the process, unless
/// [`kill_on_drop`](super::Command::kill_on_drop) was set: the child continues to run, keeps the
/// loop alive until it has ended, and is waited for. Dropping it closes the pipes that were not
/// taken out.
pub struct Child {
    state: Rc<LoopState>,
    key: ChildKey,
    id: u32,
    exit: Rc<Exit>,
    kill_on_drop: bool,
    /// The pipe to the child's standard input, if it was piped.
    ///
    /// Take it out to write to it during [`Child::wait`], which otherwise closes it.
    pub stdin: Option<ChildStdin>,
    /// The pipe from the child's standard output, if it was piped.
    pub stdout: Option<ChildStdout>,
    /// The pipe from the child's standard error, if it was piped.
    pub stderr: Option<ChildStderr>,
}

impl MainOutput for Child {}

/// A command that is about to be started.
pub(super) struct Starting<'a> {
    pub(super) command: &'a mut process::Command,
    pub(super) kill_on_drop: bool,
    /// Which standard streams are pipes in a simulated world; elsewhere `command` knows.
    #[cfg_attr(
        not(unix),
        allow(dead_code, reason = "only Unix has children in a world")
    )]
    pub(super) piped: [bool; 3],
}

/// Starts a child and watches for its end.
pub(super) fn start(
    state: &Rc<LoopState>,
    starting: Starting<'_>,
    location: SourceLocation,
) -> io::Result<Child> {
    if !state.is_open() {
        return Err(loop_ended());
    }
    if let Some(host) = state.world() {
        let started = world::start(state, host, &starting, location);
        return started.map_err(|error| SpawnError::wrap(starting.command, error));
    }
    let Starting {
        command,
        kill_on_drop,
        ..
    } = starting;
    let exit = Rc::default();
    let on_exit = on_exit(state, ExitNotifier(Rc::clone(&exit)));
    let registrations = &state.poll.registrations;
    let started = state
        .signals
        .start_child(registrations, location, |on_end| {
            let started = match state.journal() {
                None => StartedChild::start(command),
                Some(journal) => StartedChild::start_journaled(journal, command, location),
            };
            let StartedChild { id, child, stdio } = started?;
            let process = match child {
                Some(child) => Process::new(child, on_end)?,
                None => Process::replayed(),
            };
            let new = NewChild {
                process,
                on_exit,
                kill_on_drop,
            };
            Ok((new, (id, stdio)))
        });
    // Whatever has failed, watching for the child's end included, the error names the program.
    let named = |error| SpawnError::wrap(command, error);
    let (key, (id, stdio)) = started.map_err(named)?;
    let mut child = Child {
        state: state.clone(),
        key,
        id,
        exit,
        kill_on_drop,
        stdin: None,
        stdout: None,
        stderr: None,
    };
    // A child whose pipes can't be watched is useless: it is killed.
    if let Err(error) = child.watch(stdio, location) {
        child.kill_on_drop = true;
        return Err(named(error));
    }
    Ok(child)
}

/// Returns what the loop calls at the end of a child.
fn on_exit(state: &Rc<LoopState>, notifier: ExitNotifier) -> ExitCallback {
    let (context, owner) = (state.context.get(), Rc::downgrade(state));
    Box::new(move |status| {
        if let Some(state) = owner.upgrade() {
            state.context.set(context);
        }
        notifier.notify(status);
    })
}

/// A child whose end is not watched yet.
struct StartedChild {
    id: u32,
    /// `None` in a replay.
    child: Option<process::Child>,
    stdio: Stdio,
}

impl StartedChild {
    fn start(command: &mut process::Command) -> io::Result<StartedChild> {
        let mut child = command.spawn()?;
        Ok(StartedChild {
            id: child.id(),
            stdio: (child.stdin.take(), child.stdout.take(), child.stderr.take()),
            child: Some(child),
        })
    }

    /// Starts a child and records its id and its pipes. A replay starts nothing.
    #[cold]
    fn start_journaled(
        journal: &Journal,
        command: &mut process::Command,
        location: SourceLocation,
    ) -> io::Result<StartedChild> {
        let mut real = None;
        let place = Subject::Place(location);
        let (id, pipes) = journal.call(Operation::StartChild, place, || {
            let started = StartedChild::start(command)?;
            let (stdin, stdout, stderr) = &started.stdio;
            let pipes = (stdin.is_some(), stdout.is_some(), stderr.is_some());
            let id = started.id;
            real = Some(started);
            Ok((id, pipes))
        })?;
        match real {
            Some(started) => Ok(started),
            None => Ok(StartedChild {
                id,
                child: None,
                stdio: replayed_stdio(pipes)?,
            }),
        }
    }
}

type Stdio = (
    Option<process::ChildStdin>,
    Option<process::ChildStdout>,
    Option<process::ChildStderr>,
);

impl Child {
    fn watch(&mut self, stdio: Stdio, location: SourceLocation) -> io::Result<()> {
        let (stdin, stdout, stderr) = stdio;
        let state = &self.state;
        let stdin = stdin.map(|pipe| ChildStdin::new(state, pipe, location));
        let stdout = stdout.map(|pipe| ChildStdout::new(state, pipe, location));
        let stderr = stderr.map(|pipe| ChildStderr::new(state, pipe, location));
        self.stdin = stdin.transpose()?;
        self.stdout = stdout.transpose()?;
        self.stderr = stderr.transpose()?;
        Ok(())
    }

    /// Calls `act` with the child in the loop's table; `None` if its end was dispatched.
    fn with_running<R>(&self, act: impl FnOnce(&mut RunningChild) -> R) -> Option<R> {
        self.state.signals.with_child(self.key, act)
    }

    /// Returns the process id, or `None` if the child is known to have ended, because the operating
    /// system may then reuse the id.
    #[doc(alias = "pid")]
    pub fn id(&self) -> Option<u32> {
        self.owns_id().then_some(self.id)
    }

    fn owns_id(&self) -> bool {
        self.with_running(|child| child.owns_id()).unwrap_or(false)
    }

    /// Closes `stdin` if it was not taken out, and waits until the child has ended.
    ///
    /// The child's output stays in its pipes; a child that writes more than a pipe holds does not
    /// end until it is read. Calling this again returns the same status.
    ///
    /// # Errors
    ///
    /// Returns an error if other code of the process has waited for the child, and if the loop has
    /// ended.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped and the method called again.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        poll_fn(|cx| self.exit.poll(cx)).await
    }

    /// Returns the status if the child has ended.
    ///
    /// This queries the operating system; [`wait`](Child::wait) and [`on_exit`](Child::on_exit)
    /// complete later, in the poll phase.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`wait`](Child::wait).
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        if let Some(status) = self.exit.status() {
            return status.map(Some);
        }
        let journal = self.state.journal();
        let status = self.with_running(|child| child.status(self.key, journal));
        status.unwrap_or(Ok(None)) // the macrotask of its end is queued
    }

    /// Calls `callback` with the status when the child has ended: Node's `child.on('exit', …)`.
    ///
    /// The callback runs in the macrotask of the poll phase itself, so ticks that it queues run
    /// before promise jobs (R12). Several callbacks are called in the order in which they were
    /// added, in one macrotask, after which the task that [waits](Child::wait) continues. The
    /// callback runs in the context (see [`AsyncLocalStorage`](crate::AsyncLocalStorage)) in which
    /// the child was started.
    ///
    /// The callback is dropped without being called if the end of the child was already reported,
    /// and when the loop ends. Dropping the `Child` does not drop it.
    #[doc(alias = "exit")]
    pub fn on_exit(&self, callback: impl FnOnce(&io::Result<ExitStatus>) + 'static) {
        if self.exit.status().is_none() {
            self.exit.callbacks.borrow_mut().push(Box::new(callback));
        }
    }

    /// Waits until the child has ended and its pipes are closed, and returns the output of those
    /// that were not taken out: Node's `'close'` event.
    ///
    /// `stdin` is closed first. If the child passes its pipes on to processes that outlive it, the
    /// future waits for them, too. The size of the output is not limited. Dropping the future drops
    /// the `Child`.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`wait`](Child::wait), and any error reported by the
    /// operating system.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (status, stdout, stderr) =
            futures::future::join3(self.wait(), read_to_close(stdout), read_to_close(stderr)).await;
        Ok(Output {
            status: status?,
            stdout: stdout?,
            stderr: stderr?,
        })
    }

    /// Kills the child (`SIGKILL`, or `TerminateProcess` on Windows) without waiting for its end.
    ///
    /// Children of the child continue to run.
    ///
    /// Returns `Ok(())` if the child has ended, as [`std::process::Child::kill`] does: no signal is
    /// sent.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error in the same cases as
    /// [`wait`](Child::wait).
    pub fn start_kill(&mut self) -> io::Result<()> {
        let journal = self.state.journal();
        match self.with_running(|child| child.kill(self.key, journal)) {
            Some(killed) => killed,
            None => self.exit.status().transpose().map(drop),
        }
    }

    /// Kills the child as [`start_kill`](Child::start_kill) does, and waits until it has ended.
    ///
    /// Returns `Ok(())` if the child has ended already.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`start_kill`](Child::start_kill).
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Makes the child keep the loop alive until it has ended (R6), which is the default.
    ///
    /// This does not affect its pipes: a pending read keeps the loop alive by itself.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Child {
        self.state.signals.set_child_refed(self.key, true);
        self
    }

    /// Makes the child not keep the loop alive.
    pub fn unref(&self) -> &Child {
        self.state.signals.set_child_refed(self.key, false);
        self
    }

    /// Returns whether the child keeps the loop alive.
    ///
    /// A child that has ended does not.
    pub fn has_ref(&self) -> bool {
        self.with_running(|child| child.refed).unwrap_or(false)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.kill_on_drop {
            let _ = self.start_kill(); // fails if it has ended
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id)
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish_non_exhaustive()
    }
}

/// The end of a child: its status, and the callbacks and the task to notify.
#[derive(Default)]
struct Exit {
    status: RefCell<Option<Result<ExitStatus, (io::ErrorKind, String)>>>,
    callbacks: RefCell<Vec<Callback>>,
    waker: Cell<Option<Waker>>,
}

type Callback = Box<dyn FnOnce(&io::Result<ExitStatus>)>;

impl Exit {
    fn status(&self) -> Option<io::Result<ExitStatus>> {
        // An `io::Error` can't be cloned; each caller gets a new one.
        let to_error = |(kind, text): &(io::ErrorKind, String)| io::Error::new(*kind, text.clone());
        let status = self.status.borrow();
        let status = status.as_ref()?;
        Some(status.as_ref().copied().map_err(to_error))
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<io::Result<ExitStatus>> {
        if let Some(status) = self.status() {
            return Poll::Ready(status);
        }
        self.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Sets the status, wakes the task that waits, and returns the callbacks to call or to drop.
    fn complete(&self, status: &io::Result<ExitStatus>) -> Vec<Callback> {
        let status = status.as_ref().copied();
        let status = status.map_err(|error| (error.kind(), error.to_string()));
        *self.status.borrow_mut() = Some(status);
        let callbacks = std::mem::take(&mut *self.callbacks.borrow_mut());
        if let Some(waker) = self.waker.take() {
            waker.wake(); // only queues the task, which runs after the callbacks
        }
        callbacks
    }
}

/// The loop's half of an [`Exit`]. If it is dropped before the end of the child, the loop has
/// ended.
struct ExitNotifier(Rc<Exit>);

impl ExitNotifier {
    fn notify(self, status: io::Result<ExitStatus>) {
        for callback in self.0.complete(&status) {
            callback(&status);
        }
    }
}

impl Drop for ExitNotifier {
    fn drop(&mut self) {
        if self.0.status.borrow().is_none() {
            drop(self.0.complete(&Err(loop_ended())));
        }
    }
}
