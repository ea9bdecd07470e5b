//! The hops that a packet may take, which the two families call by different names.

use std::io;

use socket2::{Domain, Socket};

pub(super) fn ttl(socket: &Socket) -> io::Result<u32> {
    if is_v6(socket)? {
        socket.unicast_hops_v6()
    } else {
        socket.ttl_v4()
    }
}

pub(super) fn set_ttl(socket: &Socket, hops: u32) -> io::Result<()> {
    if is_v6(socket)? {
        socket.set_unicast_hops_v6(hops)
    } else {
        socket.set_ttl_v4(hops)
    }
}

pub(super) fn is_v6(socket: &Socket) -> io::Result<bool> {
    Ok(socket.local_addr()?.domain() == Domain::IPV6)
}
