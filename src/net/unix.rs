//! Unix domain sockets, and methods of other sockets that exist only on Unix.

mod credentials;
mod os;
mod replayed;
mod socket;
mod world;

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::path::Path;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, FusedFuture, select};
use socket2::SockAddr;

use super::error::FailedAttempt;
use super::kind::{Datagram, Kind, Listener, Stream, Unix};
use super::os::AsSocket2;
use super::socket::Socket;
use super::stream::report_in_pending_phase;
use super::tcp::TcpSocket;
use super::udp::UdpOptions;
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::io::platform::unix_address;
use crate::io::{Backed, Descriptor, Direction, check_loop, no_system_socket};
use crate::phases::macrotask::SourceLocation;
use crate::reactor::journal::Operation;
use crate::reactor::world::WorldSocket;
use crate::time::sleep;

pub use credentials::UCred;
pub use socket::UnixSocket;

/// How long [`UnixDatagram::send_to`] waits before it tries again, unless an event comes first.
const BACK_OFF: Duration = Duration::from_millis(5);

/// A connection over a Unix domain socket.
///
/// A stream is created by [connecting](UnixStream::connect), by
/// [accepting](UnixListener::accept) a connection, or by [`pair`](UnixStream::pair). It is read,
/// written and closed as a [`TcpStream`](super::TcpStream). [`Socket`] documents the errors of its
/// methods.
///
/// # Examples
///
/// The process of the peer:
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use nodeloop::net::UnixStream;
///
/// let peer = nodeloop::block_on(async {
///     let (one, _other) = UnixStream::pair()?;
///     one.peer_cred()
/// });
/// assert_eq!(peer.unwrap().pid(), Some(std::process::id() as i32));
/// # }
/// ```
pub type UnixStream = Socket<Stream<Unix>>;

/// A Unix domain socket that accepts connections.
///
/// A pending [`accept`](UnixListener::accept) keeps the loop alive; a listener on which no task
/// waits does not. Dropping the listener closes it. The path to which it was bound stays in the
/// file system, whereas Node removes it. [`Socket`] documents the errors of its methods.
///
/// # Abstract names
///
/// On Linux and Android, a path that begins with a NUL byte is an abstract name, as in Node: it is
/// not in the file system, and is free again when the socket is closed. All functions of Unix
/// domain sockets that have a path accept abstract names. On other systems they return an error of
/// kind [`Unsupported`](io::ErrorKind::Unsupported).
///
/// The name is exactly the bytes after the first one, as in the standard library. Node v20 appends
/// NUL bytes up to a length of 107: a program that connects to a socket of Node has to do the same.
///
/// An empty name and an empty path are errors of kind
/// [`InvalidInput`](io::ErrorKind::InvalidInput). Node accepts the empty name.
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use std::os::linux::net::SocketAddrExt;
///
/// use nodeloop::net::{UnixListener, UnixStream};
///
/// nodeloop::run(async {
///     let name = format!("nodeloop-example-{}", std::process::id());
///     let listener = UnixListener::bind(format!("\0{name}"))?;
///     let _client = UnixStream::connect(format!("\0{name}")).await?;
///     let address = listener.local_addr()?;
///     assert_eq!(address.as_abstract_name(), Some(name.as_bytes()));
///     std::io::Result::Ok(())
/// })?;
/// # }
/// # std::io::Result::Ok(())
/// ```
///
/// # Examples
///
/// ```
/// use nodeloop::net::{UnixListener, UnixStream};
///
/// let folder = tempfile::tempdir()?;
/// nodeloop::run(async move {
///     let path = folder.path().join("socket");
///     let listener = UnixListener::bind(&path)?;
///     let client = UnixStream::connect(&path).await?;
///     let (server, _) = listener.accept().await?;
///     assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
///     assert_eq!(server.local_addr()?.as_pathname(), Some(&*path));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub type UnixListener = Socket<Listener<Unix>>;

/// A Unix domain socket for datagrams.
///
/// No datagram is lost: sending waits while the queue of the receiver is full. A sender that is
/// [connected](UnixDatagram::connect) is woken when there is room again;
/// [`send_to`](UnixDatagram::send_to) has to try again every 5 ms.
///
/// Any number of tasks may send and receive. At most 32 datagrams are received for one event. A
/// datagram that is longer than the buffer is truncated. Dropping the socket closes it. The path to
/// which it was bound stays in the file system. [`Socket`] documents the errors of its methods.
///
/// # Examples
///
/// ```
/// use nodeloop::net::UnixDatagram;
///
/// let text = nodeloop::block_on(async {
///     let (one, other) = UnixDatagram::pair()?;
///     one.send(b"hello").await?;
///     let mut buffer = [0; 16];
///     let length = other.recv(&mut buffer).await?;
///     std::io::Result::Ok(buffer[..length].to_vec())
/// });
/// assert_eq!(text.unwrap(), b"hello");
/// ```
pub type UnixDatagram = Socket<Datagram<Unix>>;

