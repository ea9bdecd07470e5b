//! `Socket`: the methods of all kinds of sockets.

use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use socket2::Domain;

use super::kind::Kind;
use super::os::{HasOptions, OsSocket};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::io::{Direction, Interest, PollEvented, Ready, UntilReady, refused_in_world};
use crate::phases::macrotask::SourceLocation;
use crate::reactor::journal::value::Value;
use crate::reactor::registrations::Taken;
use crate::reactor::world::{Options, WorldSocket};
use crate::runtime::MainOutput;

/// A socket that is registered with the event loop.
///
/// This type has an alias for each [kind](super::kind) of socket, which programs use instead of it:
/// [`TcpStream`](super::TcpStream), [`TcpListener`](super::TcpListener),
/// [`UdpSocket`](super::UdpSocket), and on Unix `UnixStream`, `UnixListener` and `UnixDatagram`.
///
/// All methods take the socket by reference, so any number of tasks can share one, for example in
/// an [`Rc`]. Dropping a socket closes it.
///
/// # Errors
///
/// Methods that return an [`io::Result`] return any error reported by the operating system. After
/// the socket was closed, they return an error of kind
/// [`NotConnected`](io::ErrorKind::NotConnected). Methods that wait also return an error if the
/// loop of the socket has ended, or if it is not the loop that runs on this thread.
pub struct Socket<K: Kind> {
    pub(super) source: PollEvented<K::Os>,
}

impl<K: Kind> MainOutput for Socket<K> {}

impl<K: Kind> Socket<K> {
    pub(super) fn new(
        state: Rc<LoopState>,
        socket: K::Os,
        location: SourceLocation,
    ) -> io::Result<Socket<K>> {
        if state.world().is_some() && !socket.is_of_world() {
            return Err(refused_in_world());
        }
        let source = PollEvented::new(state, socket, location)?;
        Ok(Socket { source })
    }

    /// Creates a socket from one of the standard library, and sets it to non-blocking mode.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, and an error if the loop is ending or is a host
    /// of a [simulated world](crate::test::World).
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn from_std(socket: K::Std) -> io::Result<Socket<K>> {
        let state = current(K::Os::FROM_STD);
        let socket = K::Os::from_std(socket);
        socket.with_options(|socket| socket.set_nonblocking(true), |_| Ok(()))?;
        Socket::new(state, socket, Location::caller())
    }

    /// Converts the socket into the standard library's type. It stays in non-blocking mode.
    ///
    /// Tasks that are still waiting are not woken.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket was closed, or belongs to a host of a
    /// [simulated world](crate::test::World).
    pub fn into_std(self) -> io::Result<K::Std> {
        self.source.into_inner()?.into_std()
    }

    /// Returns the local address of the socket.
    pub fn local_addr(&self) -> io::Result<K::Address> {
        self.source.with(|socket| socket.local_addr())
    }

