//! The descriptor of a loop, for a host that waits on it. Unix only.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::EventLoop;

/// The descriptor through which the system tells this loop of readiness, libuv's `uv_backend_fd`:
/// it is readable when a [`turn`](EventLoop::turn) would find something. Only look whether it is
/// readable; what is in it belongs to the loop.
impl AsFd for EventLoop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.poll.registry.as_fd()
    }
}

impl AsRawFd for EventLoop {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
