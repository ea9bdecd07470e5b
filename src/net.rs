//! TCP, UDP and Unix domain sockets, and name resolution.
//!
//! Streams implement the traits [`AsyncRead`] and [`AsyncWrite`] of `futures`. References to streams
//! implement them, too, so one task may read while another one writes. Nothing is buffered: a write
//! is passed to the operating system immediately, and waits if the peer does not read.
//! [`io`](crate::io) documents when sockets become ready, how often, and what keeps the loop alive.
//!
//! Besides the methods that wait, sockets have `try_*` methods, which return
//! [`WouldBlock`](std::io::ErrorKind::WouldBlock) instead, `poll_*` methods for adapters, and
//! [`ready`](Socket::ready), [`try_io`](Socket::try_io) and [`async_io`](Socket::async_io) for calls that
//! this crate has no method for. Their names and their meaning are those of tokio.
//!
//! All sockets are one type, [`Socket`], with an alias for each [kind].
//!
//! | Node | nodeloop |
//! |---|---|
//! | `server.listen(port)`, with `reusePort` and the like | [`TcpListener::bind`], [`TcpSocket`] |
//! | `server.on('connection', …)` | [`TcpListener::accept`], [`TcpListener::incoming`] |
//! | `net.connect(port, host)`, with options | [`TcpStream::connect`], [`ConnectOptions`] |
//! | `socket.end()` | [`AsyncWriteExt::close`], [`TcpStream::shutdown`] |
//! | `socket.destroy()` and its `'close'` event | [`TcpStream::close_with`] with a callback |
//! | `server.close()`, `dgramSocket.close()` | [`TcpListener::close`], [`UdpSocket::close`], or `close_with` with a callback |
//! | `socket.resetAndDestroy()` | [`TcpStream::reset`] |
//! | `socket.ref()`, `socket.unref()` | [`TcpStream::ref_`], [`TcpStream::unref`] |
//! | `dgram.createSocket`, `bind`, `connect` | [`UdpSocket`], [`UdpOptions`] |
//! | `dns.lookup(host, { all: true })` | [`lookup_host`] |
//! | `net.connect(path)`, `server.listen(path)` | `UnixStream`, `UnixListener`, `UnixDatagram` |
//!
//! **A server lives as long as a task waits for a connection.** In Node, a listening server keeps
//! the process alive. Here, a pending `accept` does, and a listener without one does not. The same
//! holds for a UDP socket and `recv`, and for a connection and `read`.
//!
//! **Connecting.** A connection that is refused immediately, for example because a Unix path does
//! not exist, is reported by the pending phase of this turn or the next (R63). Other outcomes are
//! reported by an event of the poll phase. Several addresses are tried one after the other, as in
//! Node. See [`ConnectOptions`].
//!
//! **Errors** of connecting, listening and binding have the text of Node's errors, such as
//! `connect ECONNREFUSED 127.0.0.1:80`, if there is one attempt. [`NetError`] has the details.
//!
//! **Closing.** A stream has `close` from [`AsyncWriteExt`], which ends only its write direction: the
//! peer reads the end of the stream and can still answer. A socket that is not a stream has a `close`
//! of its own, which closes the descriptor and can be awaited.
//!
//! Every socket has `close_with(callback)`, which closes the descriptor immediately. The callback is
//! called in the next close phase, after the immediates and before the timers (R62). The phase is a
//! stack: of two sockets that are closed before the same phase, the one that was closed *last* calls
//! its callback first. Tasks that wait for a closed socket are woken right before its callback, and
//! receive an error. Dropping a socket closes it, too, without a callback.
//!
//! Futures with a name, and those of functions that connect or bind, are
//! [`FusedFuture`](futures::future::FusedFuture)s. The futures of other methods become so by
//! [`fuse`](futures::FutureExt::fuse).
//!
//! [The guide](crate::guide::exactness) lists the differences from Node.
//!
//! # What is missing
//!
//! - **Names.** [`lookup_host`] calls `getaddrinfo` of the operating system: Node's `dns.lookup`. There is
//!   no client for the DNS protocol, so there are no records other than addresses (`dns.resolveMx` and
//!   the like), no choice of servers, and no time limit beyond that of the system: wrap the call in
//!   [`time::timeout`](crate::time::timeout). A look-up that is abandoned still occupies its thread of
//!   the pool. Nothing is cached.
//! - **Windows.** TCP, UDP and names are tested under Wine only. Unix domain sockets and the methods
//!   `descriptor`, `set_reuseport` and `reuse_port` are missing. There are no named pipes, which Node uses
//!   there for `net.connect(path)`: without unsafe code, mio can create neither the end of a client nor a
//!   second instance of a server's end.
//! - **Other Unix systems.** For macOS, the crate is checked to compile; nothing is tested. Abstract names of Unix domain sockets and
//!   `peer_cred` need Linux or Android; elsewhere they return an error of kind `Unsupported`.
//!
//! [`AsyncRead`]: futures::io::AsyncRead
//! [`AsyncWrite`]: futures::io::AsyncWrite
//! [`AsyncWriteExt`]: futures::io::AsyncWriteExt
//! [`AsyncWriteExt::close`]: futures::io::AsyncWriteExt::close

mod address;
mod datagram;
mod error;
pub mod kind;
mod listener;
mod os;
mod replayed;
mod socket;
mod split;
mod stream;
mod tcp;
mod udp;
#[cfg(unix)]
mod unix;

pub use address::{ToSocketAddrs, lookup_host};
pub use error::{FailedAttempt, NetError};
pub use listener::{Accept, Incoming};
pub use socket::Socket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use tcp::{ConnectOptions, TcpListener, TcpSocket, TcpStream};
pub use udp::{UdpOptions, UdpSocket};
#[cfg(unix)]
pub use unix::{UCred, UnixDatagram, UnixListener, UnixSocket, UnixStream};
