//! Establishing connections: several addresses, tried one after the other, as in Node.
//!
//! Node 20 (`lib/net.js`, `lookupAndConnectMultiple`, `internalConnectMultiple`) sorts the
//! addresses of a name so that the families alternate, beginning with the family of the first
//! address. It tries one address at a time. It tries the next one when an attempt has failed or was
//! aborted by the attempt timeout, which the last address does not have. This is "Happy Eyeballs"
//! without attempts in parallel.
//!
//! Invariant: a connection has at most one attempt at a time.

use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::FusedFuture;

use super::{TcpSocket, TcpStream};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::io::platform::{REUSE_ADDRESS, is_in_progress};
use crate::io::{Backed, check_loop};
use crate::net::address::ToSocketAddrs;
use crate::net::error::{FailedAttempt, NetError};
use crate::net::stream::report_in_pending_phase;
use crate::phases::macrotask::SourceLocation;
use crate::reactor::journal::Operation;
use crate::time::timeout;

/// The default and the minimum in Node (`--network-family-autoselection-attempt-timeout`).
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(250);
const MIN_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(10);

/// Options for opening a TCP connection, as those of Node's `net.connect`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use nodeloop::net::{ConnectOptions, TcpListener};
///
/// let nodelay = nodeloop::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let port = listener.local_addr()?.port();
///     let stream = ConnectOptions::new()
///         .attempt_timeout(Duration::from_millis(100))
///         .nodelay(true)
///         .connect(("localhost", port))
///         .await?;
///     stream.nodelay()
/// });
/// assert!(nodelay.unwrap());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    auto_select_family: bool,
    attempt_timeout: Duration,
    local_address: Option<SocketAddr>,
    nodelay: bool,
    keepalive: Option<Duration>,
}

impl ConnectOptions {
    /// Creates the default options, which [`TcpStream::connect`] uses.
    pub fn new() -> ConnectOptions {
        ConnectOptions {
            auto_select_family: true,
            attempt_timeout: ATTEMPT_TIMEOUT,
            local_address: None,
            nodelay: false,
            keepalive: None,
        }
    }

    /// Sets whether all addresses of a name are tried, which is the default, or only the first.
    #[doc(alias = "autoSelectFamily")]
    pub fn auto_select_family(&mut self, on: bool) -> &mut ConnectOptions {
        self.auto_select_family = on;
        self
    }

    /// Sets the timeout after which the next of several addresses is tried.
    ///
    /// The default is 250 ms, the minimum 10 ms. The timeout does not apply to the last address.
    ///
    /// It is measured on the clock of the loop. On a [virtual clock](crate::Builder::virtual_time)
    /// it elapses at once if there is nothing else to do, unless
    /// [`io_holds_time`](crate::Builder::io_holds_time) is set.
    #[doc(alias = "autoSelectFamilyAttemptTimeout")]
    pub fn attempt_timeout(&mut self, timeout: Duration) -> &mut ConnectOptions {
        self.attempt_timeout = timeout.max(MIN_ATTEMPT_TIMEOUT);
        self
    }

    /// Sets the local address.
    ///
    /// With port 0, the operating system assigns a port. Only the first address of the same family
    /// is tried.
    #[doc(alias = "localAddress")]
    #[doc(alias = "localPort")]
    pub fn local_address(&mut self, address: SocketAddr) -> &mut ConnectOptions {
        self.local_address = Some(address);
        self
    }

    /// Sets the `TCP_NODELAY` option; see [`TcpStream::set_nodelay`].
    #[doc(alias = "noDelay")]
    pub fn nodelay(&mut self, nodelay: bool) -> &mut ConnectOptions {
        self.nodelay = nodelay;
        self
    }

    /// Enables TCP keepalive; see [`TcpStream::set_keepalive`].
    #[doc(alias = "keepAlive")]
    pub fn keepalive(&mut self, idle: Option<Duration>) -> &mut ConnectOptions {
        self.keepalive = idle;
        self
    }

