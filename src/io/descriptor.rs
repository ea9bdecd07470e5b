//! `Descriptor`: the descriptor of a socket, lent for a while.
//!
//! A socket of [`net`](crate::net) can be closed by reference, while others wait for it. So it
//! can't lend its descriptor for as long as it lives; this guard lends it for as long as nobody
//! closes the socket.

use std::cell::Ref;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use mio::event::Source;

use super::{PollEvented, source_closed};

/// The descriptor of a socket, for the options that this crate has no method for.
///
/// Closing the socket while this is alive panics, so do not keep it across an `await`. Reading or
/// writing behind the loop's back is not forbidden, but what was not read then is told by no
/// further event.
///
/// ```
/// # #[cfg(unix)] {
/// use nodeloop::net::TcpListener;
/// use socket2::SockRef;
///
/// let size = nodeloop::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     SockRef::from(&listener.descriptor()?).recv_buffer_size()
/// });
/// assert!(size.unwrap() > 0);
/// # }
/// ```
pub struct Descriptor<'a> {
    owner: Ref<'a, dyn AsFd>,
}

impl<S: Source + AsFd + 'static> PollEvented<S> {
    /// Lends the descriptor; an error if it was closed.
    pub(crate) fn descriptor(&self) -> io::Result<Descriptor<'_>> {
        let lent = Ref::filter_map(self.source.borrow(), Option::as_ref);
        let lent = lent.map_err(|_| source_closed())?;
        let owner = Ref::map(lent, |source| source as &dyn AsFd);
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
