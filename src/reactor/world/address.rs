//! The addresses of sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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

/// Returns the loopback address for an unspecified one, which names the own host.
pub(super) fn loopback(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => return address,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}
