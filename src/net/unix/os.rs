//! The operations that the Unix domain sockets of mio have in common with other sockets.

use std::io;
use std::os::unix::net::SocketAddr;

use crate::net::kind::{DatagramProtocol, Protocol, Unix};
use crate::net::os::{OsDatagram, OsListener, OsSocket, OsStream};

impl Protocol for Unix {
    type Address = SocketAddr;
    type Stream = mio::net::UnixStream;
    type Listener = mio::net::UnixListener;
}

impl DatagramProtocol for Unix {
    type DatagramAddress = SocketAddr;
    type Datagram = mio::net::UnixDatagram;
}

impl OsSocket for mio::net::UnixStream {
    type Std = std::os::unix::net::UnixStream;
    type Address = SocketAddr;
    const NAME: &'static str = "UnixStream";
    const FROM_STD: &'static str = "UnixStream::from_std";

    fn from_std(socket: std::os::unix::net::UnixStream) -> Self {
        Self::from_std(socket)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

impl OsStream for mio::net::UnixStream {
    /// A read stops after a message that carries descriptors, so more may follow.
    const SHORT_READ_DRAINS: bool = false;

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }
}

impl OsSocket for mio::net::UnixListener {
    type Std = std::os::unix::net::UnixListener;
    type Address = SocketAddr;
    const NAME: &'static str = "UnixListener";
    const FROM_STD: &'static str = "UnixListener::from_std";

    fn from_std(socket: std::os::unix::net::UnixListener) -> Self {
        Self::from_std(socket)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

impl OsListener for mio::net::UnixListener {
    type Stream = mio::net::UnixStream;

    fn accept(&self) -> io::Result<(mio::net::UnixStream, SocketAddr)> {
        self.accept()
    }
}

impl OsSocket for mio::net::UnixDatagram {
    type Std = std::os::unix::net::UnixDatagram;
    type Address = SocketAddr;
    const NAME: &'static str = "UnixDatagram";
    const FROM_STD: &'static str = "UnixDatagram::from_std";

    fn from_std(socket: std::os::unix::net::UnixDatagram) -> Self {
        Self::from_std(socket)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
}

impl OsDatagram for mio::net::UnixDatagram {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)
    }

    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv(buffer)
    }

    fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.recv_from(buffer)
    }
}
