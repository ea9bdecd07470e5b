//! TCP: mio's sockets, watched by the poll phase.

mod listener;
mod socket;
mod stream;

pub use listener::{Accept, Incoming, TcpListener};
pub use socket::TcpSocket;
pub use stream::TcpStream;
