//! Unix domain sockets: mio's, watched by the poll phase.

mod listener;
mod stream;

pub use listener::{UnixAccept, UnixIncoming, UnixListener};
pub use stream::UnixStream;