impl Socket<Stream<Unix>> {
    /// Connects to the listener at `path`, which may be an
    /// [abstract name](UnixListener#abstract-names).
    ///
    /// The connection is established when the future is polled for the first time. Success is
    /// reported by an event of the poll phase. A failure is reported by the pending phase (R63):
    /// `path` does not exist, it has no listener, or the queue of the listener is full.
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`](super::NetError) such as `connect ENOENT /tmp/socket`. Returns an
    /// error if the loop ends.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> impl FusedFuture<Output = io::Result<UnixStream>> {
        let state = current("UnixStream::connect");
        let host = state.world().cloned();
        let connect = move |path: &Path| {
            let address = unix_address(path)?;
            match host {
                None => mio::net::UnixStream::connect_addr(&address).map(Backed::Real),
                Some(host) => world::connect(&host, path),
            }
        };
        connect_socket(state, path, Location::caller(), connect).fuse()
    }

    /// Creates a pair of connected streams.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let state = current("UnixStream::pair");
        let (one, other) = match state.world() {
            None => both_real(mio::net::UnixStream::pair()?),
            Some(host) => world::pair(host, false)?,
        };
        let one = Socket::new(state.clone(), one, Location::caller())?;
        let other = Socket::new(state, other, Location::caller())?;
        Ok((one, other))
    }
}

impl Socket<Listener<Unix>> {
    /// Creates a listener that is bound to `path`, which must not exist and may be an
    /// [abstract name](UnixListener#abstract-names).
    ///
    /// The queue holds as many connections as the operating system allows.
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`](super::NetError) such as `listen EADDRINUSE: address already in use
    /// /tmp/socket`. Returns an error if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        let state = current("UnixListener::bind");
        let path = path.as_ref();
        let failed = |error| FailedAttempt::at_path("listen", path, error).into_error();
        let address = unix_address(path).map_err(failed)?;
        let bind = || match state.world() {
            None => mio::net::UnixListener::bind_addr(&address).map(Backed::Real),
            Some(host) => world::listener(host, path),
        };
        let bound = state.call_system(Operation::Bind, Location::caller(), bind);
        Socket::new(state, bound.map_err(failed)?, Location::caller())
    }
}

