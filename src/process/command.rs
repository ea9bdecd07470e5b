//! The builder of child processes.

use std::ffi::OsStr;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::rc::Rc;

use futures::FutureExt;
use futures::future::FusedFuture;

use super::child::{Child, Starting, start};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::SourceLocation;

/// A builder of child processes: [`std::process::Command`] for the loop.
///
/// Its methods have the same meaning as in `std`. It can be used several times.
#[derive(Debug)]
pub struct Command {
    inner: std::process::Command,
    kill_on_drop: bool,
    configured: ConfiguredStdio,
}

/// The streams that the caller has set, which `output` must not change.
#[derive(Debug, Clone, Copy, Default)]
struct ConfiguredStdio {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Command {
    /// Creates a command for a program, which is searched for in `PATH` if its name has no `/`.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        std::process::Command::new(program).into()
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Command {
        self.inner.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Command {
        self.inner.args(arguments);
        self
    }

    /// Sets an environment variable of the child, which inherits the others from this process.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.inner.env(name, value);
        self
    }

    /// Sets several environment variables of the child.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Command {
        self.inner.envs(variables);
        self
    }

    /// Removes an environment variable of the child.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Command {
        self.inner.env_remove(name);
        self
    }

    /// Clears the environment of the child, which then inherits nothing from this process.
    pub fn env_clear(&mut self) -> &mut Command {
        self.inner.env_clear();
        self
    }

    /// Sets the working directory of the child.
    #[doc(alias = "cwd")]
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Command {
        self.inner.current_dir(directory);
        self
    }

    /// Sets the standard input of the child.
    ///
    /// By default it is inherited, and empty for [`output`](Command::output).
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Command {
        self.configured.stdin = true;
        self.inner.stdin(stdin);
        self
    }

    /// Sets the standard output of the child.
    ///
    /// By default it is inherited, and piped for [`output`](Command::output).
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Command {
        self.configured.stdout = true;
        self.inner.stdout(stdout);
        self
    }

    /// Sets the standard error of the child.
    ///
    /// By default it is inherited, and piped for [`output`](Command::output).
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Command {
        self.configured.stderr = true;
        self.inner.stderr(stderr);
        self
    }

    /// Sets whether a child is killed when its [`Child`] is dropped or the loop ends before it has
    /// ended.
    ///
    /// The default is `false`.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Command {
        self.kill_on_drop = kill;
        self
    }

    /// Returns the inner command.
    pub fn as_std(&self) -> &std::process::Command {
        &self.inner
    }

    /// Returns the inner command mutably, for options that only `std` has, such as
    /// [`process_group`](std::os::unix::process::CommandExt::process_group).
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.inner
    }

    /// Starts the child and blocks until the new program runs.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, for example if the program does not
    /// exist or the process is out of descriptors, with the details of a
    /// [`SpawnError`](super::SpawnError), and an error if the loop is ending. In each case
    /// no child keeps running.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        let state = current("process::Command::spawn");
        self.start(&state, Location::caller())
    }

    /// Starts the child immediately, and returns a future that waits for its end.
    ///
    /// Dropping the future drops the [`Child`].
    ///
    /// # Errors
    ///
    /// Resolves to an error in the same cases as [`spawn`](Command::spawn) and [`Child::wait`].
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn status(&mut self) -> impl FusedFuture<Output = io::Result<ExitStatus>> + use<> {
        let state = current("process::Command::status");
        let child = self.start(&state, Location::caller());
        async move {
            let mut child = child?;
            // Nothing reads these pipes: a child must not block on them.
            drop((child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
        .fuse()
    }

    /// Starts the child immediately, and returns a future that collects its output until it has
    /// ended and its pipes are closed: Node's `execFile`.
    ///
    /// Its standard output and error are piped and its standard input is empty, each unless it was
    /// set. The size of the output is not limited. Dropping the future drops the [`Child`].
    ///
    /// # Errors
    ///
    /// Resolves to an error in the same cases as [`spawn`](Command::spawn) and
    /// [`Child::wait_with_output`].
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[doc(alias = "execFile")]
    #[track_caller]
    pub fn output(&mut self) -> impl FusedFuture<Output = io::Result<Output>> + use<> {
        let state = current("process::Command::output");
        self.set_default_stdio(Stdio::null, Stdio::piped);
        let piped = [self.configured.stdin, true, true];
        let child = self.start_piped(&state, piped, Location::caller());
        self.set_default_stdio(Stdio::inherit, Stdio::inherit); // for the next child
        async move { child?.wait_with_output().await }.fuse()
    }

    /// Sets the streams that the caller has not set.
    fn set_default_stdio(&mut self, input: fn() -> Stdio, output: fn() -> Stdio) {
        if !self.configured.stdin {
            self.inner.stdin(input());
        }
        if !self.configured.stdout {
            self.inner.stdout(output());
        }
        if !self.configured.stderr {
            self.inner.stderr(output());
        }
    }

    fn start(&mut self, state: &Rc<LoopState>, location: SourceLocation) -> io::Result<Child> {
        let configured = self.configured;
        let piped = [configured.stdin, configured.stdout, configured.stderr];
        self.start_piped(state, piped, location)
    }

    fn start_piped(
        &mut self,
        state: &Rc<LoopState>,
        piped: [bool; 3],
        location: SourceLocation,
    ) -> io::Result<Child> {
        let starting = Starting {
            command: &mut self.inner,
            kill_on_drop: self.kill_on_drop,
            piped,
        };
        start(state, starting, location)
    }
}

/// Converts a command of `std`. [`output`](Command::output) replaces streams that were set on it.
impl From<std::process::Command> for Command {
    fn from(inner: std::process::Command) -> Command {
        Command {
            inner,
            kill_on_drop: false,
            configured: ConfiguredStdio::default(),
        }
    }
}
