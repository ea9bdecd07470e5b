//! Connected streams: what TCP does once a connection is established.
//!
//! Bytes are sent as far as the peer has room, and sent again from the first that was not acknowledged
//! when an acknowledgement is late, as by a sender without selective acknowledgements. `connect.rs` has
//! the handshake.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::HostId;
use super::address::Address;
use super::errors::Errno;
use super::network::{EventKey, Network, SocketId};
use super::sources::Source;
use crate::reactor::choices::Choices;
use crate::reactor::registrations::Readiness;

/// A packet of a connection.
pub(super) enum Segment {
    Syn {
        client: SocketId,
        from: Address,
        to: Address,
        room: usize,
    },
    SynAck {
        client: SocketId,
        server: SocketId,
        room: usize,
    },
    /// The third packet of the handshake.
    Established {
        server: SocketId,
    },
    Data {
        to: SocketId,
        from: SocketId,
        /// The number of the first byte.
        first: u64,
        bytes: Vec<u8>,
        /// Whether the stream ends after these bytes.
        is_last: bool,
    },
    Ack {
        to: SocketId,
        received: u64,
        has_end: bool,
        /// The peer accepts the bytes up to this number.
        room_until: u64,
    },
    Reset {
        to: SocketId,
    },
}

/// A socket that accepts connections.
pub(super) struct Listener {
    pub(super) queue: VecDeque<SocketId>,
    pub(super) backlog: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamState {
    /// The client has sent the first packet of the handshake.
    Connecting,
    /// The server has answered it.
    Accepting,
    Connected,
    /// It was reset, or has given up.
    Dead,
}

/// One end of a connection.
pub(super) struct Stream {
    pub(super) state: StreamState,
    pub(super) peer: Option<SocketId>,
    pub(super) peer_host: HostId,
    pub(super) peer_address: Address,
    /// The socket that accepts the connection, on the side of the server.
    pub(super) listener: Option<SocketId>,
    /// Whether the connection waits to be accepted.
    pub(super) is_queued: bool,
    /// Whether the program has closed the socket, which still sends what is left.
    pub(super) is_orphan: bool,
    pub(super) error: Option<Errno>,

    /// What was written and not acknowledged.
    pub(super) outgoing: VecDeque<u8>,
    pub(super) acknowledged: u64,
    pub(super) sent: u64,
    pub(super) room_until: u64,
    pub(super) is_write_shut: bool,
    pub(super) end_sent: bool,
    pub(super) end_acknowledged: bool,
    /// Whether a write has found the buffer full.
    pub(super) was_full: bool,
    /// The timer of the retransmission, and how often it has expired.
    pub(super) retry: Option<EventKey>,
    pub(super) retries: u32,
    /// When the last packet to the peer arrives: none overtakes it.
    pub(super) last_arrival: Duration,

    pub(super) incoming: VecDeque<u8>,
    pub(super) received: u64,
    /// The peer was told that the bytes up to this number are accepted.
    pub(super) promised_until: u64,
    pub(super) has_end: bool,
    pub(super) is_read_shut: bool,

    /// The timer of the keepalive, and how many probes were not answered.
    pub(super) keepalive: Option<EventKey>,
    pub(super) unanswered: u32,
}

/// How many bytes a packet has at most, as with segmentation offload.
const PACKET: usize = 16 << 10;

impl Listener {
    pub(super) fn readiness(&self) -> Readiness {
        Readiness::new([!self.queue.is_empty(), false, false, false])
    }
}

impl Stream {
    pub(super) fn new(state: StreamState, peer_host: HostId, peer_address: Address) -> Stream {
        Stream {
            state,
            peer: None,
            peer_host,
            peer_address,
            listener: None,
            is_queued: false,
            is_orphan: false,
            error: None,
            outgoing: VecDeque::new(),
            acknowledged: 0,
            sent: 0,
            room_until: 0,
            is_write_shut: false,
            end_sent: false,
            end_acknowledged: false,
            was_full: false,
            retry: None,
            retries: 0,
            last_arrival: Duration::ZERO,
            incoming: VecDeque::new(),
            received: 0,
            promised_until: 0,
            has_end: false,
            is_read_shut: false,
            keepalive: None,
            unanswered: 0,
        }
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.listener.is_some()
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state == StreamState::Dead
    }

    pub(super) fn room(&self, send_buffer: usize) -> usize {
        send_buffer.saturating_sub(self.outgoing.len())
    }

    /// Returns what the socket is ready for, as epoll computes it and mio reports it.
    pub(super) fn readiness(&self, send_buffer: usize) -> Readiness {
        let is_over = self.is_dead() || self.error.is_some();
        let read_closed = self.has_end || self.is_read_shut || is_over;
        let is_connected = self.state == StreamState::Connected;
        let has_room = self.room(send_buffer) >= self.outgoing.len() / 2; // `sk_stream_is_writeable`
        let readable = !self.incoming.is_empty() || read_closed;
        let writable = (is_connected && (has_room || self.is_write_shut)) || is_over;
        let write_closed = is_over || (self.is_write_shut && self.has_end);
        Readiness::new([readable, writable, read_closed, write_closed])
    }

    /// Returns the end of what is to be sent.
    fn end(&self) -> u64 {
        self.acknowledged + self.outgoing.len() as u64
    }

    pub(super) fn is_unacknowledged(&self) -> bool {
        self.sent > self.acknowledged || (self.end_sent && !self.end_acknowledged)
    }

