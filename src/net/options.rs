//! How a connection is made: several addresses, one after the other, as Node does it.
//!
//! Node 20 (`lib/net.js`, `lookupAndConnectMultiple`, `internalConnectMultiple`) sorts what a
//! name stands for so that the families alternate, the family of the first address first, and
//! tries one address at a time: the next one when an attempt has failed, or has taken longer than
//! the attempt timeout, which gives it up. The last address has all the time there is. It is
//! "Happy Eyeballs" without the race.
//!
//! Invariant: at most one attempt of a connection is under way.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::address::ToSocketAddrs;
use super::connect::connect_socket;
use super::error::{FailedAttempt, NetError};
use super::tcp::{TcpSocket, TcpStream};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::io::check_loop;
use crate::phases::macrotask::SourceLocation;
use crate::time::timeout;

/// Node's default (`--network-family-autoselection-attempt-timeout`), and its least.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(250);
const LEAST_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(10);

/// How [`TcpStream`]s are connected: the options of Node's `net.connect`.
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
    /// The options of [`TcpStream::connect`].
    pub fn new() -> ConnectOptions {
        ConnectOptions {
            auto_select_family: true,
            attempt_timeout: ATTEMPT_TIMEOUT,
            local_address: None,
            nodelay: false,
            keepalive: None,
        }
    }

    /// Whether a name that stands for several addresses is tried with all of them (the default),
    /// or with the first alone.
    #[doc(alias = "autoSelectFamily")]
    pub fn auto_select_family(&mut self, on: bool) -> &mut ConnectOptions {
        self.auto_select_family = on;
        self
    }

    /// How long one of several addresses may take until the next is tried: 250 ms if nothing is
    /// said, and 10 ms at least. The last one, or an only one, has no such limit.
    ///
    /// It counts on the clock of the loop. A [virtual](crate::Builder::virtual_time) one jumps to
    /// its end if nothing else is to be done, unless
    /// [sockets hold it](crate::Builder::io_holds_time).
    #[doc(alias = "autoSelectFamilyAttemptTimeout")]
    pub fn attempt_timeout(&mut self, timeout: Duration) -> &mut ConnectOptions {
        self.attempt_timeout = timeout.max(LEAST_ATTEMPT_TIMEOUT);
        self
    }

    /// The address of this end; with port 0 the system chooses one. Only the first address of the
    /// same family is tried then.
    #[doc(alias = "localAddress")]
    #[doc(alias = "localPort")]
    pub fn local_address(&mut self, address: SocketAddr) -> &mut ConnectOptions {
        self.local_address = Some(address);
        self
    }

    /// See [`TcpStream::set_nodelay`].
    #[doc(alias = "noDelay")]
    pub fn nodelay(&mut self, nodelay: bool) -> &mut ConnectOptions {
        self.nodelay = nodelay;
        self
    }

    /// See [`TcpStream::set_keepalive`].
    #[doc(alias = "keepAlive")]
    pub fn keepalive(&mut self, idle: Option<Duration>) -> &mut ConnectOptions {
        self.keepalive = idle;
        self
    }

    /// Connects to `address`, as [`TcpStream::connect`] does, with these options.
    ///
    /// # Errors
    ///
    /// A [`NetError`] that lists what was tried; and if the loop ends.
    ///
    /// # Panics
    ///
    /// Outside of an event loop.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(
        &self,
        address: A,
    ) -> impl Future<Output = io::Result<TcpStream>> + use<A> {
        let state = current("ConnectOptions::connect");
        self.clone().connect_in(state, address, Location::caller())
    }

    /// The same for `verb`, which has looked for the loop already.
    pub(super) fn connect_in<A: ToSocketAddrs>(
        self,
        state: Rc<LoopState>,
        address: A,
        location: SourceLocation,
    ) -> impl Future<Output = io::Result<TcpStream>> + use<A> {
        let target = address.target();
        async move {
            let addresses = target?.resolve().await?;
            self.try_each(&state, &self.to_attempt(addresses), location)
                .await
        }
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
        check_loop(state)?; // its end is no fault of any address
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
            // As libuv does; a port of a connection that has just ended is free for a new one.
            socket.set_reuse_address(cfg!(unix)).map_err(failed)?;
            socket.bind(local).map_err(failed)?;
        }
        let stream = connect_socket(state, socket.into(), address, location)
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

    /// What of `addresses` is tried, and in which order.
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

/// The families in turn, that of the first address first; no address twice.
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

    /// What `net.connect` of Node v20.20.2 attempts when its `lookup` gives these.
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
