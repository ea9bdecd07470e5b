//! A child that was started.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::process::{ExitStatus, Output};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rustix::process::{Pid, Signal, kill_process};

use super::pipes::{ChildStderr, ChildStdin, ChildStdout, read_to_close};
use crate::event_loop::state::LoopState;
use crate::io::loop_ended;
use crate::phases::macrotask::SourceLocation;
use crate::signal::SignalKind;
use crate::signal::dispatch::{ChildKey, Started};

/// A child process, from [`Command::spawn`](super::Command::spawn).
///
/// Dropping it changes nothing, unless [`kill_on_drop`](super::Command::kill_on_drop) was said:
/// the child runs on, keeps the loop alive until it ends, and is waited for. Its pipes are closed
/// then, if they were not taken out.
pub struct Child {
    state: Rc<LoopState>,
    key: ChildKey,
    id: u32,
    end: Rc<End>,
    kill_on_drop: bool,
    /// Where it reads from, if that was piped. Take it out to write to it beside [`Child::wait`].
    pub stdin: Option<ChildStdin>,
    /// What it writes, if that was piped.
    pub stdout: Option<ChildStdout>,
    /// What it writes as errors, if that was piped.
    pub stderr: Option<ChildStderr>,
}

/// Starts a child of `command` whose end the loop will tell.
pub(super) fn start(
    state: &Rc<LoopState>,
    command: &mut std::process::Command,
    kill_on_drop: bool,
    location: SourceLocation,
) -> io::Result<Child> {
    if !state.is_open() {
        return Err(loop_ended());
    }
    let end = Rc::new(End::default());
    let teller = Teller(end.clone());
    let (context, owner) = (state.context.get(), Rc::downgrade(state));
    let done = move |status| {
        if let Some(state) = owner.upgrade() {
            state.context.set(context);
        }
        teller.notify(status);
    };
    let registrations = &state.poll.registrations;
    let (key, (id, pipes)) = state.signals.start_child(registrations, location, || {
        let mut child = command.spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let id = child.id();
        let done = Box::new(done);
        let started = Started {
            child,
            done,
            kill_on_drop,
        };
        Ok((started, (id, pipes)))
    })?;
    let (stdin, stdout, stderr) = pipes;
    let mut child = Child {
        state: state.clone(),
        key,
        id,
        end,
        kill_on_drop,
        stdin: None,
        stdout: None,
        stderr: None,
    };
    // A pipe that can't be watched leaves a child that nobody can talk to.
    let watched = child.watch(stdin, stdout, stderr, location);
    if let Err(error) = watched {
        child.kill_on_drop = true; // it is dropped now
        return Err(error);
    }
    Ok(child)
}

impl Child {
    fn watch(
        &mut self,
        stdin: Option<std::process::ChildStdin>,
        stdout: Option<std::process::ChildStdout>,
        stderr: Option<std::process::ChildStderr>,
        location: SourceLocation,
    ) -> io::Result<()> {
        let state = &self.state;
        let stdin = stdin.map(|pipe| ChildStdin::new(state, pipe.into(), location));
        let stdout = stdout.map(|pipe| ChildStdout::new(state, pipe.into(), location));
        let stderr = stderr.map(|pipe| ChildStderr::new(state, pipe.into(), location));
        self.stdin = stdin.transpose()?;
        self.stdout = stdout.transpose()?;
        self.stderr = stderr.transpose()?;
        Ok(())
    }

    /// The identity of the process; none when it was waited for or was found to have ended,
    /// because the system may give it to another then.
    #[doc(alias = "pid")]
    pub fn id(&self) -> Option<u32> {
        self.has_identity().then_some(self.id)
    }

    fn has_identity(&self) -> bool {
        let asked = self
            .state
            .signals
            .with_child(self.key, |child| child.has_identity());
        asked.unwrap_or(false)
    }

