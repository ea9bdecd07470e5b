//! Child processes (R65).
//!
//! [`Command`] is `std`'s, with children that are awaited on the loop:
//!
//! ```
//! use nodeloop::process::Command;
//!
//! let output = nodeloop::run(async { Command::new("echo").arg("hello").output().await })?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"hello\n");
//! # std::io::Result::Ok(())
//! ```
//!
//! | Node | nodeloop |
//! |---|---|
//! | `spawn(program, args)`; its `'spawn'` event | [`Command::spawn`]; that it is `Ok` |
//! | its `'error'` event, with `ENOENT` and the like | that it is an error, at once |
//! | `'exit'` event | [`Child::wait`], [`Child::on_exit`] |
//! | `'close'` event, the callback of `execFile` | [`Child::wait_with_output`], [`Command::output`] |
//! | `child.stdin`, `.stdout`, `.stderr` | [`ChildStdin`], [`ChildStdout`], [`ChildStderr`] |
//! | `child.kill(signal)` | [`Child::signal`], [`Child::start_kill`] |
//! | `child.ref()`, `.unref()` | [`Child::ref_`], [`Child::unref`] |
//!
//! **Order.** The end of a child is a macrotask of the poll phase, behind all other events of
//! that phase: what the child has written by then, and the ends of its pipes, come first. Of
//! several children that are found to have ended at once, the one that was started first comes
//! first. `'close'` comes when the child has ended *and* its pipes have been read to their ends,
//! in the close phase if a pipe was the last. A pipe may outlive the child: whoever inherited its
//! other end holds it open.
//!
//! **Starting** a child blocks the loop until the new program has begun, as in Node.
//!
//! **A child keeps the loop alive** until it has ended, whether its [`Child`] was dropped or not,
//! unless it is unref'd. A child is not killed when its handle is dropped or the loop ends, except
//! if [`kill_on_drop`](Command::kill_on_drop) was said. Every child is waited for, so that none
//! stays a zombie: by its loop; and if that has ended, as soon as a child of any other loop ends.
//!
//! **Time.** On a virtual clock a child is what a socket is: time does not wait for it, unless
//! [`io_holds_time`](crate::Builder::io_holds_time) was said.
//!
//! Nothing in here buffers: a child that writes more than its pipe holds waits until it is read.

mod child;
pub(crate) mod children;
mod command;
mod pipes;

pub use std::process::{ExitStatus, Output, Stdio};

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildPipe, ChildStderr, ChildStdin, ChildStdout};
