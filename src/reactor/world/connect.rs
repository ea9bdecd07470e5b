//! How a connection is established: the handshake, and the queue of a listener.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::HostId;
use super::address::{Address, loopback};
use super::errors::Errno;
use super::network::{Event, Network, Role, SocketId};
use super::stream::{Listener, Segment, Stream, StreamState};

/// How long a client waits for the first answer; each wait is twice as long as the one before.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// How often Linux tries again before it gives up (`tcp_syn_retries`): after 127 seconds.
const RETRIES: u32 = 6;
/// The longest queue of a listener (`net.core.somaxconn`).
const LONGEST_BACKLOG: usize = 4_096;

impl Network {
    pub(super) fn listen(&mut self, id: SocketId, backlog: usize) -> Result<(), Errno> {
        let socket = self.socket(id)?;
        let Some(local) = socket.local.clone() else {
            return Err(Errno::InvalidInput);
        };
        socket.role = Role::Listener(Listener {
            queue: VecDeque::new(),
            backlog: backlog.clamp(1, LONGEST_BACKLOG),
        });
        let host = socket.host;
        self.listening.entry((host, local)).or_default().push(id);
        Ok(())
    }

    /// Starts to connect a socket. A refusal within the host is an error at once, as on Linux.
    pub(super) fn connect(&mut self, id: SocketId, to: SocketAddr) -> Result<(), Errno> {
        let socket = self.socket(id)?;
        let host = socket.host;
        if !matches!(socket.role, Role::Unconnected) {
            return Err(Errno::AlreadyConnected);
        }
        let to_host = self.host_at(host, to.ip());
        let to_host = to_host.ok_or(Errno::HostUnreachable)?;
        let from = self.local_for(id, to)?;
        let socket = self.socket(id)?;
        socket.local = Some(from.clone());
        let room = socket.options.recv_buffer;
        let to = Address::Inet(loopback(to));
        let stream = Stream::new(StreamState::Connecting, to_host, to.clone());
        socket.role = Role::Stream(Box::new(stream));
        self.send_syn(id, (host, to_host), (from, to), room);
        Ok(())
    }

    /// Returns the error of a connection that has failed already.
    pub(super) fn failed_at_once(&mut self, id: SocketId) -> Option<Errno> {
        self.stream(id).and_then(|stream| stream.error.take())
    }

    /// Returns the address from which a socket reaches `to`.
    fn local_for(&mut self, id: SocketId, to: SocketAddr) -> Result<Address, Errno> {
        let socket = self.socket(id)?;
        let (host, local) = (socket.host, socket.local.clone());
        let bound = local.as_ref().and_then(Address::inet);
        let ip = match bound {
            Some(bound) if !bound.ip().is_unspecified() => bound.ip(),
            _ => self.source_ip(host, to.ip())?,
        };
        let port = match bound {
            Some(bound) => bound.port(),
            None => self.free_port(host, false)?,
        };
        Ok(Address::Inet(SocketAddr::new(ip, port)))
    }