    /// Returns the value of the `SO_ERROR` option and clears it.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.with_options(|socket| socket.take_error(), WorldSocket::take_error)
    }

    /// Waits until the socket is readable: there is data, a connection, an end of the stream or an
    /// error.
    ///
    /// Any number of tasks may wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub fn readable(&self) -> UntilReady<'_> {
        self.source.registration().ready(Direction::Read)
    }

    /// Waits until the socket is writable or has an error.
    ///
    /// Any number of tasks may wait.
    ///
    /// A socket counts as writable until an operation on it would have blocked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    pub fn writable(&self) -> UntilReady<'_> {
        self.source.registration().ready(Direction::Write)
    }

    /// Waits until the socket is ready in at least one direction of `interest`, and returns those in
    /// which it is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait.
    ///
    /// # Examples
    ///
    /// One task that reads and writes, each as soon as it is possible:
    ///
    /// ```
    /// use nodeloop::io::Interest;
    /// use nodeloop::net::{TcpListener, TcpStream};
    /// # use futures::AsyncWriteExt;
    ///
    /// nodeloop::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (mut peer, _) = listener.accept().await?;
    ///     peer.write_all(b"hello").await?;
    ///
    ///     let ready = stream.ready(Interest::READABLE | Interest::WRITABLE).await?;
    ///     assert!(ready.is_writable());
    ///     assert_eq!(stream.try_write(b"hello")?, 5);
    ///
    ///     stream.readable().await?;
    ///     let mut buffer = [0; 16];
    ///     assert_eq!(stream.try_read(&mut buffer)?, 5);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.source.registration().ready_for(interest).await
    }

    /// Calls `operation` once if the socket is ready in a direction of `interest`.
    ///
    /// `operation` performs a call on the socket that this crate has no method for, usually through
    /// its `descriptor`. If it returns [`WouldBlock`](io::ErrorKind::WouldBlock), the readiness is
    /// cleared: the next wait lasts until the next event. An operation that reads counts as one of
    /// the 32 of an event.
    ///
    /// # Errors
    ///
    /// Returns an error of kind `WouldBlock` if the socket is not ready, and any error of
    /// `operation`.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        let operation = || Ok((operation()?, Taken::Some));
        self.source.registration().try_io(interest, operation)
    }

    /// Calls `operation` when the socket is ready in a direction of `interest`, until it returns
    /// something other than `WouldBlock` or `Interrupted`; see [`try_io`](Socket::try_io).
    ///
    /// # Errors
    ///
    /// Returns any other error of `operation`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it resolves, `operation` has not completed.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        let registration = self.source.registration();
        registration.async_io_for(interest, operation).await
    }

    /// Returns the size of the send buffer (`SO_SNDBUF`), in bytes.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        let world = |socket: &WorldSocket| socket.options(|options| options.send_buffer);
        self.with_options(|socket| socket.send_buffer_size(), world)
    }

    /// Sets the size of the send buffer (`SO_SNDBUF`).
    ///
    /// The size is a hint: Linux doubles it.
    #[doc(alias = "setSendBufferSize")]
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        let size = Options::buffer(bytes);
        let world = |socket: &WorldSocket| socket.options(|options| options.send_buffer = size);
        self.with_options(|socket| socket.set_send_buffer_size(bytes), world)
    }

    /// Returns the size of the receive buffer (`SO_RCVBUF`), in bytes.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        let world = |socket: &WorldSocket| socket.options(|options| options.recv_buffer);
        self.with_options(|socket| socket.recv_buffer_size(), world)
    }

    /// Sets the size of the receive buffer (`SO_RCVBUF`).
    ///
    /// The size is a hint: Linux doubles it.
    #[doc(alias = "setRecvBufferSize")]
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        let size = Options::buffer(bytes);
        let world = |socket: &WorldSocket| socket.options(|options| options.recv_buffer = size);
        self.with_options(|socket| socket.set_recv_buffer_size(bytes), world)
    }

    /// Calls `real` with the options that mio has no method for, or `world` in a simulated world.
    pub(super) fn with_options<R: Value>(
        &self,
        real: impl FnOnce(&socket2::Socket) -> io::Result<R>,
        world: impl FnOnce(&WorldSocket) -> io::Result<R>,
    ) -> io::Result<R> {
        self.source.with(|socket| socket.with_options(real, world))
    }

    /// Closes the socket now and calls `callback` in the next close phase (R62).
    ///
    /// Tasks that wait for the socket are woken right before `callback` is called, and receive an
    /// error. `callback` is also called if the socket was closed before. If the loop ends before
    /// that phase, `callback` is dropped.
    ///
    /// The callback of a listener does not wait for the connections that were accepted, unlike
    /// the callback of Node's `server.close()`.
    #[doc(alias = "destroy")]
    #[track_caller]
    pub fn close_with(&self, callback: impl FnOnce() + 'static) {
        self.source.close_with(callback);
    }

    /// Makes pending operations keep the loop alive again (R6), which is the default.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &Self {
        self.source.registration().set_refed(true);
        self
    }

    /// Makes pending operations not keep the loop alive.
    pub fn unref(&self) -> &Self {
        self.source.registration().set_refed(false);
        self
    }

    /// Returns whether pending operations keep the loop alive.
    ///
    /// Returns `false` after the socket was closed.
    pub fn has_ref(&self) -> bool {
        self.source.registration().has_ref()
    }
}

// The type of the socket that the operating system has is never pinned.
impl<K: Kind> Unpin for Socket<K> {}

impl<K: Kind> fmt::Debug for Socket<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(K::Os::NAME).field(&self.source).finish()
    }
}

/// Returns the hop limit of a socket for IPv4 or IPv6.
pub(super) fn ttl(socket: &socket2::Socket) -> io::Result<u32> {
    if is_v6(socket)? {
        socket.unicast_hops_v6()
    } else {
        socket.ttl_v4()
    }
}

pub(super) fn set_ttl(socket: &socket2::Socket, hops: u32) -> io::Result<()> {
    if is_v6(socket)? {
        socket.set_unicast_hops_v6(hops)
    } else {
        socket.set_ttl_v4(hops)
    }
}

fn is_v6(socket: &socket2::Socket) -> io::Result<bool> {
    Ok(socket.local_addr()?.domain() == Domain::IPV6)
}

/// The hop limit of a socket of a simulated world, which is stored and has no effect.
pub(super) fn world_ttl(socket: &WorldSocket) -> io::Result<u32> {
    socket.options(|options| options.ttl)
}

/// Sets the hop limit of a socket of a simulated world.
pub(super) fn set_world_ttl(socket: &WorldSocket, hops: u32) -> io::Result<()> {
    socket.options(|options| options.ttl = hops)
}
