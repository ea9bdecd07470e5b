//! UDP: mio's sockets, watched by the poll phase.

mod options;
mod socket;

pub use options::UdpOptions;
pub use socket::UdpSocket;