    /// Takes the next packet, if the peer has room for it.
    pub(super) fn next_packet(&mut self) -> Option<(u64, Vec<u8>, bool)> {
        let left = (self.end() - self.sent).min(self.room_until.saturating_sub(self.sent));
        let length = usize::try_from(left).map_or(PACKET, |left| left.min(PACKET));
        let first = self.sent;
        let is_last = self.is_write_shut && !self.end_sent && first + length as u64 == self.end();
        if length == 0 && !is_last {
            return None;
        }
        let from = usize::try_from(first - self.acknowledged).expect("an index of the buffer");
        let mut bytes = vec![0; length];
        copy_from(&self.outgoing, from, &mut bytes);
        self.sent += length as u64;
        self.end_sent |= is_last;
        Some((first, bytes, is_last))
    }
}

impl Network {
    pub(super) fn read(
        &mut self,
        id: SocketId,
        buffer: &mut [u8],
        peek: bool,
    ) -> Result<usize, Errno> {
        let longest = self
            .stream(id)
            .map_or(0, |it| it.incoming.len().min(buffer.len()));
        let limit = match peek {
            true => longest,
            false => self.shortened(id, self.short_reads, longest, "read"),
        };
        if limit < longest {
            self.mark(id); // the rest is reported again
        }
        let capacity = self.socket(id)?.options.recv_buffer;
        let stream = self.stream(id).ok_or(Errno::NotConnected)?;
        if !stream.incoming.is_empty() && !buffer.is_empty() {
            let length = limit;
            copy_from(&stream.incoming, 0, &mut buffer[..length]);
            if !peek {
                stream.incoming.drain(..length);
                let promised = stream.promised_until - stream.received;
                let has_more_room = (promised as usize) < capacity / 2;
                if has_more_room && stream.incoming.len() < capacity / 2 {
                    self.acknowledge(id);
                }
            }
            return Ok(length);
        }
        match stream.error.take() {
            Some(error) => Err(error),
            None if stream.has_end || stream.is_read_shut || stream.is_dead() => Ok(0),
            None if buffer.is_empty() => Ok(0),
            None => Err(Errno::WouldBlock),
        }
    }

    pub(super) fn write(&mut self, id: SocketId, bytes: &[u8]) -> Result<usize, Errno> {
        let send_buffer = self.socket(id)?.options.send_buffer;
        let may_reset = self
            .stream(id)
            .is_some_and(|it| it.state == StreamState::Connected);
        if may_reset && let Some(chance) = self.resets {
            let choices = self.choices_of(id)?;
            let describe = || format!("a write of {} bytes found a reset", bytes.len());
            if chance.happens(&choices, &mut self.faults, describe) {
                self.reset_both(id);
            }
        }
        let limit = match may_reset {
            true => self.shortened(id, self.short_writes, bytes.len(), "write"),
            false => bytes.len(),
        };
        let stream = self.stream(id).ok_or(Errno::NotConnected)?;
        if let Some(error) = stream.error.take() {
            return Err(error);
        }
        if stream.is_write_shut || stream.is_dead() {
            return Err(Errno::BrokenPipe);
        }
        if stream.state != StreamState::Connected {
            return Err(Errno::WouldBlock);
        }
        let room = stream.room(send_buffer);
        if room == 0 {
            stream.was_full = true;
            return Err(Errno::WouldBlock);
        }
        let accepted = &bytes[..limit.min(room)];
        stream.was_full |= accepted.len() == room && accepted.len() < bytes.len();
        stream.outgoing.extend(accepted);
        let length = accepted.len();
        self.pump(id);
        Ok(length)
    }

    /// Returns the choices about the calls of a socket.
    pub(super) fn choices_of(&mut self, id: SocketId) -> Result<Rc<Choices>, Errno> {
        let host = self.socket(id)?.host;
        Ok(self.links.choices.of(Source::Sockets(host)))
    }

    pub(super) fn shut(&mut self, id: SocketId, read: bool, write: bool) -> Result<(), Errno> {
        let stream = self.stream(id).ok_or(Errno::NotConnected)?;
        if matches!(stream.state, StreamState::Connecting | StreamState::Dead) {
            return Err(Errno::NotConnected);
        }
        stream.is_read_shut |= read;
        stream.is_write_shut |= write;
        self.pump(id);
        self.mark(id);
        Ok(())
    }

    /// Closes a stream: what was written is still sent, unless the peer has sent what was not read.
    pub(super) fn close_stream(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let (host, is_abortive) = (socket.host, socket.options.linger == Some(Duration::ZERO));
        socket.token = None;
        let Some(stream) = self.stream(id) else {
            return;
        };
        stream.is_orphan = true;
        stream.is_write_shut = true;
        let is_over = stream.is_dead() || stream.peer.is_none();
        let resets = is_abortive || !stream.incoming.is_empty();
        let (peer, peer_host) = (stream.peer, stream.peer_host);
        if resets && let Some(peer) = peer.filter(|_| !is_over) {
            self.send(
                (host, peer_host),
                Segment::Reset { to: peer },
                0,
                Duration::ZERO,
            );
        }
        if is_over || resets {
            return self.kill(id, Errno::ConnectionReset);
        }
        self.pump(id);
    }

    /// Resets a connection in both directions, as a box between the hosts may do.
    pub(crate) fn reset_both(&mut self, id: SocketId) {
        let peer = self.stream(id).and_then(|stream| stream.peer);
        for end in peer.into_iter().chain([id]) {
            self.receive_reset(end);
        }
    }
}

/// Copies the bytes from the index `from` on.
pub(super) fn copy_from(bytes: &VecDeque<u8>, from: usize, to: &mut [u8]) {
    let (first, second) = bytes.as_slices();
    let skipped = first.get(from..).unwrap_or_default();
    let (start, rest) = to.split_at_mut(skipped.len().min(to.len()));
    start.copy_from_slice(&skipped[..start.len()]);
    let from = from.saturating_sub(first.len());
    rest.copy_from_slice(&second[from..from + rest.len()]);
}
