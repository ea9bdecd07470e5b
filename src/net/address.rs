//! What can be given as an address, and how it becomes socket addresses.
//!
//! Literal addresses never touch the worker pool; names are looked up there, by the system's
//! resolver, which blocks. Nothing is cached.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::panic::resume_unwind;

use super::error::FailedAttempt;
use crate::blocking::spawn_blocking;
use crate::io::loop_ended;
use crate::promise::{self, Promise, PromiseError};

/// What [`TcpListener::bind`](crate::net::TcpListener::bind) and
/// [`TcpStream::connect`](crate::net::TcpStream::connect) take: socket addresses, pairs of host and
/// port, and strings like `"localhost:8080"` or `"[::1]:0"`.
///
/// Unlike `std`'s trait of the same name it does not block: a literal address is known at once, a
/// name is looked up by a job of the loop's pool ([`spawn_blocking`](crate::spawn_blocking)). It
/// can't be implemented outside of this crate.
pub trait ToSocketAddrs: Sealed {}

impl<A: Sealed + ?Sized> ToSocketAddrs for A {}

/// An address as far as it is known without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    One(SocketAddr),
    Known(Vec<SocketAddr>),
    Name(String, u16),
}

pub trait Sealed {
    fn target(&self) -> io::Result<Target>;
}

impl Target {
    /// The first of the addresses.
    pub(super) async fn first(self) -> io::Result<SocketAddr> {
        match self {
            Target::One(address) => Ok(address), // no list for a datagram
            other => Ok(other.resolve().await?[0]),
        }
    }

    /// The addresses, in the order in which they are to be tried; at least one.
    pub(super) async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        let addresses = match self {
            Target::One(address) => return Ok(vec![address]),
            Target::Known(addresses) => addresses,
            Target::Name(host, port) => match look_up(host, port).settled().await {
                Ok(addresses) => addresses?,
                Err(PromiseError::Panicked(payload)) => resume_unwind(payload),
                Err(_) => return Err(loop_ended()),
            },
        };
        if addresses.is_empty() {
            return Err(invalid("could not resolve to any address"));
        }
        Ok(addresses)
    }
}

/// The addresses that `address` stands for, in the order of the system's resolver: `dns.lookup`
/// with `{ all: true }`.
///
/// A name is looked up by a job of the pool, which is submitted now (R60), as Node calls
/// `getaddrinfo` in libuv's pool: with the default of four threads, four slow look-ups hold up
/// every file and every other name. What stands for itself is known at once.
///
/// Dropping the promise detaches the job; [`Promise::abort`] takes one that no thread has started
/// out of the queue.
///
/// ```
/// let addresses = nodeloop::block_on(async { nodeloop::net::lookup_host("localhost:80").await });
/// assert!(addresses.unwrap().iter().all(|address| address.ip().is_loopback()));
/// ```
///
/// # Errors
///
/// A [`NetError`](super::NetError) with the name, such as `getaddrinfo nowhere.invalid: failed to
/// lookup address information: Name or service not known`; `InvalidInput` for what is no address.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "getaddrinfo")]
#[track_caller]
pub fn lookup_host(address: impl ToSocketAddrs) -> Promise<io::Result<Vec<SocketAddr>>> {
    match address.target() {
        Ok(Target::One(address)) => promise::ready(Ok(vec![address])),
        Ok(Target::Known(addresses)) => promise::ready(Ok(addresses)),
        Ok(Target::Name(host, port)) => look_up(host, port),
        Err(error) => promise::ready(Err(error)),
    }
}

#[track_caller]
fn look_up(host: String, port: u16) -> Promise<io::Result<Vec<SocketAddr>>> {
    spawn_blocking(move || {
        let addresses = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port));
        match addresses {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(FailedAttempt::named("getaddrinfo", host, error).alone()),
        }
    })
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn host_and_port(host: &str, port: u16) -> Target {
    match host.parse::<IpAddr>() {
        Ok(ip) => Target::One(SocketAddr::new(ip, port)),
        Err(_) => Target::Name(host.to_owned(), port),
    }
}

impl Sealed for str {
    fn target(&self) -> io::Result<Target> {
        if let Ok(address) = self.parse() {
            return Ok(Target::One(address));
        }
        let Some((host, port)) = self.rsplit_once(':') else {
            return Err(invalid("an address needs a port, as in `localhost:80`"));
        };
        let port = port.parse().map_err(|_| invalid("invalid port"))?;
        Ok(host_and_port(host, port))
    }
}

impl Sealed for String {
    fn target(&self) -> io::Result<Target> {
        self.as_str().target()
    }
}

impl Sealed for (&str, u16) {
    fn target(&self) -> io::Result<Target> {
        Ok(host_and_port(self.0, self.1))
    }
}

impl Sealed for (String, u16) {
    fn target(&self) -> io::Result<Target> {
        Ok(host_and_port(&self.0, self.1))
    }
}

impl Sealed for (IpAddr, u16) {
    fn target(&self) -> io::Result<Target> {
        SocketAddr::from(*self).target()
    }
}

impl Sealed for (Ipv4Addr, u16) {
    fn target(&self) -> io::Result<Target> {
        SocketAddr::from(*self).target()
    }
}

impl Sealed for (Ipv6Addr, u16) {
    fn target(&self) -> io::Result<Target> {
        SocketAddr::from(*self).target()
    }
}

impl Sealed for SocketAddr {
    fn target(&self) -> io::Result<Target> {
        Ok(Target::One(*self))
    }
}

impl Sealed for SocketAddrV4 {
    fn target(&self) -> io::Result<Target> {
        SocketAddr::from(*self).target()
    }
}

impl Sealed for SocketAddrV6 {
    fn target(&self) -> io::Result<Target> {
        SocketAddr::from(*self).target()
    }
}

impl Sealed for [SocketAddr] {
    fn target(&self) -> io::Result<Target> {
        Ok(Target::Known(self.to_vec()))
    }
}

impl<A: Sealed + ?Sized> Sealed for &A {
    fn target(&self) -> io::Result<Target> {
        (**self).target()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_known_and_names_are_not() {
        let known = |text: &str| Target::One(text.parse().unwrap());
        assert_eq!("127.0.0.1:80".target().unwrap(), known("127.0.0.1:80"));
        assert_eq!("[::1]:80".target().unwrap(), known("[::1]:80"));
        assert_eq!(("::1", 80).target().unwrap(), known("[::1]:80"));
        assert_eq!(
            ("10.0.0.1".to_owned(), 1).target().unwrap(),
            known("10.0.0.1:1")
        );
        let name = Target::Name("localhost".to_owned(), 80);
        assert_eq!("localhost:80".target().unwrap(), name);
        assert_eq!(("localhost", 80).target().unwrap(), name);
    }

    #[test]
    fn what_is_no_address_says_so() {
        for text in ["localhost", "localhost:http", "localhost:65536", ""] {
            let error = text.target().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
        }
    }
}
