//! The network of a world: the sockets of all hosts, and the packets between them.
//!
//! A packet to another host takes the time of the link. A packet within a host arrives at once, as over
//! the loopback interface of Linux: before the call that sends it returns. Timers of the protocols, such
//! as that of a retransmission, are events of the same queue.
//!
//! Readiness is reported as epoll reports it, edge-triggered: a socket is in the list of its host once,
//! and what it is ready for is computed when the host collects it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::Token;

use super::HostId;
use super::address::Address;
use super::children::{ChildStep, HostChildren};
use super::datagram::{Datagram, Payload};
use super::errors::Errno;
use super::faults::{FaultId, Faults};
use super::link::{Chance, Links};
use super::local::{Local, LocalName};
use super::options::Options;
use super::signals::HostSignals;
use super::sources::Source;
use super::stream::{Listener, Segment, Stream};
use crate::reactor::registrations::Readiness;

/// Identifies a socket of a world. No number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SocketId(pub(super) u64);

#[derive(Default)]
pub(crate) struct Network {
    pub(super) hosts: Vec<HostNetwork>,
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    /// The sockets that listen at an address; several if they share it.
    pub(super) listening: BTreeMap<(HostId, Address), Vec<SocketId>>,
    /// The Unix domain sockets that are bound.
    pub(super) local_names: BTreeMap<(HostId, LocalName), SocketId>,
    next_socket: u64,
    /// Packets and timers by their time, then in the order in which they were added.
    events: BTreeMap<EventKey, Event>,
    next_event: u64,
    /// The time of the call or of the event that is handled.
    pub(super) now: Duration,
    pub(crate) links: Links,
    pub(crate) faults: Faults,
    pub(crate) short_reads: Option<Chance>,
    pub(crate) short_writes: Option<Chance>,
    pub(crate) resets: Option<Chance>,
}

pub(super) type EventKey = (Duration, u64);

/// The part of the network that belongs to one host.
#[derive(Default)]
pub(super) struct HostNetwork {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) is_down: bool,
    ready: VecDeque<SocketId>,
    next_port: u16,
    /// The most sockets that the host may have open, and the fault that counts refusals.
    pub(super) socket_limit: Option<(usize, FaultId)>,
    pub(super) signals: HostSignals,
    pub(super) children: HostChildren,
}

pub(super) struct Socket {
    pub(super) host: HostId,
    /// `None` until the socket is registered with its loop, and after it was closed.
    pub(super) token: Option<Token>,
    /// Whether it is in the list of ready sockets.
    is_listed: bool,
    pub(super) local: Option<Address>,
    pub(super) options: Options,
    pub(super) role: Role,
}

pub(super) enum Role {
    /// A socket for streams that neither listens nor is connected.
    Unconnected,
    Listener(Listener),
    Stream(Box<Stream>),
    Datagram(Box<Datagram>),
    /// A Unix domain socket.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has them"))]
    Local(Box<Local>),
}

impl Role {
    pub(super) fn local(&self) -> Option<&Local> {
        match self {
            Role::Local(local) => Some(local),
            _ => None,
        }
    }
}

pub(super) enum Event {
    Packet {
        from: HostId,
        to: HostId,
        packet: Packet,
    },
    /// The peer of this stream has not acknowledged what was sent.
    Retry(SocketId),
    /// Nothing has arrived on this stream for a while.
    KeepAlive(SocketId),
    /// A child process does something.
    Child(ChildStep),
}

pub(super) enum Packet {
    Segment(Segment),
    Datagram {
        from: Address,
        to: Address,
        sender: SocketId,
        payload: Payload,
    },
    /// No socket receives the datagrams of this sender.
    Unreachable(SocketId),
}

