//! TCP listeners and streams: mio's sockets, watched by the poll phase.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::io::{AsyncRead, AsyncWrite};
use socket2::SockRef;

use super::accept::Accepting;
use super::address::ToSocketAddrs;
use super::connect::{connected, report_in_pending_phase};
use super::halves::{ReadHalf, WriteHalf, halves};
use crate::current::{LoopState, current};
use crate::io::platform::SHORT_READ_DRAINS;
use crate::io::{Direction, Ready, Watched, check_loop};
use crate::macrotask::Place;

/// A TCP socket that accepts connections.
///
/// Waiting for a connection keeps the loop alive; a listener that nobody waits for does not.
/// Dropping it closes the socket, and so does [`close`](TcpListener::close); connections that
/// were not accepted by then are reset by the system.
///
/// ```
/// use futures::io::{AsyncReadExt, AsyncWriteExt};
/// use nodeloop::net::{TcpListener, TcpStream};
///
/// let echoed = nodeloop::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     nodeloop::spawn(async move {
///         let (stream, _) = listener.accept().await.unwrap();
///         futures::io::copy(&stream, &mut &stream).await.unwrap();
///     });
///     let mut stream = TcpStream::connect(address).await?;
///     stream.write_all(b"hello").await?;
///     let mut buffer = [0; 5];
///     stream.read_exact(&mut buffer).await?;
///     std::io::Result::Ok(buffer)
/// });
/// assert_eq!(&echoed.unwrap(), b"hello");
/// ```
pub struct TcpListener {
    socket: Watched<mio::net::TcpListener>,
}

impl TcpListener {
    /// Listens on `address`; if it stands for several, on the first that can be had. Port 0 lets
    /// the system choose one, see [`local_addr`](TcpListener::local_addr).
    ///
    /// A name is looked up by a job of the pool, a literal address costs no wait. As Node does, it
    /// sets `SO_REUSEADDR` on Unix; up to 1,024 connections wait for being accepted. Dropping the
    /// future before it is done leaves nothing behind.
    ///
    /// # Errors
    ///
    /// That of the address tried last (in use, not ours, …), or of looking up the name.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> impl Future<Output = io::Result<TcpListener>> {
        let state = current("TcpListener::bind");
        let (target, place) = (address.target(), Location::caller());
        async move {
            let bind = |address| {
                let socket = mio::net::TcpListener::bind(address)?;
                let socket = Watched::new(state.clone(), socket, place)?;
                Ok(TcpListener { socket })
            };
            first_success(target?.resolve().await?, async |address| bind(address)).await
        }
    }

    /// Takes over a listening socket of `std`. It becomes non-blocking.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        let state = current("TcpListener::from_std");
        listener.set_nonblocking(true)?;
        let socket = mio::net::TcpListener::from_std(listener);
        let socket = Watched::new(state, socket, Location::caller())?;
        Ok(TcpListener { socket })
    }

    /// Gives the socket to `std`. It is still non-blocking. Waits that are pending are not told.
    ///
    /// # Errors
    ///
    /// If the listener was closed.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.socket.into_inner().map(Into::into)
    }

    /// Waits for the next connection.
    ///
    /// Any number of tasks may accept at once; they are woken in the order in which they came. At
    /// most 32 connections are accepted for one event, then the next poll phase goes on. A
    /// connection that its peer has given up is passed over. When the process is out of
    /// descriptors, connections stay in the system's queue and accepting is tried again every
    /// 100 ms.
    ///
    /// Cancel safe: no connection is lost by dropping the future.
    ///
    /// # Errors
    ///
    /// The system's; and if the listener was closed, or its loop has ended or is not the one that
    /// runs.
    #[track_caller]
    pub fn accept(&self) -> Accept<'_> {
        Accept {
            accepting: Accepting::new(&self.socket),
            place: Location::caller(),
        }
    }

    /// The connections as a stream without end. It is [`accept`](TcpListener::accept) again and
    /// again, without the addresses; behind an error it can be asked for the next one.
    #[track_caller]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming {
            accept: self.accept(),
        }
    }

    /// The address on which it listens.
    ///
    /// # Errors
    ///
    /// The system's; and if it was closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.local_addr())
    }

    /// Closes the socket now and calls `callback` in the close phase of this turn (R62).
    ///
    /// Tasks that wait for a connection are woken right before it and get an error. Connections
    /// that were accepted live on; `callback` does not wait for them, unlike that of Node's
    /// `server.close()`. Closing again closes nothing and calls `callback` all the same. If the
    /// loop ends before, `callback` is dropped.
    #[track_caller]
    pub fn close(&self, callback: impl FnOnce() + 'static) {
        self.socket.close(callback, Location::caller());
    }

    /// Makes waits for a connection keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &TcpListener {
        self.socket.registration().set_refed(true);
        self
    }

    /// Makes waits for a connection not keep the loop alive.
    pub fn unref(&self) -> &TcpListener {
        self.socket.registration().set_refed(false);
        self
    }

    /// Whether waits for a connection keep the loop alive; not any more when it was closed.
    pub fn has_ref(&self) -> bool {
        self.socket.registration().has_ref()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpListener").field(&self.socket).finish()
    }
}

