//! The kinds of a [`Pipe`](super::Pipe).

use std::fmt::Debug;

use super::system::{self, OsReceiver, OsSender};
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
    use super::{Debug, Interest, PlatformSource, system};

    pub trait PipeEnd: Sized {
        type Os: PlatformSource + Debug + system::Os;
        const NAME: &'static str;
        const FROM_DESCRIPTOR: &'static str;
        /// The only direction of this end.
        const INTEREST: Interest;
        /// Prepares a wait.
        fn begin(end: &Self::Os);
    }
}

impl sealed::PipeEnd for WriteEnd {
    type Os = OsSender;
    const NAME: &'static str = "Sender";
    const FROM_DESCRIPTOR: &'static str = "io::pipe::Sender::from_owned_fd";
    const INTEREST: Interest = Interest::WRITABLE;

    fn begin(_: &OsSender) {}
}

impl sealed::PipeEnd for ReadEnd {
    type Os = OsReceiver;
    const NAME: &'static str = "Receiver";
    const FROM_DESCRIPTOR: &'static str = "io::pipe::Receiver::from_owned_fd";
    const INTEREST: Interest = Interest::READABLE;

    fn begin(end: &OsReceiver) {
        system::begin_end(end);
    }
}
