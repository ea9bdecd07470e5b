//! The kinds of a [`Pipe`](super::Pipe).

use std::fmt::Debug;
use std::os::fd::OwnedFd;

use mio::unix::pipe::{Receiver, Sender};
use rustix::fs::OFlags;

use crate::io::Interest;
use crate::io::platform::PlatformSource;

/// The kind of a [`Pipe`](super::Pipe) that is written to.
#[derive(Debug)]
pub enum WriteEnd {}

/// The kind of a [`Pipe`](super::Pipe) that is read from.
#[derive(Debug)]
pub enum ReadEnd {}

/// The kind of a [`Pipe`](super::Pipe): [`WriteEnd`] or [`ReadEnd`].
///
/// This trait is sealed and can't be implemented outside of this crate.
pub trait PipeEnd: sealed::PipeEnd {}

impl PipeEnd for WriteEnd {}
impl PipeEnd for ReadEnd {}

mod sealed {
    use super::{Debug, Interest, OFlags, OwnedFd, PlatformSource};

    pub trait PipeEnd {
        type Os: PlatformSource + Debug + From<OwnedFd> + Into<OwnedFd>;
        const NAME: &'static str;
        const FROM_DESCRIPTOR: &'static str;
        const MODE: OFlags;
        /// The only direction of this end.
        const INTEREST: Interest;
    }
}

impl sealed::PipeEnd for WriteEnd {
    type Os = Sender;
    const NAME: &'static str = "Sender";
    const FROM_DESCRIPTOR: &'static str = "io::pipe::Sender::from_owned_fd";
    const MODE: OFlags = OFlags::WRONLY;
    const INTEREST: Interest = Interest::WRITABLE;
}

impl sealed::PipeEnd for ReadEnd {
    type Os = Receiver;
    const NAME: &'static str = "Receiver";
    const FROM_DESCRIPTOR: &'static str = "io::pipe::Receiver::from_owned_fd";
    const MODE: OFlags = OFlags::RDONLY;
    const INTEREST: Interest = Interest::READABLE;
}
