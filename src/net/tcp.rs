//! TCP: mio's sockets, watched by the poll phase.

mod listener;
mod socket;
mod stream;

pub use listener::{Accept, Incoming, TcpListener};
pub use socket::TcpSocket;
pub use stream::TcpStream;

use std::io;
use std::net::SocketAddr;

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
