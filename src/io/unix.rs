//! I/O on Unix only: `AsyncFd` for any descriptor, and the descriptors of sockets.

mod async_fd;
mod descriptor;

pub use async_fd::AsyncFd;
pub use descriptor::Descriptor;
