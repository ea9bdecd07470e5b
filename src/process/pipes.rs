//! The pipes between a parent and its child.

use std::io;

use futures::channel::oneshot;
use futures::io::AsyncReadExt;

use crate::io::pipe::{Receiver, Sender};

/// The standard input of a child.
///
/// A write is passed to the pipe immediately and waits only while the pipe is full. (On
/// [Windows](crate::io::pipe#windows), a thread passes it on.)
/// `AsyncWriteExt::close` closes the pipe, as dropping it does, and the child reads the end of its
/// input. When the child has closed its end, a write fails with an error of kind
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
///
/// A write that is no longer polled keeps the loop alive until the next event.
pub type ChildStdin = Sender;

/// The standard output of a child.
///
/// A read completes by an event of the poll phase, as documented in [`io`](crate::io). Dropping it
/// closes the pipe. A child that continues to write gets an error, and on Unix is terminated by
/// `SIGPIPE` unless it handles or ignores that signal.
///
/// A read that is no longer polled keeps the loop alive until the next event.
pub type ChildStdout = Receiver;

/// The standard error of a child; see [`ChildStdout`].
pub type ChildStderr = Receiver;

/// Reads until the end of the pipe, closes it, and returns in the close phase.
pub(super) async fn read_to_close(pipe: Option<ChildStdout>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let read = pipe.read_to_end(&mut bytes).await;
        let (closed, is_closed) = oneshot::channel();
        pipe.close_with(move || {
            let _ = closed.send(()); // the receiver waits
        });
        let _ = is_closed.await; // an error means that the loop has ended
        read?;
    }
    Ok(bytes)
}