/// The future of [`TcpListener::accept`]. Dropping it ends the wait and loses no connection.
#[must_use = "futures do nothing unless polled"]
pub struct Accept<'a> {
    accepting: Accepting<'a, mio::net::TcpListener>,
    place: Place,
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let accepted = self.accepting.poll(cx, |socket| socket.accept());
        accepted.map_ok(|(socket, address)| {
            let state = self.accepting.listener().state().clone();
            let socket = Watched::new(state, socket, self.place)?;
            Ok((TcpStream { socket }, address))
        })?
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accept")
            .field(self.accepting.listener())
            .finish()
    }
}

/// The stream of [`TcpListener::incoming`]. Dropping it loses no connection.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a> {
    accept: Accept<'a>,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = Pin::new(&mut self.accept).poll(cx);
        accepted.map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}

/// A TCP connection.
///
/// It reads and writes by `futures`' [`AsyncRead`] and [`AsyncWrite`], also by reference. In each
/// direction one task at a time may use them: of several that wait, only the latest is woken
/// ([`readable`](TcpStream::readable) and [`writable`](TcpStream::writable) are for any number).
///
/// A read or write that is pending keeps the loop alive. These traits don't tell when it is
/// abandoned (as by the loser of a `select!`): it then keeps the loop alive until the next event,
/// or until the stream is [unref'd](TcpStream::unref), closed or dropped. Nothing is lost by
/// abandoning a read or write: bytes are taken or sent only when it is ready.
///
/// Writing is tried at once and never buffered. `poll_close` (the `close` of `AsyncWriteExt`)
/// ends the writing direction and leaves the reading one open, as [`shutdown`](TcpStream::shutdown)
/// does; [`close`](TcpStream::close) closes the socket. Dropping the stream closes it: in order,
/// or with a reset if there were bytes nobody has read.
pub struct TcpStream {
    socket: Watched<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to `address`; if it stands for several, one after the other until it succeeds.
    ///
    /// A name is looked up by a job of the pool. The outcome comes with an event of the poll
    /// phase, a refusal that is known at once with the pending phase (R63). What the system
    /// refuses to try (an unreachable network, as a rule) fails without a wait, where Node reports
    /// it by a tick. Dropping the future gives the attempt up.
    ///
    /// # Errors
    ///
    /// That of the address tried last, or of looking up the name; and if the loop ends.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn connect(address: impl ToSocketAddrs) -> impl Future<Output = io::Result<TcpStream>> {
        let state = current("TcpStream::connect");
        let (target, place) = (address.target(), Location::caller());
        async move {
            let addresses = target?.resolve().await?;
            first_success(addresses, async |address| {
                TcpStream::connect_one(&state, address, place).await
            })
            .await
        }
    }

    async fn connect_one(
        state: &Rc<LoopState>,
        address: SocketAddr,
        place: Place,
    ) -> io::Result<TcpStream> {
        check_loop(state)?;
        let socket = match mio::net::TcpStream::connect(address) {
            Ok(socket) => Watched::new(state.clone(), socket, place)?,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(report_in_pending_phase(state, error, place).await);
            }
            Err(error) => return Err(error),
        };
        connected(&socket, |socket| socket.take_error()).await?;
        Ok(TcpStream { socket })
    }

    /// Takes over a connected socket of `std`. It becomes non-blocking.
    ///
    /// # Errors
    ///
    /// The system's; and if the loop is ending.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        let state = current("TcpStream::from_std");
        stream.set_nonblocking(true)?;
        let socket = mio::net::TcpStream::from_std(stream);
        let socket = Watched::new(state, socket, Location::caller())?;
        Ok(TcpStream { socket })
    }

    /// Gives the socket to `std`. It is still non-blocking.
    ///
    /// # Errors
    ///
    /// If the stream was closed.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.socket.into_inner().map(Into::into)
    }

    /// Waits until there may be something to read, or the end, or an error. Any number of tasks
    /// may wait. Cancel safe, and dropping it ends the wait.
    ///
    /// # Errors
    ///
    /// If the stream was closed, or its loop has ended or is not the one that runs.
    pub fn readable(&self) -> Ready<'_> {
        self.socket.registration().ready(Direction::Read)
    }

    /// Waits until the system may take something, or an error is there; at once if no write was
    /// refused before. Otherwise as [`readable`](TcpStream::readable).
    ///
    /// # Errors
    ///
    /// If the stream was closed, or its loop has ended or is not the one that runs.
    pub fn writable(&self) -> Ready<'_> {
        self.socket.registration().ready(Direction::Write)
    }

    /// Reads without taking: the next read gives the same bytes. Cancel safe. It counts among the
    /// 32 reads of one event.
    ///
    /// # Errors
    ///
    /// As for reading.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peek = || self.socket.with(|socket| socket.peek(buffer));
        self.socket
            .registration()
            .do_with(Direction::Read, peek)
            .await
    }

    /// Lends the stream as a half that reads and a half that writes, for two futures of one task.
    ///
    /// It is not called `split` because the method of that name of `AsyncReadExt`, which takes the
    /// stream and puts a lock between the halves, would be called in its place.
    #[doc(alias = "split")]
    pub fn halves(&mut self) -> (ReadHalf<'_, TcpStream>, WriteHalf<'_, TcpStream>) {
        halves(self)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.local_addr())
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(|socket| socket.peer_addr())
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`). They are not at first.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.with(|socket| socket.nodelay())
    }

    /// Sends small writes at once instead of collecting them (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.with(|socket| socket.set_nodelay(nodelay))
    }

    /// How long the system goes on sending when the socket was closed (`SO_LINGER`), in whole
    /// seconds; `None` for as long as it likes.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.with(|socket| SockRef::from(socket).linger())
    }

    /// How long the system goes on sending when the socket was closed (`SO_LINGER`), in whole
    /// seconds. With zero, closing throws away what is not sent and resets the connection.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket
            .with(|socket| SockRef::from(socket).set_linger(linger))
    }

    /// Ends one direction, or both. The peer reads the end of the stream behind what was written.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.with(|socket| socket.shutdown(how))
    }

    /// The error that is pending on the socket, if there is one; it is pending no more then.
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.with(|socket| socket.take_error())
    }

    /// Closes the socket now and calls `callback` in the close phase of this turn (R62).
    ///
    /// Tasks that wait for the stream are woken right before it and get an error. Closing again
    /// closes nothing and calls `callback` all the same. If the loop ends before, `callback` is
    /// dropped.
    #[doc(alias = "destroy")]
    #[track_caller]
    pub fn close(&self, callback: impl FnOnce() + 'static) {
        self.socket.close(callback, Location::caller());
    }

    /// Like [`close`](TcpStream::close), but what was not sent is thrown away and the peer gets a
    /// reset (libuv's `uv_tcp_close_reset`).
    ///
    /// # Errors
    ///
    /// The system's; and if the stream was closed. Nothing is closed then, and `callback` is
    /// dropped.
    #[doc(alias = "resetAndDestroy")]
    #[track_caller]
    pub fn reset(&self, callback: impl FnOnce() + 'static) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))?;
        self.socket.close(callback, Location::caller());
        Ok(())
    }

    /// Makes waits for this stream keep the loop alive again (R6). They do at first.
    #[doc(alias = "ref")]
    pub fn ref_(&self) -> &TcpStream {
        self.socket.registration().set_refed(true);
        self
    }

    /// Makes waits for this stream not keep the loop alive.
    pub fn unref(&self) -> &TcpStream {
        self.socket.registration().set_refed(false);
        self
    }

    /// Whether waits for this stream keep the loop alive; not any more when it was closed.
    pub fn has_ref(&self) -> bool {
        self.socket.registration().has_ref()
    }
}

impl AsyncRead for &TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_read(cx, buffer, SHORT_READ_DRAINS)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_read_vectored(cx, buffers)
    }
}

impl AsyncWrite for &TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // nothing is buffered
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.shutdown(Shutdown::Write) {
            // The peer was faster; this end has nothing left to say, either.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buffer)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read_vectored(cx, buffers)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write_vectored(cx, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_close(cx)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpStream").field(&self.socket).finish()
    }
}

/// Tries one address after the other; gives the last error if none will do.
async fn first_success<T>(
    addresses: Vec<SocketAddr>,
    attempt: impl AsyncFn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut addresses = addresses.into_iter();
    let mut next = addresses
        .next()
        .expect("resolving gives at least one address");
    loop {
        let result = attempt(next).await;
        match addresses.next() {
            Some(address) if result.is_err() => next = address,
            _ => return result,
        }
    }
}
