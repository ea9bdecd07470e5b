//! A Unix domain socket that neither listens nor is connected yet.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::path::Path;

use futures::FutureExt;
use futures::future::FusedFuture;
use socket2::{Domain, Socket, Type};

use super::{UnixDatagram, UnixListener, UnixStream, connect_socket, socket2_address};
use crate::event_loop::current::{current, try_current};
use crate::io::{Backed, no_system_socket};
use crate::net::error::FailedAttempt;
use crate::net::socket::Socket as Registered;
use crate::reactor::journal::Operation;
use crate::reactor::world::WorldSocket;

/// A Unix domain socket that has not yet been converted to a [`UnixListener`], a [`UnixStream`] or a
/// [`UnixDatagram`].
///
/// It allows a socket to be bound before it connects, and options to be set through its descriptor. It
/// is not registered with an event loop, so it can be created outside of one. Dropping it closes it.
///
/// # Errors
///
/// Methods that return an [`io::Result`] return any error reported by the operating system, with the
/// details of a [`NetError`](crate::net::NetError) if it concerns a path.
///
/// # Examples
///
/// ```
/// use nodeloop::net::UnixSocket;
///
/// let folder = tempfile::tempdir()?;
/// nodeloop::run(async move {
///     let (server, client) = (folder.path().join("server"), folder.path().join("client"));
///     let socket = UnixSocket::new_stream()?;
///     socket.bind(&server)?;
///     let listener = socket.listen(16)?;
///
///     let socket = UnixSocket::new_stream()?;
///     socket.bind(&client)?; // the server sees where the connection comes from
///     let _stream = socket.connect(&server).await?;
///     let (_, from) = listener.accept().await?;
///     assert_eq!(from.as_pathname(), Some(&*client));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct UnixSocket {
    socket: Backed<Socket>,
}

impl UnixSocket {
    /// Creates a socket for streams.
    pub fn new_stream() -> io::Result<UnixSocket> {
        UnixSocket::new(Type::STREAM)
    }

    /// Creates a socket for datagrams.
    pub fn new_datagram() -> io::Result<UnixSocket> {
        UnixSocket::new(Type::DGRAM)
    }

    fn new(kind: Type) -> io::Result<UnixSocket> {
        let world = try_current().and_then(|state| state.world().cloned());
        let socket = match world {
            None => {
                let socket = Socket::new(Domain::UNIX, kind, None)?;
                socket.set_nonblocking(true)?;
                Backed::Real(socket)
            }
            Some(host) if kind == Type::STREAM => Backed::World(WorldSocket::local_stream(&host)?),
            Some(host) => Backed::World(WorldSocket::local_datagram(&host)?),
        };
        Ok(UnixSocket { socket })
    }

    fn check_kind(&self, kind: Type) -> io::Result<()> {
        let is_datagram = self.socket.either(
            |socket| Ok(socket.r#type()? == Type::DGRAM),
            WorldSocket::is_local_datagram,
        )?;
        if is_datagram == (kind == Type::DGRAM) {
            return Ok(());
        }
        let text = match kind {
            Type::STREAM => "the socket is for datagrams: convert it with `datagram`",
            _ => "the socket is for streams: use `listen` or `connect`",
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    /// Binds the socket to `path`, which must not exist and may be an
    /// [abstract name](UnixListener#abstract-names).
    #[track_caller]
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let bind = || {
            let address = socket2_address(path)?;
            let real = |socket: &Socket| socket.bind(&address);
            self.socket.either(real, |socket| socket.bind_local(path))
        };
        let bound = match try_current() {
            Some(state) => state.call_system(Operation::Bind, Location::caller(), bind),
            None => bind(),
        };
        bound.map_err(|error| FailedAttempt::at_path("bind", path, error).into_error())
    }

    /// Converts the socket into a listener.
    ///
    /// Its queue holds up to `backlog` connections that were not accepted yet, and no more than the
    /// operating system allows.
    ///
    /// # Errors
    ///
    /// Returns an error also if it is a socket for datagrams, and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        let state = current("UnixSocket::listen");
        self.check_kind(Type::STREAM)?;
        let real = |socket: &Socket| socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX));
        let listen = || {
            self.socket
                .either(real, |socket| socket.listen_local(backlog))
        };
        state.call_system(Operation::Bind, Location::caller(), listen)?;
        let convert = |socket: Socket| mio::net::UnixListener::from_std(socket.into());
        Registered::new(state, self.socket.map(convert), Location::caller())
    }

    /// Connects the socket to the listener at `path`.
    ///
    /// The outcome is reported as by [`UnixStream::connect`].
    ///
    /// # Errors
    ///
    /// Returns an error also if it is a socket for datagrams, and if the loop ends.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(
        self,
        path: P,
    ) -> impl FusedFuture<Output = io::Result<UnixStream>> {
        let state = current("UnixSocket::connect");
        let location = Location::caller();
        let connect = move |path: &Path| {
            self.check_kind(Type::STREAM)?;
            let address = socket2_address(path)?;
            let real = |socket: &Socket| socket.connect(&address);
            self.socket
                .either(real, |socket| socket.connect_local(path))?;
            let convert = |socket: Socket| mio::net::UnixStream::from_std(socket.into());
            Ok(self.socket.map(convert))
        };
        connect_socket(state, path, location, connect).fuse()
    }

    /// Converts the socket into a socket for datagrams.
    ///
    /// # Errors
    ///
    /// Returns an error also if it is a socket for streams, and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        let state = current("UnixSocket::datagram");
        self.check_kind(Type::DGRAM)?;
        let convert = |socket: Socket| mio::net::UnixDatagram::from_std(socket.into());
        Registered::new(state, self.socket.map(convert), Location::caller())
    }
}

/// Panics if the socket belongs to a host of a [simulated world](crate::test::World).
impl AsFd for UnixSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Backed::Real(socket) => socket.as_fd(),
            Backed::World(_) => panic!("{}", no_system_socket()),
        }
    }
}
