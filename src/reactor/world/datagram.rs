//! Sockets for datagrams.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use super::HostId;
use super::address::{Address, loopback};
use super::errors::Errno;
use super::network::{Event, Network, Packet, Role, SocketId};
use crate::reactor::registrations::Readiness;

/// The bytes of a datagram, shared by its copies.
pub(super) type Payload = Rc<[u8]>;

/// The longest payload of a UDP datagram over IPv4.
const LONGEST: usize = 65_507;

#[derive(Default)]
pub(super) struct Datagram {
    pub(super) peer: Option<Address>,
    queue: VecDeque<(Address, Payload)>,
    queued_bytes: usize,
    error: Option<Errno>,
    pub(super) groups: Vec<IpAddr>,
}

impl Datagram {
    pub(super) fn readiness(&self) -> Readiness {
        let has_error = self.error.is_some();
        let readable = !self.queue.is_empty() || has_error;
        Readiness::new([readable, true, has_error, has_error])
    }
}

impl Network {
    pub(super) fn datagram(&mut self, id: SocketId) -> Result<&mut Datagram, Errno> {
        match &mut self.socket(id)?.role {
            Role::Datagram(datagram) => Ok(datagram),
            _ => Err(Errno::InvalidInput),
        }
    }

    /// Sets the peer of a socket, and the local address from which it reaches the peer.
    pub(super) fn connect_datagram(&mut self, id: SocketId, to: SocketAddr) -> Result<(), Errno> {
        let to = loopback(to);
        let socket = self.socket(id)?;
        let (host, local) = (socket.host, socket.local.as_ref().and_then(Address::inet));
        if let Some(local) = local.filter(|local| local.ip().is_unspecified()) {
            let ip = self.source_ip(host, to.ip())?;
            self.socket(id)?.local = Some(Address::Inet(SocketAddr::new(ip, local.port())));
        }
        self.datagram(id)?.peer = Some(Address::Inet(to));
        Ok(())
    }

