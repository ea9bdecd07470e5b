//! Asynchronous I/O: readiness of event sources, and the standard streams of the process.
//!
//! `AsyncFd` (Unix only) waits for the readiness of any file descriptor that can be polled.
//! [`stdin`], [`stdout`] and [`stderr`] are the standard streams, and [`pipe`] has anonymous pipes and
//! FIFOs. The sockets of [`net`](crate::net) and the pipes of [`process`](crate::process) follow the same
//! rules:
//!
//! - A source is registered with the event loop when it is created, and deregistered when it is
//!   closed or dropped.
//! - **A source becomes readable only by an event of the poll phase**, so the order of callbacks
//!   does not depend on the kernel's timing: a new source is never readable before the next poll
//!   phase. One event allows at most 32 reads, the limit of libuv. After that, the source continues
//!   in the next poll phase, so a fast peer starves neither timers nor immediates. The same holds
//!   for accepting connections.
//! - **Writes are attempted immediately** and wait only if the operating system accepts no more
//!   bytes. Writes have no limit: a task that writes to a peer that accepts everything does not
//!   yield, as in Node (R11).
//! - An event is a macrotask, followed by a drain of the microtask queues (R12). An event that
//!   wakes a reader and a writer is two macrotasks: the reader's comes first.
//! - **A pending operation keeps the loop alive** (R6) unless its source is unref'd. A source
//!   without a pending operation does not, unlike a listening server in Node.
//!
//! A source belongs to the loop in which it was created. Using it outside of that loop, or after
//! that loop has ended, returns an error.
//!
//! The sources of this crate buffer nothing, and never read or write on their own.

mod backed;
mod closing;
mod copy;
mod interest;
pub mod pipe;
pub(crate) mod platform;
mod poll_evented;
mod registration;
mod stdio;
#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use backed::no_system_socket;
pub(crate) use backed::{Backed, refused_in_world};
pub use closing::Closing;
pub use copy::{copy_bidirectional, copy_bidirectional_with_sizes};
#[doc(no_inline)]
pub use futures::io::copy;
pub use interest::{Interest, Ready};
pub(crate) use poll_evented::{PollEvented, ReadSource, WriteSource, total_length};
pub use registration::UntilReady;
pub(crate) use registration::{check_loop, loop_ended};
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
#[cfg(unix)]
pub use unix::{AsyncFd, Descriptor};

pub(crate) use crate::reactor::registrations::Direction;