impl Packet {
    /// Returns a socket that identifies the packets which keep their order: those of one connection, or
    /// of one sender of datagrams.
    fn flow(&self) -> SocketId {
        match self {
            Packet::Datagram { sender: id, .. } | Packet::Unreachable(id) => *id,
            Packet::Segment(segment) => match segment {
                Segment::Syn { client: id, .. } | Segment::SynAck { client: id, .. } => *id,
                Segment::Established { server: id } => *id,
                Segment::Data { to: id, .. }
                | Segment::Ack { to: id, .. }
                | Segment::Reset { to: id } => *id,
            },
        }
    }
}

/// The ports that the system assigns.
const FIRST_PORT: u16 = 49_152;

impl Network {
    pub(super) fn add_host(&mut self, addresses: Vec<IpAddr>) {
        self.hosts.push(HostNetwork {
            addresses,
            next_port: FIRST_PORT,
            ..HostNetwork::default()
        });
    }

    pub(super) fn host(&mut self, id: HostId) -> &mut HostNetwork {
        &mut self.hosts[id.0]
    }

    /// Returns the host that has this address.
    pub(super) fn host_at(&self, from: HostId, ip: IpAddr) -> Option<HostId> {
        if ip.is_loopback() || ip.is_unspecified() {
            return Some(from);
        }
        self.owner_of(ip)
    }

    /// Returns the host to which this address was given.
    pub(crate) fn owner_of(&self, ip: IpAddr) -> Option<HostId> {
        let has_address = |host: &HostNetwork| host.addresses.contains(&ip);
        self.hosts.iter().position(has_address).map(HostId)
    }

    /// Adds a socket, unless its host may have no more.
    pub(super) fn add_socket(&mut self, host: HostId, role: Role) -> Result<SocketId, Errno> {
        if self.host(host).is_down {
            return Err(Errno::NetworkUnreachable);
        }
        self.check_limit(host)?;
        Ok(self.insert(host, role, Options::default()))
    }

    pub(super) fn check_limit(&mut self, host: HostId) -> Result<(), Errno> {
        let Some((limit, fault)) = self.host(host).socket_limit else {
            return Ok(());
        };
        let is_open = |socket: &&Socket| socket.host == host && socket.is_open();
        if self.sockets.values().filter(is_open).count() < limit {
            return Ok(());
        }
        self.faults.fire(fault);
        Err(Errno::TooManyDescriptors)
    }

    /// Adds a socket that the system itself creates, such as that of a connection to accept.
    pub(super) fn insert(&mut self, host: HostId, role: Role, options: Options) -> SocketId {
        let id = SocketId(self.next_socket);
        self.next_socket += 1;
        let socket = Socket {
            host,
            token: None,
            is_listed: false,
            local: None,
            options,
            role,
        };
        self.sockets.insert(id, socket);
        id
    }

    pub(super) fn socket(&mut self, id: SocketId) -> Result<&mut Socket, Errno> {
        self.sockets.get_mut(&id).ok_or(Errno::NotConnected)
    }