    /// Sends a datagram to `to`, or to the peer.
    pub(super) fn send_datagram(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, Errno> {
        let datagram = self.datagram(id)?;
        if let Some(error) = datagram.error.take() {
            return Err(error);
        }
        let peer = datagram.peer.as_ref().and_then(Address::inet);
        let to = to.or(peer).ok_or(Errno::DestinationRequired)?;
        if bytes.len() > LONGEST {
            return Err(Errno::TooLong);
        }
        let socket = self.socket(id)?;
        let (host, local) = (socket.host, socket.local.as_ref().and_then(Address::inet));
        let local = local.ok_or(Errno::InvalidInput)?;
        if local.is_ipv4() != to.is_ipv4() {
            return Err(Errno::InvalidInput);
        }
        let payload: Payload = bytes.into();
        if to.ip().is_multicast() {
            self.send_to_group(id, (host, local), to, &payload)?;
            return Ok(bytes.len());
        }
        let ip = match local.ip() {
            ip if ip.is_unspecified() => self.source_ip(host, to.ip())?,
            ip => ip,
        };
        let from = SocketAddr::new(ip, local.port());
        let to = match to.ip() {
            ip if ip.is_unspecified() => SocketAddr::new(self.source_ip(host, ip)?, to.port()),
            _ => to,
        };
        if let Some(to_host) = self.host_at(host, to.ip()) {
            self.send_copies((host, to_host), (from, to), id, &payload);
        }
        Ok(bytes.len())
    }

    fn send_copies(
        &mut self,
        direction: (HostId, HostId),
        (from, to): (SocketAddr, SocketAddr),
        sender: SocketId,
        payload: &Payload,
    ) {
        let (now, length) = (self.now, payload.len());
        let arrivals = self
            .links
            .datagram_arrivals(direction, now, length, &mut self.faults);
        for arrival in arrivals {
            let packet = Packet::Datagram {
                from: Address::Inet(from),
                to: Address::Inet(to),
                sender,
                payload: payload.clone(),
            };
            let (from, to) = direction;
            self.add_event(arrival, Event::Packet { from, to, packet });
        }
    }

    /// Sends a datagram to every host that has a member of the group.
    fn send_to_group(
        &mut self,
        id: SocketId,
        (host, local): (HostId, SocketAddr),
        to: SocketAddr,
        payload: &Payload,
    ) -> Result<(), Errno> {
        let loops = self.socket(id)?.options.multicast_loop;
        let ip = match local.ip() {
            ip if ip.is_unspecified() => {
                let of_family = |own: &&IpAddr| own.is_ipv4() == to.is_ipv4();
                let own = self.host(host).addresses.iter().find(of_family).copied();
                own.unwrap_or(Ipv4Addr::LOCALHOST.into())
            }
            ip => ip,
        };
        let from = SocketAddr::new(ip, local.port());
        for number in 0..self.hosts.len() {
            let to_host = HostId(number);
            if to_host != host || loops {
                self.send_copies((host, to_host), (from, to), id, payload);
            }
        }
        Ok(())
    }

    /// Queues a datagram that has arrived, unless the buffer of its socket is full.
    pub(super) fn receive_datagram(
        &mut self,
        (from, to): (HostId, HostId),
        (sender_at, at): (Address, Address),
        sender: SocketId,
        payload: Payload,
    ) {
        let receivers = self.receivers(to, &sender_at, &at);
        let is_multicast = at.inet().is_some_and(|at| at.ip().is_multicast());
        if receivers.is_empty() && !is_multicast {
            let packet = Packet::Unreachable(sender);
            let arrival = self.links.arrival((to, from), self.now, 0);
            let (from, to) = (to, from);
            self.add_event(arrival, Event::Packet { from, to, packet });
        }
        for id in receivers {
            let Ok(socket) = self.socket(id) else {
                continue;
            };
            let capacity = socket.options.recv_buffer;
            let Role::Datagram(datagram) = &mut socket.role else {
                continue;
            };
            if datagram.queued_bytes + payload.len() <= capacity {
                datagram.queued_bytes += payload.len();
                datagram
                    .queue
                    .push_back((sender_at.clone(), payload.clone()));
                self.mark(id);
            }
        }
    }

    /// Returns the sockets that receive a datagram: every member of a group, or the one that was bound
    /// last of those that match best.
    fn receivers(&self, host: HostId, from: &Address, at: &Address) -> Vec<SocketId> {
        let Some(at) = at.inet() else {
            return Vec::new();
        };
        let rank = |id: &SocketId| {
            let socket = &self.sockets[id];
            let Role::Datagram(datagram) = &socket.role else {
                return None;
            };
            let local = socket.local.as_ref().and_then(Address::inet)?;
            let is_reached = match at.ip() {
                ip if ip.is_multicast() => datagram.groups.contains(&ip),
                ip => {
                    local.ip() == ip
                        || (local.ip().is_unspecified() && local.is_ipv4() == ip.is_ipv4())
                }
            };
            let is_from_peer = datagram.peer.as_ref().is_none_or(|peer| peer == from);
            let is_match = socket.host == host && local.port() == at.port() && is_reached;
            (is_match && is_from_peer)
                .then_some((datagram.peer.is_some(), !local.ip().is_unspecified()))
        };
        let ranked = self.sockets.keys().filter_map(|id| Some((rank(id)?, *id)));
        if at.ip().is_multicast() {
            return ranked.map(|(_, id)| id).collect();
        }
        ranked.max().map(|(_, id)| id).into_iter().collect()
    }

    /// Reports to a connected sender that nobody receives its datagrams.
    pub(super) fn refuse_datagrams(&mut self, sender: SocketId) {
        let Ok(datagram) = self.datagram(sender) else {
            return;
        };
        if datagram.peer.is_some() {
            datagram.error = Some(Errno::ConnectionRefused);
            self.mark(sender);
        }
    }

    /// Receives a datagram, cut to the length of the buffer.
    pub(super) fn receive(
        &mut self,
        id: SocketId,
        buffer: &mut [u8],
        peek: bool,
    ) -> Result<(usize, Address), Errno> {
        let datagram = self.datagram(id)?;
        if let Some(error) = datagram.error.take() {
            return Err(error);
        }
        let Some((from, payload)) = datagram.queue.front().cloned() else {
            return Err(Errno::WouldBlock);
        };
        if !peek {
            datagram.queue.pop_front();
            datagram.queued_bytes -= payload.len();
        }
        let length = payload.len().min(buffer.len());
        buffer[..length].copy_from_slice(&payload[..length]);
        Ok((length, from))
    }

    pub(super) fn take_datagram_error(&mut self, id: SocketId) -> Option<Errno> {
        self.datagram(id).ok()?.error.take()
    }
}
