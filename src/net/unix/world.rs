//! Unix domain sockets of a simulated host, with the addresses of the standard library.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use crate::io::Backed;
use crate::io::platform::unix_address_of;
use crate::reactor::world::{WorldHost, WorldSocket};

/// Creates a listener that is bound to `path`.
pub(super) fn listener<S>(host: &WorldHost, path: &Path) -> io::Result<Backed<S>> {
    let socket = WorldSocket::local_stream(host)?;
    socket.bind_local(path)?;
    socket.listen_local(u32::MAX)?;
    Ok(Backed::World(socket))
}

/// Creates a socket for datagrams that is bound to `path`.
pub(super) fn datagram<S>(host: &WorldHost, path: &Path) -> io::Result<Backed<S>> {
    let socket = WorldSocket::local_datagram(host)?;
    socket.bind_local(path)?;
    Ok(Backed::World(socket))
}

/// Connects a new stream to `path`.
pub(super) fn connect<S>(host: &WorldHost, path: &Path) -> io::Result<Backed<S>> {
    let socket = WorldSocket::local_stream(host)?;
    socket.connect_local(path)?;
    Ok(Backed::World(socket))
}

/// Creates a pair of connected sockets.
pub(super) fn pair<S>(host: &WorldHost, is_datagram: bool) -> io::Result<(Backed<S>, Backed<S>)> {
    let (one, other) = WorldSocket::local_pair(host, is_datagram)?;
    Ok((Backed::World(one), Backed::World(other)))
}

/// Returns the address of a name, which is empty for a socket that is not bound.
pub(super) fn address(name: &[u8]) -> io::Result<SocketAddr> {
    unix_address_of(Path::new(OsStr::from_bytes(name)))
}

pub(super) fn local_addr(socket: &WorldSocket) -> io::Result<SocketAddr> {
    address(&socket.local_name()?)
}

pub(super) fn peer_addr(socket: &WorldSocket) -> io::Result<SocketAddr> {
    address(&socket.peer_name()?)
}

pub(super) fn receive(socket: &WorldSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    let (length, from) = socket.receive_local(buffer)?;
    Ok((length, address(&from)?))
}