    /// Returns the address of a host that is the source of packets to `to`.
    pub(super) fn source_ip(&mut self, host: HostId, to: IpAddr) -> Result<IpAddr, Errno> {
        let own = &self.host(host).addresses;
        if own.contains(&to) {
            return Ok(to);
        }
        if to.is_loopback() || to.is_unspecified() {
            return Ok(match to {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let of_family = |own: &&IpAddr| own.is_ipv4() == to.is_ipv4();
        own.iter()
            .find(of_family)
            .copied()
            .ok_or(Errno::NetworkUnreachable)
    }

    fn send_syn(
        &mut self,
        client: SocketId,
        direction: (HostId, HostId),
        (from, to): (Address, Address),
        room: usize,
    ) {
        let syn = Segment::Syn {
            client,
            from,
            to,
            room,
        };
        self.send(direction, syn, 0, Duration::ZERO);
        let retries = self.stream(client).map_or(0, |stream| stream.retries);
        let due = self.now + FIRST_RETRY * (1 << retries);
        let key = self.add_event(due, Event::Retry(client));
        if let Some(stream) = self.stream(client) {
            stream.retry = Some(key);
        }
    }

    /// Sends the first packet again, or gives up.
    pub(super) fn retry_connect(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let (host, room) = (socket.host, socket.options.recv_buffer);
        let local = socket.local.clone();
        let (Some(stream), Some(local)) = (self.stream(id), local) else {
            return;
        };
        if stream.retries == RETRIES {
            return self.kill(id, Errno::TimedOut);
        }
        stream.retries += 1;
        let (peer_host, peer) = (stream.peer_host, stream.peer_address.clone());
        self.send_syn(id, (host, peer_host), (local, peer), room);
    }

    pub(super) fn receive_handshake(&mut self, (from, to): (HostId, HostId), segment: Segment) {
        match segment {
            Segment::Syn {
                client,
                from: from_address,
                to: to_address,
                room,
            } => {
                self.receive_syn((from, to), client, (from_address, to_address), room);
            }
            Segment::SynAck {
                client,
                server,
                room,
            } => {
                let is_waiting = |stream: &&mut Stream| stream.state == StreamState::Connecting;
                let Some(stream) = self.stream(client).filter(is_waiting) else {
                    let is_known = self
                        .stream(client)
                        .is_some_and(|it| it.peer == Some(server));
                    if !is_known {
                        self.send((to, from), Segment::Reset { to: server }, 0, Duration::ZERO);
                    }
                    return;
                };
                stream.state = StreamState::Connected;
                stream.peer = Some(server);
                stream.room_until = room as u64;
                stream.retries = 0;
                let retry = stream.retry.take();
                retry.into_iter().for_each(|key| self.remove_event(key));
                self.send(
                    (to, from),
                    Segment::Established { server },
                    0,
                    Duration::ZERO,
                );
                self.mark(client);
                self.rearm_keepalive(client);
                self.pump(client);
            }
            Segment::Established { server } => self.establish(server),
            Segment::Data { .. } | Segment::Ack { .. } | Segment::Reset { .. } => {}
        }
    }

    fn receive_syn(
        &mut self,
        (from, to): (HostId, HostId),
        client: SocketId,
        (from_address, to_address): (Address, Address),
        room: usize,
    ) {
        let known = self.sockets.iter().find(|(_, socket)| {
            let is_its_peer = |stream: &Stream| stream.peer == Some(client) && stream.is_accepted();
            socket.host == to && matches!(&socket.role, Role::Stream(it) if is_its_peer(it))
        });
        let known = known.map(|(id, _)| *id);
        let server = match known.map_or_else(
            || self.queue_connection((from, to), client, (&from_address, &to_address)),
            |id| Ok(Some(id)),
        ) {
            Ok(Some(server)) => server,
            Ok(None) => return, // lost: the client tries again
            Err(_) => {
                self.send((to, from), Segment::Reset { to: client }, 0, Duration::ZERO);
                return;
            }
        };
        let own_room = self.sockets[&server].options.recv_buffer;
        if let Some(stream) = self.stream(server) {
            stream.room_until = stream.room_until.max(room as u64);
        }
        let answer = Segment::SynAck {
            client,
            server,
            room: own_room,
        };
        self.send((to, from), answer, 0, Duration::ZERO);
    }

    /// Creates the socket of a connection that a listener may accept. Returns `None` if its queue is full,
    /// and an error if there is no listener.
    fn queue_connection(
        &mut self,
        (from, to): (HostId, HostId),
        client: SocketId,
        (from_address, to_address): (&Address, &Address),
    ) -> Result<Option<SocketId>, Errno> {
        if let Some(fault) = self.links.refusing.get(&to).copied() {
            self.faults.fire(fault);
            return Err(Errno::ConnectionRefused);
        }
        let listener = self.listener_at(to, to_address, client);
        let listener = listener.ok_or(Errno::ConnectionRefused)?;
        let socket = self.socket(listener)?;
        let options = socket.options.clone();
        let Role::Listener(queue) = &socket.role else {
            return Err(Errno::ConnectionRefused);
        };
        let (queued, backlog) = (queue.queue.len(), queue.backlog);
        if queued > backlog {
            return Ok(None);
        }
        let mut stream = Stream::new(StreamState::Accepting, from, from_address.clone());
        stream.peer = Some(client);
        stream.listener = Some(listener);
        stream.is_queued = true;
        let server = self.insert(to, Role::Stream(Box::new(stream)), options);
        self.socket(server)?.local = Some(to_address.clone());
        Ok(Some(server))
    }

    fn listener_at(&self, host: HostId, at: &Address, client: SocketId) -> Option<SocketId> {
        let exact = self.listening.get(&(host, at.clone()));
        let ids = exact.or_else(|| {
            let at = at.inet()?;
            let any: IpAddr = match at.ip() {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let any = Address::Inet(SocketAddr::new(any, at.port()));
            self.listening.get(&(host, any))
        })?;
        let index = usize::try_from(client.0).unwrap_or(0) % ids.len().max(1);
        ids.get(index).copied()
    }

    /// Hands an established connection to its listener.
    pub(super) fn establish(&mut self, id: SocketId) {
        let Some(stream) = self.stream(id) else {
            return;
        };
        if stream.state != StreamState::Accepting {
            return;
        }
        stream.state = StreamState::Connected;
        let listener = stream.listener;
        let queue = listener.and_then(|id| self.sockets.get_mut(&id));
        let Some(Role::Listener(queue)) = queue.map(|socket| &mut socket.role) else {
            return self.close_stream(id); // closed meanwhile
        };
        queue.queue.push_back(id);
        if let Some(listener) = listener {
            self.mark(listener);
        }
        self.pump(id);
    }

    /// Sends the third packet of the handshake again, if the peer may not have received it.
    pub(super) fn repeat_established(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let host = socket.host;
        let Some(stream) = self.stream(id) else {
            return;
        };
        let (peer, peer_host) = (stream.peer, stream.peer_host);
        if let Some(server) = peer {
            self.send(
                (host, peer_host),
                Segment::Established { server },
                0,
                Duration::ZERO,
            );
        }
    }

    pub(super) fn accept(&mut self, id: SocketId) -> Result<(SocketId, Address), Errno> {
        let socket = self.socket(id)?;
        let host = socket.host;
        let Role::Listener(listener) = &mut socket.role else {
            return Err(Errno::InvalidInput);
        };
        if listener.queue.is_empty() {
            return Err(Errno::WouldBlock);
        }
        self.check_limit(host)?;
        let socket = self.socket(id)?;
        let Role::Listener(listener) = &mut socket.role else {
            return Err(Errno::InvalidInput);
        };
        let accepted = listener.queue.pop_front().ok_or(Errno::WouldBlock)?;
        let stream = self.stream(accepted).ok_or(Errno::ConnectionReset)?;
        stream.is_queued = false;
        let peer = stream.peer_address.clone();
        self.rearm_keepalive(accepted);
        Ok((accepted, peer))
    }

    /// Closes a listener, and resets the connections that nobody has accepted.
    pub(super) fn close_listener(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let (host, local) = (socket.host, socket.local.take());
        if let Some(local) = local
            && let Some(ids) = self.listening.get_mut(&(host, local.clone()))
        {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.listening.remove(&(host, local));
            }
        }
        self.sockets.remove(&id);
        let is_waiting = |stream: &Stream| stream.is_queued && stream.listener == Some(id);
        let waiting = self.sockets.iter().filter(
            |(_, socket)| matches!(&socket.role, Role::Stream(stream) if is_waiting(stream)),
        );
        let waiting: Vec<SocketId> = waiting.map(|(id, _)| *id).collect();
        for id in waiting {
            if let Some(socket) = self.sockets.get_mut(&id) {
                socket.options.linger = Some(Duration::ZERO);
            }
            self.close_stream(id);
        }
    }
}
