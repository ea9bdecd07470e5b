//! The errors that do not end a server.

use std::error::Error;
use std::fmt;
use std::io;

/// An error that does not end a server, reported to [`Serve::on_error`](super::Serve::on_error).
///
/// `A` is the type of the client's address, such as [`std::net::SocketAddr`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError<A> {
    /// The operating system reported an error for `accept`. The server tries again after 100 ms.
    Accept(io::Error),
    /// A connection ended with an error: the client disconnected early or sent something that is not
    /// HTTP, or the service returned an error.
    Connection(A, ::hyper::Error),
    /// The [handshake](super::Serve::with_handshake) of a connection has failed.
    Handshake(A, io::Error),
    /// A connection was closed because its handshake or the head of a request took too long.
    HeaderTimeout(A),
    /// A connection was aborted, because the server was dropped or because its shutdown took too
    /// long.
    Aborted(A),
}

impl<A> ServeError<A> {
    /// Returns the address of the client, unless no connection was accepted.
    pub fn peer(&self) -> Option<&A> {
        match self {
            ServeError::Accept(_) => None,
            ServeError::Connection(peer, _)
            | ServeError::Handshake(peer, _)
            | ServeError::HeaderTimeout(peer)
            | ServeError::Aborted(peer) => Some(peer),
        }
    }
}

impl<A: fmt::Debug> fmt::Display for ServeError<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Accept(_) => f.write_str("a connection could not be accepted"),
            ServeError::Connection(peer, _) => write!(f, "the connection of {peer:?} has failed"),
            ServeError::Handshake(peer, _) => write!(f, "the handshake of {peer:?} has failed"),
            ServeError::HeaderTimeout(peer) => {
                write!(f, "{peer:?} did not send the head of a request in time")
            }
            ServeError::Aborted(peer) => write!(f, "the connection of {peer:?} was aborted"),
        }
    }
}

impl<A: fmt::Debug> Error for ServeError<A> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ServeError::Accept(error) | ServeError::Handshake(_, error) => Some(error),
            ServeError::Connection(_, error) => Some(error),
            ServeError::HeaderTimeout(_) | ServeError::Aborted(_) => None,
        }
    }
}
