//! What happens to a stream before HTTP starts: nothing, or a function of the user.

use std::future::{Future, ready};
use std::io;

use futures::io::{AsyncRead, AsyncWrite};

/// Turns an accepted stream into the stream of a connection; see
/// [`Serve::with_handshake`](super::Serve::with_handshake).
///
/// It is implemented for functions from a stream to a future of another stream.
pub trait Handshake<I>: 'static {
    /// The stream that HTTP uses.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// Starts the handshake.
    fn start(&self, stream: I) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// No handshake: HTTP uses the accepted stream.
#[derive(Debug)]
pub struct NoHandshake;

impl<I: AsyncRead + AsyncWrite + Unpin + 'static> Handshake<I> for NoHandshake {
    type Stream = I;

    fn start(&self, stream: I) -> impl Future<Output = io::Result<I>> {
        ready(Ok(stream))
    }
}

impl<I, F, Fut, T> Handshake<I> for F
where
    F: Fn(I) -> Fut + 'static,
    Fut: Future<Output = io::Result<T>>,
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Stream = T;

    fn start(&self, stream: I) -> impl Future<Output = io::Result<T>> {
        self(stream)
    }
}
