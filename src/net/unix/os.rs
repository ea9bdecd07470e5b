//! The operations that the Unix domain sockets of mio have in common with other sockets.

use std::io;
use std::os::unix::net::SocketAddr;

use super::world;
use crate::io::Backed;
use crate::net::kind::{DatagramProtocol, Protocol, Unix};
use crate::net::os::{OsDatagram, OsListener, OsSocket, OsStream};

impl Protocol for Unix {
    type Address = SocketAddr;
    type Stream = Backed<mio::net::UnixStream>;
    type Listener = Backed<mio::net::UnixListener>;
}

impl DatagramProtocol for Unix {
    type DatagramAddress = SocketAddr;
    type Datagram = Backed<mio::net::UnixDatagram>;
}

impl OsSocket for Backed<mio::net::UnixStream> {
    type Std = std::os::unix::net::UnixStream;
    type Address = SocketAddr;
    const NAME: &'static str = "UnixStream";
    const FROM_STD: &'static str = "UnixStream::from_std";

    fn from_std(socket: std::os::unix::net::UnixStream) -> Self {
        Backed::Real(mio::net::UnixStream::from_std(socket))
    }

    fn into_std(self) -> io::Result<Self::Std> {
        self.into_real().map(Into::into)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.either(mio::net::UnixStream::local_addr, world::local_addr)
    }
}

impl OsStream for Backed<mio::net::UnixStream> {
    /// A read stops after a message that carries descriptors, so more may follow.
    const SHORT_READ_DRAINS: bool = false;

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.either(mio::net::UnixStream::peer_addr, world::peer_addr)
    }
}

impl OsSocket for Backed<mio::net::UnixListener> {
    type Std = std::os::unix::net::UnixListener;
    type Address = SocketAddr;
    const NAME: &'static str = "UnixListener";
    const FROM_STD: &'static str = "UnixListener::from_std";

    fn from_std(socket: std::os::unix::net::UnixListener) -> Self {
        Backed::Real(mio::net::UnixListener::from_std(socket))
    }

    fn into_std(self) -> io::Result<Self::Std> {
        self.into_real().map(Into::into)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.either(mio::net::UnixListener::local_addr, world::local_addr)
    }
}

impl OsListener for Backed<mio::net::UnixListener> {
    type Stream = Backed<mio::net::UnixStream>;

    fn accept(&self) -> io::Result<(Self::Stream, SocketAddr)> {
        match self {
            Backed::Real(listener) => {
                let (socket, peer) = listener.accept()?;
                Ok((Backed::Real(socket), peer))
            }
            Backed::World(listener) => {
                let (socket, peer) = listener.accept_local()?;
                Ok((Backed::World(socket), world::address(&peer)?))
            }
        }
    }
}

impl OsSocket for Backed<mio::net::UnixDatagram> {
    type Std = std::os::unix::net::UnixDatagram;
    type Address = SocketAddr;
    const NAME: &'static str = "UnixDatagram";
    const FROM_STD: &'static str = "UnixDatagram::from_std";

    fn from_std(socket: std::os::unix::net::UnixDatagram) -> Self {
        Backed::Real(mio::net::UnixDatagram::from_std(socket))
    }

    fn into_std(self) -> io::Result<Self::Std> {
        self.into_real().map(Into::into)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.either(mio::net::UnixDatagram::local_addr, world::local_addr)
    }
}

impl OsDatagram for Backed<mio::net::UnixDatagram> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.either(mio::net::UnixDatagram::peer_addr, world::peer_addr)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.either(|it| it.send(bytes), |it| it.send_local(bytes, None))
    }

    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Backed::Real(socket) => socket.recv(buffer),
            Backed::World(socket) => Ok(socket.receive_local(buffer)?.0),
        }
    }

    fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Backed::Real(socket) => socket.recv_from(buffer),
            Backed::World(socket) => world::receive(socket, buffer),
        }
    }
}
