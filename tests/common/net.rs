//! Pairs of sockets, and addresses that stay free of others while a test uses them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use nodeloop::net::kind::Kind;
use nodeloop::net::{Socket, TcpListener, TcpStream};
use nodeloop::{Promise, promise};

/// Any port of the loopback interface.
pub const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Two streams that are connected with each other.
pub async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (connected, accepted) = futures::join!(connecting, listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}

/// Closes a socket; the promise resolves in the close phase.
pub fn destroy<K: Kind>(socket: &Socket<K>) -> Promise<()> {
    let (promise, resolver) = promise::with_resolver();
    socket.close_with(move || resolver.resolve(()));
    promise
}

/// An address that refuses what is sent to it, and that no other process can use while this exists.
pub struct Refusing {
    _socket: socket2::Socket,
    pub address: SocketAddr,
}

impl Refusing {
    /// Refuses TCP connections: its socket is bound and does not listen.
    pub fn tcp() -> Refusing {
        Refusing::tcp_at(ANY).expect("the loopback interface has a free port")
    }

    /// As [`tcp`](Refusing::tcp), at the given address.
    ///
    /// # Errors
    ///
    /// Returns an error if this machine does not have the address, or if the port is in use.
    pub fn tcp_at(address: SocketAddr) -> io::Result<Refusing> {
        Refusing::bind(address, socket2::Type::STREAM)
    }

    /// Refuses datagrams: its socket is connected to itself and accepts them from nowhere else.
    pub fn udp() -> Refusing {
        let refusing = Refusing::bind(ANY, socket2::Type::DGRAM).expect("a free port");
        let address = refusing.address.into();
        (refusing._socket.connect(&address)).expect("a socket can be its own peer");
        refusing
    }

    fn bind(address: SocketAddr, kind: socket2::Type) -> io::Result<Refusing> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, kind, None)?;
        socket.bind(&address.into())?;
        let address = socket.local_addr()?.as_socket().expect("an IP address");
        Ok(Refusing {
            _socket: socket,
            address,
        })
    }
}

/// An address that answers nothing: the queue of its listener is full, so the system drops new
/// connections.
pub struct Silent {
    _sockets: Vec<socket2::Socket>,
    pub address: SocketAddr,
}

impl Silent {
    pub fn at(address: SocketAddr) -> Silent {
        let socket = || {
            let domain = socket2::Domain::for_address(address);
            socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap()
        };
        let listener = socket();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut sockets = vec![listener];
        // More than such a queue holds. Those that it does not hold stay under way.
        for _ in 0..4 {
            let queued = socket();
            queued.set_nonblocking(true).unwrap();
            let _ = queued.connect(&address.into());
            sockets.push(queued);
        }
        Silent {
            _sockets: sockets,
            address,
        }
    }
}

/// A directory for the path of a Unix domain socket.
pub struct SocketPath {
    _directory: tempfile::TempDir,
    pub path: std::path::PathBuf,
}

impl SocketPath {
    pub fn new() -> SocketPath {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("socket");
        SocketPath {
            _directory: directory,
            path,
        }
    }
}
