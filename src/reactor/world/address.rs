//! The addresses of sockets.

use std::net::SocketAddr;

/// The address of a socket of a world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Address {
    Inet(SocketAddr),
    /// The name of a Unix domain socket: a path, or an abstract name that begins with a NUL byte. It is
    /// empty for a socket that is not bound.
    Unix(Vec<u8>),
}

impl Address {
    pub(super) fn inet(&self) -> Option<SocketAddr> {
        match self {
            Address::Inet(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }
}
