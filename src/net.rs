//! Sockets: TCP and UDP everywhere, Unix domain sockets on Unix, and looking up names.
//!
//! Streams are `futures`' [`AsyncRead`] and [`AsyncWrite`], also by reference, so that one task
//! may read while another writes. Nothing is buffered: a write goes to the system at once, and if
//! the peer does not read, the writer waits. When sockets become ready, how often, and what keeps
//! the loop alive is said in [`io`](crate::io).
//!
//! | Node | nodeloop |
//! |---|---|
//! | `server.listen(port)`, with `reusePort` and the like | [`TcpListener::bind`], [`TcpSocket`] |
//! | `server.on('connection', …)` | [`TcpListener::accept`], [`TcpListener::incoming`] |
//! | `net.connect(port, host)`, with options | [`TcpStream::connect`], [`ConnectOptions`] |
//! | `socket.end()` | [`TcpStream::shutdown`], [`AsyncWrite::poll_close`] |
//! | `socket.destroy()` and its `'close'` event | [`TcpStream::close_with`] with a callback, [`TcpStream::close`] to await |
//! | `socket.resetAndDestroy()` | [`TcpStream::reset`] |
//! | `socket.ref()`, `socket.unref()` | [`TcpStream::ref_`], [`TcpStream::unref`] |
//! | `dgram.createSocket`, `bind`, `connect` | [`UdpSocket`], [`UdpOptions`] |
//! | `dns.lookup(host, { all: true })` | [`lookup_host`] |
//! | `net.connect(path)`, `server.listen(path)` | `UnixStream`, `UnixListener`, `UnixDatagram` |
//!
//! **A server lives as long as somebody waits for it.** In Node a listening server keeps the
//! process alive; here the pending `accept` does, and a listener that nobody accepts from does not.
//! The same holds for a UDP socket and `recv`, and for an open connection and a `read`.
//!
//! **Connecting.** A connection that is refused at once (a Unix path that does not exist, say) is
//! reported by the pending phase, of this turn or the next, not by the call (R63); any other
//! outcome that has to be waited for comes with an event of the poll phase. Of several addresses
//! one is tried after the other, as Node does it; see [`ConnectOptions`].
//!
//! **Errors** of connecting, listening, binding and looking up say what was tried, in Node's words:
//! `connect ECONNREFUSED 127.0.0.1:80`. The kind stays what it was; the rest is in a [`NetError`].
//!
//! **Closing.** `close(callback)` closes the descriptor at once, and the callback comes in the
//! close phase of this turn, behind the immediates and before the timers (R62). The phase is a
//! stack: of two sockets closed in one turn the one closed *last* calls back first. Whoever waits
//! for a socket that is closed is woken right before its callback, and sees an error. Dropping a
//! socket closes it, too, and calls nothing.
//!
//! What differs from Node is listed in [the guide](crate::guide::exactness).
//!
//! [`AsyncRead`]: futures::io::AsyncRead
//! [`AsyncWrite`]: futures::io::AsyncWrite
//! [`AsyncWrite::poll_close`]: futures::io::AsyncWrite::poll_close

mod accept;
mod address;
mod connect;
mod error;
mod halves;
mod options;
mod tcp;
mod ttl;
mod udp;
#[cfg(unix)]
mod unix;

pub use address::{ToSocketAddrs, lookup_host};
pub use error::{FailedAttempt, NetError};
pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use options::ConnectOptions;
pub use tcp::{Accept, Incoming, TcpListener, TcpSocket, TcpStream};
pub use udp::{UdpOptions, UdpSocket};
#[cfg(unix)]
pub use unix::{UnixAccept, UnixDatagram, UnixIncoming, UnixListener, UnixStream};
