//! Conversion to socket addresses, and name resolution.
//!
//! Literal addresses need no job of the blocking pool. Names are looked up there, by the resolver
//! of the operating system, which blocks. Nothing is cached.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::panic::{Location, resume_unwind};

use super::error::FailedAttempt;
use crate::blocking::{Call, try_recorded_job_at};
use crate::event_loop::current::try_current;
use crate::io::loop_ended;
use crate::phases::macrotask::SourceLocation;
use crate::promise::{self, PromiseError, TryPromise};

/// Converts or resolves to one or more socket addresses.
///
/// [`TcpListener::bind`](crate::net::TcpListener::bind),
/// [`TcpStream::connect`](crate::net::TcpStream::connect) and others accept socket addresses, pairs
/// of host and port, and strings such as `"localhost:8080"` or `"[::1]:0"`.
///
/// Unlike the trait of the standard library with this name, it does not block: a literal address is
/// converted immediately, and a host name is looked up by a job of the blocking pool
/// ([`spawn_blocking`](crate::spawn_blocking)).
///
/// This trait is sealed and can't be implemented outside of this crate.
pub trait ToSocketAddrs: Sealed {}

impl<A: Sealed + ?Sized> ToSocketAddrs for A {}

/// An address before its name is looked up.
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
    /// Returns the first address, as [`resolve`](Target::resolve) does.
    pub(super) async fn first(self, location: SourceLocation) -> io::Result<SocketAddr> {
        match self {
            Target::One(address) => Ok(address), // no list, because each datagram calls this
            other => Ok(other.resolve(location).await?[0]),
        }
    }

    /// Returns the addresses, at least one, in the order in which they have to be tried. A name is looked up
    /// by a job of the call at `location`.
    pub(super) async fn resolve(self, location: SourceLocation) -> io::Result<Vec<SocketAddr>> {
        let addresses = match self {
            Target::One(address) => return Ok(vec![address]),
            Target::Known(addresses) => addresses,
            Target::Name(host, port) => match look_up(host, port, location).settled().await {
                Ok(addresses) => addresses?,
                Err(PromiseError::Panicked(payload)) => resume_unwind(payload.into_inner()),
                Err(_) => return Err(loop_ended()),
            },
        };
        if addresses.is_empty() {
            return Err(invalid("the name resolved to no address"));
        }
        Ok(addresses)
    }
}

/// Resolves `address` to its socket addresses, in the order of the resolver of the operating
/// system: Node's `dns.lookup` with `{ all: true }`.
///
/// A host name is looked up by a job of the blocking pool, which is submitted immediately (R60), as
/// Node calls `getaddrinfo` in the pool of libuv. With the default of four threads, four slow
/// look-ups delay all other jobs. A literal address needs no job.
///
/// Dropping the promise detaches the job. [`Settled::abort`](crate::promise::Settled::abort) removes a job
/// that was not started yet.
///
/// # Errors
///
/// Resolves to a [`NetError`](super::NetError) such as `getaddrinfo nowhere.invalid: failed to
/// lookup address information: Name or service not known`, or to an error of kind
/// [`InvalidInput`](io::ErrorKind::InvalidInput) if `address` is not valid.
///
/// # Panics
///
/// Panics if called outside of an event loop.
///
/// # Examples
///
/// ```
/// let addresses = nodeloop::block_on(async { nodeloop::net::lookup_host("localhost:80").await });
/// assert!(addresses.unwrap().iter().all(|address| address.ip().is_loopback()));
/// ```
#[doc(alias = "getaddrinfo")]
#[track_caller]
pub fn lookup_host(address: impl ToSocketAddrs) -> TryPromise<Vec<SocketAddr>, io::Error> {
    match address.target() {
        Ok(Target::One(address)) => promise::resolve(vec![address]),
        Ok(Target::Known(addresses)) => promise::resolve(addresses),
        Ok(Target::Name(host, port)) => look_up(host, port, Location::caller()),
        Err(error) => promise::reject(error),
    }
}

fn look_up(
    host: String,
    port: u16,
    location: SourceLocation,
) -> TryPromise<Vec<SocketAddr>, io::Error> {
    let verb = "net::lookup_host";
    let call = Call { verb, location };
    let state = try_current();
    if let Some(world) = state.as_ref().and_then(|state| state.world()) {
        let addresses = world.look_up(&host);
        let answer = move || in_world(host, port, addresses);
        return try_recorded_job_at(call, answer);
    }
    let look_up = move || {
        let addresses = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port));
        match addresses {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(FailedAttempt::named("getaddrinfo", host, error).into_error()),
        }
    };
    try_recorded_job_at(call, look_up)
}

/// Returns the answer of a simulated world, as the job of the real look-up does.
fn in_world(host: String, port: u16, addresses: Vec<IpAddr>) -> io::Result<Vec<SocketAddr>> {
    if addresses.is_empty() {
        let text = "failed to lookup address information: no host of the world has this name";
        let error = io::Error::other(text);
        return Err(FailedAttempt::named("getaddrinfo", host, error).into_error());
    }
    let with_port = |ip| SocketAddr::new(ip, port);
    Ok(addresses.into_iter().map(with_port).collect())
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
            return Err(invalid(
                "the address has no port: add one, as in `localhost:80`",
            ));
        };
        let port = port
            .parse()
            .map_err(|_| invalid("the port of the address is not a number from 0 to 65535"))?;
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
    fn literals_are_converted_and_names_are_not() {
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
    fn invalid_addresses_are_errors() {
        for text in ["localhost", "localhost:http", "localhost:65536", ""] {
            let error = text.target().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
        }
    }
}
