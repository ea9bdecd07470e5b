//! Child processes (R65).
//!
//! [`Command`] mirrors [`std::process::Command`]; its children are awaited on the loop.
//!
//! # Examples
//!
//! ```
//! use nodeloop::process::Command;
//!
//! # if cfg!(unix) {
//! let output = nodeloop::run(async { Command::new("echo").arg("hello").output().await })?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"hello\n");
//! # }
//! # std::io::Result::Ok(())
//! ```
//!
//! # Overview
//!
//! | Node | nodeloop |
//! |---|---|
//! | `spawn(program, args)`; its `'spawn'` event | [`Command::spawn`]; it returns `Ok` |
//! | its `'error'` event, with `ENOENT` and the like | the error it returns |
//! | `'exit'` event | [`Child::wait`], [`Child::on_exit`] |
//! | `'close'` event, the callback of `execFile` | [`Child::wait_with_output`], [`Command::output`] |
//! | `child.stdin`, `.stdout`, `.stderr` | [`ChildStdin`], [`ChildStdout`], [`ChildStderr`] |
//! | `child.kill(signal)` | `Child::signal` (Unix only), [`Child::start_kill`] |
//! | `child.ref()`, `.unref()` | [`Child::ref_`], [`Child::unref`] |
//!
//! **Order.** The end of a child is reported by a macrotask of the poll phase, after all other
//! events of that phase (R65): after the output that the child has written by then. The end of a pipe
//! that arrives together with its last bytes is read in the next phase, so after the end of the child; up
//! to [Node 22](crate::NodeRelease) in the same phase, so before it. If several children have ended, they are reported in the order in which they were
//! started. [`Child::wait_with_output`] completes when the child has ended *and* its pipes have
//! been read to their ends, in the close phase if a pipe was the last. A pipe may outlive the
//! child, because a process that has inherited its other end keeps it open.
//!
//! **Blocking.** Starting a child blocks the loop until the new program runs, as in Node.
//!
//! **Keep-alive.** A child keeps the loop alive until it has ended, even if its [`Child`] was
//! dropped, unless it is unref'd.
//!
//! **Drop.** A child is not killed when its handle is dropped or the loop ends, unless
//! [`kill_on_drop`](Command::kill_on_drop) was set. Every child is waited for, so that it does not
//! stay a zombie: by its loop, or after the end of that loop, when a child of any other loop ends. If
//! there is no such child, it stays a zombie until the process ends.
//! Children of a child are never killed with it.
//!
//! **Virtual time.** As with sockets, virtual time does not wait for a child unless
//! [`io_holds_time`](crate::Builder::io_holds_time) is set.
//!
//! **Simulated worlds.** On a host of a [simulated world](crate::test::World), a test describes what a child
//! does ([`Host::on_spawn`](crate::test::Host::on_spawn)).
//!
//! A child that writes more than its pipe holds blocks until the pipe is read.
//!
//! # Windows
//!
//! The same programs run. Each child has a thread that waits for its end, and each pipe that is used has a
//! thread for its calls, because the operating system reports neither to the loop. The threads delay
//! neither the end of the loop nor that of the process. [`io::pipe`](crate::io::pipe) lists what follows for
//! reads and writes.
//!
//! - Ends are macrotasks in the order of the starts, as above, and after all other events of their poll
//!   phase. But the last output of a child may arrive in a later phase than its end, as in Node.
//! - Killing is `TerminateProcess`, with the status 1.
//!
//! # What is missing
//!
//! - **Killing a tree of processes.** Start the child in a process group, or in a job object on Windows,
//!   through [`Command::as_std_mut`] or a crate such as `process-wrap`.
//! - **Node's `fork` and `exec`.** There is no channel for messages to a child; use its pipes or a socket.
//!   For a command of a shell, start the shell: `Command::new("sh").arg("-c")`.
//! - Options that only some systems have, such as the user or the process group of the child, are set
//!   through [`Command::as_std_mut`].

mod child;
pub(crate) mod children;
mod command;
mod error;
mod pipes;

pub use std::process::{ExitStatus, Output, Stdio};

pub use child::Child;
pub use command::Command;
pub use error::SpawnError;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};