impl Socket<Datagram<Unix>> {
    /// Creates a socket that is bound to `path`, which must not exist and may be an
    /// [abstract name](UnixListener#abstract-names).
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`](super::NetError). Returns an error if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        let state = current("UnixDatagram::bind");
        let path = path.as_ref();
        let failed = |error| FailedAttempt::at_path("bind", path, error).into_error();
        let address = unix_address(path).map_err(failed)?;
        let bind = || match state.world() {
            None => mio::net::UnixDatagram::bind_addr(&address).map(Backed::Real),
            Some(host) => world::datagram(host, path),
        };
        let bound = state.call_system(Operation::Bind, Location::caller(), bind);
        Socket::new(state, bound.map_err(failed)?, Location::caller())
    }

    /// Creates a socket that is not bound to a path.
    ///
    /// It can send, and it can receive once it is connected.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn unbound() -> io::Result<UnixDatagram> {
        let state = current("UnixDatagram::unbound");
        let socket = match state.world() {
            None => Backed::Real(mio::net::UnixDatagram::unbound()?),
            Some(host) => Backed::World(WorldSocket::local_datagram(host)?),
        };
        Socket::new(state, socket, Location::caller())
    }

    /// Creates a pair of connected sockets.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let state = current("UnixDatagram::pair");
        let (one, other) = match state.world() {
            None => both_real(mio::net::UnixDatagram::pair()?),
            Some(host) => world::pair(host, true)?,
        };
        let one = Socket::new(state.clone(), one, Location::caller())?;
        let other = Socket::new(state, other, Location::caller())?;
        Ok((one, other))
    }

    /// Connects the socket to the receiver at `path`, to which [`send`](UnixDatagram::send) sends.
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`](super::NetError) such as `connect ENOENT /tmp/socket`.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let failed = |error| FailedAttempt::at_path("connect", path, error).into_error();
        let connect = |socket: &UnixSource| {
            let address = socket2_address(path)?;
            let real = |socket: &mio::net::UnixDatagram| socket.as_socket2().connect(&address);
            socket.either(real, |socket| socket.connect_local(path))
        };
        self.source.with(|socket| connect(socket).map_err(failed))
    }

    /// Sends a datagram to the receiver at `path`.
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`](super::NetError) such as `send ECONNREFUSED /tmp/socket`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it resolves, the datagram was not sent.
    pub async fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let failed = |error| FailedAttempt::at_path("send", path, error).into_error();
        let address = socket2_address(path).map_err(failed)?;
        loop {
            self.source.registration().check_loop()?;
            match self.source.with(|it| send_to(it, bytes, (path, &address))) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The event reports room in the buffer of this socket, and may never come.
                    self.source.registration().would_block(Direction::Write);
                    let back_off = sleep(BACK_OFF);
                    let back_off = if self.has_ref() {
                        back_off
                    } else {
                        back_off.unref()
                    };
                    if let Either::Left((result, _)) = select(self.writable(), back_off).await {
                        result?;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(failed),
            }
        }
    }

    /// Sends a datagram to the receiver at `path` without waiting.
    ///
    /// If the queue of the receiver is full, [`writable`](UnixDatagram::writable) waits until the
    /// receiver has read a datagram of this socket. If the queue is full with those of others, no event
    /// reports that there is room: use [`send_to`](UnixDatagram::send_to), which tries again, or connect
    /// the socket.
    ///
    /// # Errors
    ///
    /// Returns an error of kind [`WouldBlock`](io::ErrorKind::WouldBlock) if this socket or the queue
    /// of the receiver is full, and any other error reported by the operating system.
    pub fn try_send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let address = socket2_address(path)?;
        let sent = self.source.with(|it| send_to(it, bytes, (path, &address)));
        if matches!(&sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.source.registration().would_block(Direction::Write);
        }
        sent
    }

    /// Sends a datagram to the receiver at `path`, for `poll_*` methods: only the task of the latest
    /// call is woken.
    ///
    /// If the queue of the receiver is full, the task is woken in the cases that
    /// [`try_send_to`](UnixDatagram::try_send_to) lists.
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        path: impl AsRef<Path>,
    ) -> Poll<io::Result<usize>> {
        let path = path.as_ref();
        let address = socket2_address(path)?;
        let send = |socket: &UnixSource| send_to(socket, bytes, (path, &address));
        self.source.poll_write_io(|| bytes.len(), cx, send)
    }

    /// Shuts down the read direction, the write direction, or both.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.with_options(|socket| socket.shutdown(how), |socket| socket.shutdown(how))
    }
}

/// A socket for datagrams of mio, or one of a simulated world.
type UnixSource = Backed<mio::net::UnixDatagram>;

fn both_real<S>((one, other): (S, S)) -> (Backed<S>, Backed<S>) {
    (Backed::Real(one), Backed::Real(other))
}

fn send_to(
    socket: &UnixSource,
    bytes: &[u8],
    (path, address): (&Path, &SockAddr),
) -> io::Result<usize> {
    socket.either(
        |socket| socket.as_socket2().send_to(bytes, address),
        |socket| socket.send_local(bytes, Some(path)),
    )
}

/// Calls `connect` when it is polled, and waits for the outcome.
async fn connect_socket(
    state: Rc<LoopState>,
    path: impl AsRef<Path>,
    location: SourceLocation,
    connect: impl FnOnce(&Path) -> io::Result<Backed<mio::net::UnixStream>>,
) -> io::Result<UnixStream> {
    check_loop(&state)?;
    let path = path.as_ref();
    let failed = |error| FailedAttempt::at_path("connect", path, error).into_error();
    match state.call_system(Operation::Connect, location, || connect(path)) {
        Ok(socket) => {
            let stream: UnixStream = Socket::new(state, socket, location)?;
            stream.connected().await.map_err(failed)
        }
        Err(error) => {
            let error = report_in_pending_phase(&state, error, location).await;
            check_loop(&state)?;
            Err(failed(error))
        }
    }
}

/// Returns the address at `path`, for methods that mio has only for paths in the file system.
fn socket2_address(path: &Path) -> io::Result<SockAddr> {
    unix_address(path)?; // checks for NUL bytes and abstract names
    SockAddr::unix(path)
}

impl FailedAttempt {
    fn at_path(operation: &'static str, path: &Path, error: io::Error) -> Self {
        FailedAttempt::named(operation, path.display().to_string(), error)
    }
}

impl<K: Kind> Socket<K> {
    /// Borrows the descriptor of the socket, for options that this crate has no method for.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket was closed.
    pub fn descriptor(&self) -> io::Result<Descriptor<'_>> {
        self.source.descriptor()
    }
}

/// Panics if the socket belongs to a host of a [simulated world](crate::test::World).
impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Backed::Real(socket) => socket.as_fd(),
            Backed::World(_) => panic!("{}", no_system_socket()),
        }
    }
}

impl TcpSocket {
    /// Sets the `SO_REUSEPORT` option, which lets several sockets listen on one address.
    ///
    /// Each of them has to set it before it is bound.
    ///
    /// Linux distributes new connections among them by a hash of the address of the peer. Other
    /// operating systems may give all connections to one of them.
    pub fn set_reuseport(&self, reuse: bool) -> io::Result<()> {
        self.either(|it| it.set_reuse_port(reuse), |it| it.reuse_port = reuse)
    }

    /// Returns the value of the `SO_REUSEPORT` option.
    pub fn reuseport(&self) -> io::Result<bool> {
        self.either(socket2::Socket::reuse_port, |it| it.reuse_port)
    }
}

impl UdpOptions {
    /// Sets the `SO_REUSEPORT` option, which lets several sockets share the datagrams of one
    /// address.
    ///
    /// Each of them has to set it. Linux chooses the receiver by a hash of the address of the
    /// sender.
    #[doc(alias = "reusePort")]
    pub fn reuse_port(&mut self, reuse: bool) -> &mut UdpOptions {
        self.reuse_port = reuse;
        self
    }
}
