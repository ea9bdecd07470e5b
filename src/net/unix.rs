//! Unix domain sockets: mio's, watched by the poll phase.

mod datagram;
mod listener;
mod stream;

pub use datagram::UnixDatagram;
pub use listener::{UnixAccept, UnixIncoming, UnixListener};
pub use stream::UnixStream;
