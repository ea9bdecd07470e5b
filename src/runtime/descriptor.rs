//! The file descriptor of a loop, on which a host can wait. Unix only.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::EventLoop;

/// Returns the file descriptor that becomes readable when a [`turn`](EventLoop::turn) has something
/// to do, libuv's `uv_backend_fd`. Only wait until it is readable; do not read from it.
impl AsFd for EventLoop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let descriptor = self.state.poll.poller.descriptor();
        descriptor
            .expect("a loop that a program has built is open for a host")
            .as_fd()
    }
}

impl AsRawFd for EventLoop {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
