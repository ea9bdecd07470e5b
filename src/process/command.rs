//! How a child is to be started.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::rc::Rc;

use super::child::{Child, start};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::SourceLocation;

/// A program to be started, and how: `std`'s [`Command`](std::process::Command) for the loop.
///
/// What its methods mean is said there. It can be used again and again.
#[derive(Debug)]
pub struct Command {
    inner: std::process::Command,
    kill_on_drop: bool,
    /// The streams that were said to be something.
    configured: ConfiguredStdio,
}

#[derive(Debug, Clone, Copy, Default)]
struct ConfiguredStdio {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Command {
    /// A program, to be found as the system's `PATH` says if it has no `/` in it.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        Command {
            inner: std::process::Command::new(program),
            kill_on_drop: false,
            configured: ConfiguredStdio::default(),
        }
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

    /// Sets a variable of the child's environment, which begins as a copy of this process's.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.inner.env(name, value);
        self
    }

    /// Sets variables of the child's environment.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Command {
        self.inner.envs(variables);
        self
    }

    /// Takes a variable out of the child's environment.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Command {
        self.inner.env_remove(name);
        self
    }

    /// Lets the child's environment begin empty.
    pub fn env_clear(&mut self) -> &mut Command {
        self.inner.env_clear();
        self
    }

    /// Sets the child's working directory.
    #[doc(alias = "cwd")]
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Command {
        self.inner.current_dir(directory);
        self
    }

    /// Sets the child's standard input. It is inherited by default; by [`output`](Command::output)
    /// it is empty.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Command {
        self.configured.stdin = true;
        self.inner.stdin(stdin);
        self
    }

    /// Sets the child's standard output. It is inherited by default, and piped by
    /// [`output`](Command::output).
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Command {
        self.configured.stdout = true;
        self.inner.stdout(stdout);
        self
    }

    /// Sets the child's standard error. It is inherited by default, and piped by
    /// [`output`](Command::output).
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Command {
        self.configured.stderr = true;
        self.inner.stderr(stderr);
        self
    }

    /// Whether a child is killed when its [`Child`] is dropped before it has ended, and so also
    /// when the loop ends. It is not by default.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Command {
        self.kill_on_drop = kill;
        self
    }

    /// The command of `std`, to look at.
    pub fn as_std(&self) -> &std::process::Command {
        &self.inner
    }

    /// The command of `std`, for what only that can do, as
    /// [`process_group`](std::os::unix::process::CommandExt::process_group).
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.inner
    }

    /// Starts the child, and returns when the new program runs.
    ///
    /// # Errors
    ///
    /// The system's, as when there is no such program, directory, descriptor or process left; and
    /// if the loop is ending. No child is left behind.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        let state = current("process::Command::spawn");
        self.start(&state, Location::caller())
    }

    /// Starts the child at once and waits for its end.
    ///
    /// Dropping the future drops the [`Child`].
    ///
    /// # Errors
    ///
    /// As [`spawn`](Command::spawn) and [`Child::wait`].
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let state = current("process::Command::status");
        let child = self.start(&state, Location::caller());
        async move {
            let mut child = child?;
            // What the child was not asked for is not to keep it waiting.
            drop((child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
    }

    /// Starts the child at once, and collects what it writes until it has ended and its pipes
    /// have: Node's `execFile`.
    ///
    /// Its standard output and error are piped and its standard input is empty, each unless
    /// something else was said. There is no bound on what is collected. Dropping the future drops
    /// the [`Child`].
    ///
    /// # Errors
    ///
    /// As [`spawn`](Command::spawn) and [`Child::wait_with_output`].
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[doc(alias = "execFile")]
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        let state = current("process::Command::output");
        let configured = self.configured;
        if !configured.stdin {
            self.inner.stdin(Stdio::null());
        }
        if !configured.stdout {
            self.inner.stdout(Stdio::piped());
        }
        if !configured.stderr {
            self.inner.stderr(Stdio::piped());
        }
        let child = self.start(&state, Location::caller());
        self.forget_unsaid();
        async move { child?.wait_with_output().await }
    }

    fn start(&mut self, state: &Rc<LoopState>, location: SourceLocation) -> io::Result<Child> {
        start(state, &mut self.inner, self.kill_on_drop, location)
    }

    /// The streams that `output` has chosen are not those of the next child.
    fn forget_unsaid(&mut self) {
        if !self.configured.stdin {
            self.inner.stdin(Stdio::inherit());
        }
        if !self.configured.stdout {
            self.inner.stdout(Stdio::inherit());
        }
        if !self.configured.stderr {
            self.inner.stderr(Stdio::inherit());
        }
    }
}

/// The streams of a command of `std` count as not said to be something.
impl From<std::process::Command> for Command {
    fn from(inner: std::process::Command) -> Command {
        Command {
            inner,
            kill_on_drop: false,
            configured: ConfiguredStdio::default(),
        }
    }
}