    /// Closes `stdin` if it was not taken out, and waits until the child has ended.
    ///
    /// What the child has written stays in its pipes; a child that writes more than a pipe holds
    /// does not end before it is read. Cancel safe; it can be asked again and says the same.
    ///
    /// # Errors
    ///
    /// If another part of the program has waited for the child behind the loop's back, and if the
    /// loop has cancelled everything.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        poll_fn(|cx| self.end.poll(cx)).await
    }

    /// Whether the child has ended. It asks the system; [`wait`](Child::wait) and
    /// [`on_exit`](Child::on_exit) tell only when the poll phase has brought it.
    ///
    /// # Errors
    ///
    /// As [`wait`](Child::wait).
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        if let Some(exit_status) = self.end.exit_status() {
            return exit_status.map(Some);
        }
        let status = self
            .state
            .signals
            .with_child(self.key, |child| child.status());
        status.unwrap_or(Ok(None)) // its macrotask is under way
    }

    /// Calls `callback` with the status when the child has ended: `child.on('exit', …)`.
    ///
    /// The callback itself is in the macrotask of the poll phase, so ticks it makes come before
    /// promise jobs (R12). Several callbacks are called in the order in which they were added, in
    /// one macrotask, which then wakes whoever [waits](Child::wait). It is dropped without being
    /// called if the child's end was told already, or the loop cancels everything. Dropping the
    /// `Child` does not drop it. It runs in the context (see
    /// [`AsyncLocalStorage`](crate::AsyncLocalStorage)) in which the child was started.
    #[doc(alias = "exit")]
    pub fn on_exit(&self, callback: impl FnOnce(&io::Result<ExitStatus>) + 'static) {
        if self.end.exit_status().is_none() {
            self.end.callbacks.borrow_mut().push(Box::new(callback));
        }
    }

    /// Waits until the child has ended and its pipes have, and gives what came through those that
    /// were not taken out: Node's `'close'` event.
    ///
    /// `stdin` is closed first. If the program gives its pipes on to others that outlive it, this
    /// waits for them, too. There is no bound on what is collected. Dropping the future drops the
    /// `Child`.
    ///
    /// # Errors
    ///
    /// As [`wait`](Child::wait), and the system's.
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

    /// Sends the child a signal. To one that has ended and was not waited for, that does nothing.
    ///
    /// # Errors
    ///
    /// The system's, as for a signal that does not exist or a child that has become another
    /// user's; and `InvalidInput` if the child is known to have ended.
    #[doc(alias = "kill")]
    pub fn signal(&self, kind: SignalKind) -> io::Result<()> {
        let id = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        let signal = Signal::from_named_raw(kind.as_raw());
        match (id, signal) {
            (Some(id), Some(signal)) if self.has_identity() => Ok(kill_process(id, signal)?),
            (_, None) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "there is no such signal",
            )),
            _ => Err(has_ended()),
        }
    }

    /// Makes the system end the child (`SIGKILL`). Its end comes as any other.
    ///
    /// # Errors
    ///
    /// As [`signal`](Child::signal).
    pub fn start_kill(&mut self) -> io::Result<()> {
        if !self.has_identity() {
            return Err(has_ended());
        }
        let killed = self
            .state
            .signals
            .with_child(self.key, |child| child.kill());
        killed.unwrap_or_else(|| Err(has_ended()))
    }

    /// Makes the system end the child (`SIGKILL`), and waits until it has ended.
    ///
    /// # Errors
    ///
    /// As [`signal`](Child::signal) and [`wait`](Child::wait).
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Makes the child keep the loop alive again until it has ended (R6). It does at first.
    ///
    /// It does not concern its pipes: a read that waits keeps the loop alive for itself.
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

    /// Whether the child keeps the loop alive; not any more when it has ended.
    pub fn has_ref(&self) -> bool {
        let refed = self
            .state
            .signals
            .with_child(self.key, |child| child.is_refed());
        refed.unwrap_or(false)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.kill_on_drop {
            let _ = self.start_kill(); // or it has ended by itself
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

fn has_ended() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the child has ended")
}

/// What is known of the end of a child, and who is to be told.
#[derive(Default)]
struct End {
    exit_status: RefCell<Option<Result<ExitStatus, (io::ErrorKind, String)>>>,
    callbacks: RefCell<Vec<Callback>>,
    waker: RefCell<Option<Waker>>,
}

type Callback = Box<dyn FnOnce(&io::Result<ExitStatus>)>;

impl End {
    /// An error can't be cloned; it is made anew.
    fn exit_status(&self) -> Option<io::Result<ExitStatus>> {
        let exit_status = self.exit_status.borrow();
        let again = |(kind, text): &(io::ErrorKind, String)| io::Error::new(*kind, text.clone());
        exit_status
            .as_ref()
            .map(|exit_status| exit_status.as_ref().map(|status| *status).map_err(again))
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<io::Result<ExitStatus>> {
        if let Some(exit_status) = self.exit_status() {
            return Poll::Ready(exit_status);
        }
        let replaced = self.waker.borrow_mut().replace(cx.waker().clone());
        drop(replaced); // behind the borrow
        Poll::Pending
    }

    fn set(&self, status: &io::Result<ExitStatus>) {
        let exit_status = match status {
            Ok(status) => Ok(*status),
            Err(error) => Err((error.kind(), error.to_string())),
        };
        *self.exit_status.borrow_mut() = Some(exit_status);
    }

    fn wake(&self) {
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The loop's side of an [`End`]. If it is dropped untold, the loop has cancelled everything.
struct Teller(Rc<End>);

impl Teller {
    fn notify(self, status: io::Result<ExitStatus>) {
        self.0.set(&status);
        let callbacks = std::mem::take(&mut *self.0.callbacks.borrow_mut());
        self.0.wake(); // it only queues the task, which runs behind the callbacks
        for callback in callbacks {
            callback(&status);
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if self.0.exit_status.borrow().is_none() {
            self.0.set(&Err(loop_ended()));
            let callbacks = std::mem::take(&mut *self.0.callbacks.borrow_mut());
            self.0.wake();
            drop(callbacks);
        }
    }
}