    /// Opens a TCP connection to `address` with these options; see [`TcpStream::connect`].
    ///
    /// # Errors
    ///
    /// Returns a [`NetError`] that lists all attempts. Returns an error if the loop ends.
    ///
    /// # Panics
    ///
    /// Panics if called outside of an event loop.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(
        &self,
        address: A,
    ) -> impl FusedFuture<Output = io::Result<TcpStream>> + use<A> {
        let state = current("ConnectOptions::connect");
        self.clone().connect_in(state, address, Location::caller())
    }

    pub(super) fn connect_in<A: ToSocketAddrs>(
        self,
        state: Rc<LoopState>,
        address: A,
        location: SourceLocation,
    ) -> impl FusedFuture<Output = io::Result<TcpStream>> + use<A> {
        let target = address.target();
        async move {
            let addresses = target?.resolve(location).await?;
            self.try_each(&state, &self.to_attempt(addresses), location)
                .await
        }
        .fuse()
    }

    async fn try_each(
        &self,
        state: &Rc<LoopState>,
        addresses: &[SocketAddr],
        location: SourceLocation,
    ) -> io::Result<TcpStream> {
        let mut failed = Vec::new();
        for (index, &address) in addresses.iter().enumerate() {
            check_loop(state)?;
            let attempt = self.attempt(state, address, location);
            let result = if index + 1 < addresses.len() {
                timeout(self.attempt_timeout, attempt)
                    .await
                    .unwrap_or_else(|_| {
                        let late = io::ErrorKind::TimedOut.into();
                        Err(FailedAttempt::at("connect", address, late))
                    })
            } else {
                attempt.await
            };
            match result {
                Ok(stream) => return Ok(stream),
                Err(attempt) => failed.push(attempt),
            }
        }
        check_loop(state)?; // the end of the loop is not an error of any address
        Err(NetError::wrap(failed))
    }

    async fn attempt(
        &self,
        state: &Rc<LoopState>,
        address: SocketAddr,
        location: SourceLocation,
    ) -> Result<TcpStream, FailedAttempt> {
        let failed = |error| FailedAttempt::at("connect", address, error);
        let socket = TcpSocket::new_for(address).map_err(failed)?;
        if let Some(local) = self.local_address {
            let failed = |error| FailedAttempt::at("bind", local, error);
            // As in libuv, so that the port of a connection that has just ended can be used again.
            socket.set_reuseaddr(REUSE_ADDRESS).map_err(failed)?;
            socket.bind(local).map_err(failed)?;
        }
        let stream = connect_socket(state, socket.socket, address, location)
            .await
            .map_err(failed)?;
        if self.nodelay {
            stream.set_nodelay(true).map_err(failed)?;
        }
        if self.keepalive.is_some() {
            stream.set_keepalive(self.keepalive).map_err(failed)?;
        }
        Ok(stream)
    }

    /// Returns the addresses to try, in order.
    fn to_attempt(&self, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        if let Some(local) = self.local_address {
            let same_family = |address: &&SocketAddr| address.is_ipv4() == local.is_ipv4();
            let first = addresses.iter().find(same_family).or(addresses.first());
            return first.into_iter().copied().collect();
        }
        let mut order = alternate(addresses);
        if !self.auto_select_family {
            order.truncate(1);
        }
        order
    }
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions::new()
    }
}

/// Connects a socket that is not registered yet.
pub(super) async fn connect_socket(
    state: &Rc<LoopState>,
    socket: Backed<socket2::Socket>,
    address: SocketAddr,
    location: SourceLocation,
) -> io::Result<TcpStream> {
    check_loop(state)?;
    let connect = || {
        socket.either(
            |socket| {
                socket.set_nonblocking(true)?;
                socket.connect(&address.into())
            },
            |socket| socket.connect(address),
        )
    };
    match state.call_system(Operation::Connect, location, connect) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Err(report_in_pending_phase(state, error, location).await);
        }
        Err(error) if !is_in_progress(&error) => return Err(error),
        _ => {}
    }
    let socket = socket.map(|socket| mio::net::TcpStream::from_std(socket.into()));
    let stream = TcpStream::new(state.clone(), socket, location)?;
    stream.connected().await
}

/// Alternates the families, beginning with that of the first address, and drops duplicates.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (mut preferred, mut others) = (Vec::new(), Vec::new());
    let first = addresses.first().copied();
    for address in addresses {
        let same = first.is_some_and(|first| first.is_ipv4() == address.is_ipv4());
        let family = if same { &mut preferred } else { &mut others };
        if !family.contains(&address) {
            family.push(address);
        }
    }
    let mut order = Vec::with_capacity(preferred.len() + others.len());
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    loop {
        let pair = [preferred.next(), others.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(addresses: &[&str]) -> Vec<SocketAddr> {
        let parse = |address: &&str| address.parse().unwrap();
        addresses.iter().map(parse).collect()
    }

    // The order is that of `net.connect` of Node v20.20.2 for the same result of `lookup`.
    #[test]
    fn families_alternate_and_nothing_is_tried_twice() {
        let given = [
            "1.1.1.1:1",
            "2.2.2.2:1",
            "1.1.1.1:1",
            "[::1]:1",
            "[::2]:1",
            "[::3]:1",
        ];
        let order = ["1.1.1.1:1", "[::1]:1", "2.2.2.2:1", "[::2]:1", "[::3]:1"];
        let options = ConnectOptions::new();
        assert_eq!(options.to_attempt(parsed(&given)), parsed(&order));
        let given = ["[::1]:1", "[::2]:1", "1.1.1.1:1"];
        let order = ["[::1]:1", "1.1.1.1:1", "[::2]:1"];
        assert_eq!(options.to_attempt(parsed(&given)), parsed(&order));
    }

    #[test]
    fn the_first_alone_or_the_first_of_a_family() {
        let given = parsed(&["[::1]:1", "[::2]:1", "1.1.1.1:1"]);
        let mut options = ConnectOptions::new();
        options.auto_select_family(false);
        assert_eq!(options.to_attempt(given.clone()), parsed(&["[::1]:1"]));
        options.local_address("127.0.0.1:0".parse().unwrap());
        assert_eq!(options.to_attempt(given), parsed(&["1.1.1.1:1"]));
    }
}
