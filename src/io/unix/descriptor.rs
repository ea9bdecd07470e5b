//! `Descriptor`: the borrowed descriptor of a socket.
//!
//! A socket can be closed by reference while tasks wait for it, so it can't implement `AsFd`, which
//! would borrow the descriptor for as long as the socket lives. As long as this guard exists,
//! closing the socket panics.

use std::cell::Ref;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::io::platform::PlatformSource;
use crate::io::registration::source_closed;
use crate::io::{PollEvented, no_system_socket};

/// The borrowed descriptor of a socket, for options that this crate has no method for.
///
/// A socket does not implement `AsFd` itself: tasks that share it can close it at any time, while an
/// `AsFd` promises that the descriptor stays open as long as the socket is borrowed. A socket that is
/// not registered yet ([`TcpSocket`](crate::net::TcpSocket), `UnixSocket`) and an
/// [`AsyncFd`](super::AsyncFd) implement it, because they are closed by dropping them.
///
/// Do not keep it across an `await`: closing the socket while it exists panics. Reading or writing
/// through it is possible, but the loop does not notice: it reports no further event for data that
/// arrived before.
///
/// # Examples
///
/// ```
/// use nodeloop::net::TcpListener;
/// use socket2::SockRef;
///
/// let size = nodeloop::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     SockRef::from(&listener.descriptor()?).recv_buffer_size()
/// });
/// assert!(size.unwrap() > 0);
/// ```
pub struct Descriptor<'a> {
    owner: Ref<'a, dyn AsFd>,
}

impl<S: PlatformSource> PollEvented<S> {
    /// Borrows the descriptor; returns an error if the source was closed or has none.
    pub(crate) fn descriptor(&self) -> io::Result<Descriptor<'_>> {
        let source = Ref::filter_map(self.source.borrow(), Option::as_ref);
        let source = source.map_err(|_| source_closed())?;
        let owner = Ref::filter_map(source, PlatformSource::owner_of_descriptor);
        let owner = owner.map_err(|_| no_system_socket())?;
        Ok(Descriptor { owner })
    }
}

impl AsFd for Descriptor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.owner.as_fd()
    }
}

impl AsRawFd for Descriptor<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Descriptor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Descriptor")
            .field(&self.as_raw_fd())
            .finish()
    }
}