    /// Returns the role of a socket as a stream.
    pub(super) fn stream(&mut self, id: SocketId) -> Option<&mut Stream> {
        match &mut self.sockets.get_mut(&id)?.role {
            Role::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// Assigns a port of the host that no other socket has.
    pub(super) fn free_port(&mut self, host: HostId, is_datagram: bool) -> Result<u16, Errno> {
        let count = usize::from(u16::MAX - FIRST_PORT) + 1;
        for _ in 0..count {
            let port = self.host(host).next_port;
            self.host(host).next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            if !self.is_port_used(host, is_datagram, port) {
                return Ok(port);
            }
        }
        Err(Errno::AddressInUse)
    }

    fn is_port_used(&self, host: HostId, is_datagram: bool, port: u16) -> bool {
        let uses = |socket: &Socket| {
            socket.host == host
                && socket.is_datagram() == is_datagram
                && matches!(&socket.local, Some(Address::Inet(local)) if local.port() == port)
        };
        self.sockets.values().any(uses)
    }

    /// Binds a socket to an internet address.
    pub(super) fn bind_inet(&mut self, id: SocketId, address: SocketAddr) -> Result<(), Errno> {
        let socket = self.socket(id)?;
        let (host, is_datagram) = (socket.host, socket.is_datagram());
        if socket.local.is_some() {
            return Err(Errno::InvalidInput);
        }
        let ip = address.ip();
        let is_own = self.host_at(host, ip) == Some(host);
        if !is_own && !ip.is_multicast() {
            return Err(Errno::AddressNotAvailable);
        }
        let mut address = address;
        if address.port() == 0 {
            address.set_port(self.free_port(host, is_datagram)?);
        } else if self.is_taken(id, address) {
            return Err(Errno::AddressInUse);
        }
        self.socket(id)?.local = Some(Address::Inet(address));
        Ok(())
    }

    /// Returns whether another socket has this address and does not share it.
    fn is_taken(&mut self, id: SocketId, address: SocketAddr) -> bool {
        let Some(socket) = self.sockets.get(&id) else {
            return false;
        };
        let conflicts = |other: &Socket| {
            let shares = (other.options.reuse_port && socket.options.reuse_port)
                || (other.is_datagram()
                    && other.options.reuse_address
                    && socket.options.reuse_address);
            let is_bound = !matches!(&other.role, Role::Stream(stream) if stream.is_accepted());
            other.host == socket.host
                && other.is_datagram() == socket.is_datagram()
                && is_bound
                && !shares
                && matches!(&other.local, Some(Address::Inet(local)) if overlap(*local, address))
        };
        self.sockets.values().any(conflicts)
    }

    /// Queues an event for `due` or, if that has passed, for now.
    pub(super) fn add_event(&mut self, due: Duration, event: Event) -> EventKey {
        let key = (due.max(self.now), self.next_event);
        self.next_event += 1;
        self.events.insert(key, event);
        key
    }

    pub(super) fn remove_event(&mut self, key: EventKey) {
        self.events.remove(&key);
    }

    /// Sends a packet of `bytes`, which arrives at `after` or later. Returns when it arrives.
    pub(super) fn send(
        &mut self,
        (from, to): (HostId, HostId),
        segment: Segment,
        bytes: usize,
        after: Duration,
    ) -> Duration {
        let arrival = self.links.arrival((from, to), self.now, bytes).max(after);
        let packet = Packet::Segment(segment);
        self.add_event(arrival, Event::Packet { from, to, packet });
        arrival
    }

    /// Sets the time of a call that concerns no host.
    pub(super) fn begin(&mut self, now: Duration) {
        self.run_due(now, None);
    }

    pub(crate) fn add_address(&mut self, host: HostId, address: IpAddr) {
        self.host(host).addresses.push(address);
    }

    pub(crate) fn first_address(&self, host: HostId) -> IpAddr {
        self.hosts[host.0].addresses[0]
    }

    pub(crate) fn set_socket_limit(&mut self, host: HostId, limit: Option<(usize, FaultId)>) {
        self.host(host).socket_limit = limit;
    }

    /// Returns the sockets of a host that are connected to another.
    pub(crate) fn connections(&self, (host, peer): (HostId, HostId)) -> Vec<SocketId> {
        let is_between = |(_, socket): &(&SocketId, &Socket)| {
            let is_to_peer = |stream: &Stream| stream.peer.is_some() && stream.peer_host == peer;
            socket.host == host && matches!(&socket.role, Role::Stream(it) if is_to_peer(it))
        };
        let ids = self.sockets.iter().filter(is_between).map(|(id, _)| *id);
        ids.collect()
    }

    pub(super) fn addresses(&self, host: HostId) -> &[IpAddr] {
        &self.hosts[host.0].addresses
    }

    /// Returns when the next packet arrives or the next timer is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.events.first_key_value().map(|((due, _), _)| *due)
    }

    /// Handles the events that are due at `now`, and those within the host whose call this is, which may
    /// be ahead of the other hosts. Returns whether there were any.
    pub(super) fn run_due(&mut self, now: Duration, own: Option<(HostId, Duration)>) -> bool {
        let mut has_run = false;
        while let Some(key) = self.first_due(now, own) {
            let key = self.choose_arrival(key);
            let event = self.events.remove(&key).expect("a key of the map");
            self.now = key.0;
            self.handle(event);
            has_run = true;
        }
        self.now = own.map_or(now, |(_, own_now)| own_now.max(now));
        has_run
    }

    fn first_due(&self, now: Duration, own: Option<(HostId, Duration)>) -> Option<EventKey> {
        let (key, _) = self.events.first_key_value()?;
        if key.0 <= now {
            return Some(*key);
        }
        let (host, own_now) = own.filter(|(_, own_now)| *own_now > now)?;
        let is_own = |event: &Event| matches!(event, Event::Packet { from, to, .. } if *from == host && *to == host);
        let mut due = self.events.range(..=(own_now, u64::MAX));
        due.find(|(_, event)| is_own(event)).map(|(key, _)| *key)
    }

    /// Returns which packet comes next of those that arrive at one host at the same instant: the first
    /// one, unless a seed chooses that of another flow.
    fn choose_arrival(&mut self, first: EventKey) -> EventKey {
        if !self.links.choices.permutes() {
            return first;
        }
        let Some(Event::Packet { to, .. }) = self.events.get(&first) else {
            return first;
        };
        let host = *to;
        let mut heads: Vec<(HostId, SocketId, EventKey)> = Vec::new();
        let mut senders = Vec::new();
        for (key, event) in self.events.range(first..=(first.0, u64::MAX)) {
            let Event::Packet { from, to, packet } = event else {
                continue;
            };
            let flow = packet.flow();
            let is_new = heads.iter().all(|(_, known, _)| *known != flow);
            if *to == host && from != to && is_new {
                heads.push((*from, flow, *key));
                senders.push(self.sender_of(packet));
            }
        }
        if heads.first().is_none_or(|(_, _, key)| *key != first) {
            return first; // within the host, where a packet arrives as it is sent
        }
        let choices = self.links.choices.of(Source::Arrivals(host));
        let chosen = choices.choose(heads.len(), |chosen| {
            let are_of_one_host = heads[chosen].0 == heads[0].0;
            let name = |index: usize| {
                let host = self.links.choices.name(heads[index].0);
                match senders[index].filter(|_| are_of_one_host) {
                    Some(address) => format!("{host} from {address}"),
                    None => host.to_owned(),
                }
            };
            format!(
                "a packet of {} came before one of {}",
                name(chosen),
                name(0)
            )
        });
        heads[chosen].2
    }

    /// Returns the address of the socket that has sent a packet, if it is known.
    fn sender_of(&self, packet: &Packet) -> Option<SocketAddr> {
        let local = |id: &SocketId| self.sockets.get(id)?.local.as_ref()?.inet();
        let peer = |id: &SocketId| match &self.sockets.get(id)?.role {
            Role::Stream(stream) => stream.peer_address.inet(),
            _ => None,
        };
        match packet {
            Packet::Datagram { from, .. } => from.inet(),
            Packet::Unreachable(_) => None,
            Packet::Segment(segment) => match segment {
                Segment::Syn { from, .. } => from.inet(),
                Segment::SynAck { server, .. } => local(server),
                Segment::Established { server: id }
                | Segment::Data { to: id, .. }
                | Segment::Ack { to: id, .. }
                | Segment::Reset { to: id } => peer(id),
            },
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Retry(id) => self.retry(id),
            Event::KeepAlive(id) => self.probe(id),
            Event::Child(step) => self.run_child(step),
            Event::Packet { from, to, packet } => {
                let is_lost =
                    self.host(to).is_down || self.links.loses((from, to), &mut self.faults);
                if is_lost {
                    return;
                }
                match packet {
                    Packet::Segment(segment) => self.receive_segment((from, to), segment),
                    Packet::Datagram {
                        from: sender_at,
                        to: at,
                        sender,
                        payload,
                    } => {
                        self.receive_datagram((from, to), (sender_at, at), sender, payload);
                    }
                    Packet::Unreachable(id) => self.refuse_datagrams(id),
                }
            }
        }
    }

    /// Adds a socket whose state has changed to the list of its host.
    pub(super) fn mark(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if socket.token.is_some() && !std::mem::replace(&mut socket.is_listed, true) {
            let host = socket.host;
            self.host(host).ready.push_back(id);
        }
    }

    /// Returns whether the host has events to collect.
    pub(crate) fn has_ready(&self, host: HostId) -> bool {
        !self.hosts[host.0].ready.is_empty()
    }

    /// Removes the events of a host, in the order in which the sockets became ready.
    pub(crate) fn take_ready(&mut self, host: HostId) -> Vec<(Token, Readiness)> {
        let listed = std::mem::take(&mut self.host(host).ready);
        let mut events = Vec::with_capacity(listed.len());
        for id in listed {
            let Some(socket) = self.sockets.get_mut(&id) else {
                continue;
            };
            socket.is_listed = false;
            let token = socket.token;
            let readiness = self.readiness(id);
            if let Some(token) =
                token.filter(|_| readiness.is_readable() || readiness.is_writable())
            {
                events.push((token, readiness));
            }
        }
        events
    }

    fn readiness(&self, id: SocketId) -> Readiness {
        let Some(socket) = self.sockets.get(&id) else {
            return Readiness::default();
        };
        match &socket.role {
            Role::Unconnected => Readiness::default(),
            Role::Listener(listener) => listener.readiness(),
            Role::Stream(stream) => stream.readiness(socket.options.send_buffer),
            Role::Datagram(datagram) => datagram.readiness(),
            Role::Local(local) => self.local_readiness(local, id),
        }
    }

    /// Registers a socket, or ends its registration with `None`.
    pub(super) fn set_token(&mut self, id: SocketId, token: Option<Token>) -> Result<(), Errno> {
        self.socket(id)?.token = token;
        self.mark(id);
        Ok(())
    }

    /// Removes all that belongs to a host, without a word to the peers.
    pub(crate) fn crash(&mut self, host: HostId) {
        self.host(host).is_down = true;
        self.host(host).ready.clear();
        self.host(host).signals = HostSignals::default();
        self.host(host).children.clear();
        self.sockets.retain(|_, socket| socket.host != host);
        self.listening.retain(|(of, _), _| *of != host);
        self.local_names.retain(|(of, _), _| *of != host);
    }

    pub(crate) fn start(&mut self, host: HostId) {
        self.host(host).is_down = false;
        self.host(host).signals = HostSignals::default();
        self.host(host).children.clear();
    }

    /// Returns how many of `longest` bytes are read or written now: not all if the fault happens.
    pub(super) fn shortened(
        &mut self,
        id: SocketId,
        chance: Option<Chance>,
        longest: usize,
        operation: &str,
    ) -> usize {
        let Some(chance) = chance.filter(|_| longest > 1) else {
            return longest;
        };
        let Ok(choices) = self.choices_of(id) else {
            return longest;
        };
        choices.begin_group();
        let describe = |part: usize| format!("a {operation} moved {part} of {longest} bytes");
        if !chance.happens(&choices, &mut self.faults, || describe(1)) {
            return longest;
        }
        1 + choices.choose(longest - 1, |more| describe(1 + more))
    }

    pub(super) fn remove(&mut self, id: SocketId) {
        self.sockets.remove(&id);
    }
}

impl Socket {
    pub(super) fn is_datagram(&self) -> bool {
        matches!(self.role, Role::Datagram(_))
    }

    /// Returns whether a program has the socket, as opposed to a connection that waits to be accepted or
    /// whose socket was closed.
    fn is_open(&self) -> bool {
        match &self.role {
            Role::Stream(stream) => !stream.is_orphan && !stream.is_queued,
            Role::Local(local) => !matches!(&**local, Local::Stream(it) if it.is_internal()),
            Role::Unconnected | Role::Listener(_) | Role::Datagram(_) => true,
        }
    }
}

/// Returns whether two sockets can't both be bound to these addresses.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (any || one.ip() == other.ip())
}
