//! Sockets in a replay, which are neither bound nor connected: no operation reaches them.
//! `unix/replayed.rs` has Unix domain sockets.

use std::io;

use socket2::{Domain, Protocol, Socket, Type};

use crate::io::Backed;
use crate::reactor::journal::value::{Input, Output, Value};

/// A recording contains nothing of an accepted connection: its address is a value of its own.
impl Value for mio::net::TcpStream {
    fn encode(&self, _: &mut Output) {}

    fn decode(_: &mut Input<'_>) -> Option<Self> {
        let socket = unused(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).ok()?;
        Some(mio::net::TcpStream::from_std(socket.into()))
    }
}

impl<S: Value> Value for Backed<S> {
    fn encode(&self, _: &mut Output) {}

    fn decode(input: &mut Input<'_>) -> Option<Self> {
        S::decode(input).map(Backed::Real)
    }
}

/// Creates a socket that is never used.
pub(super) fn unused(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = Socket::new(domain, kind, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
