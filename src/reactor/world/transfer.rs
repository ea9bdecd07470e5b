//! The packets of an established connection: data, acknowledgements, and what is sent again.

use std::time::Duration;

use super::HostId;
use super::errors::Errno;
use super::network::{Event, Network, SocketId};
use super::stream::{Segment, Stream, StreamState};

/// How long a sender waits for an acknowledgement beyond the time that it should take (`TCP_RTO_MIN`).
const RETRY_AFTER: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(120);
/// How often Linux sends again before it gives up (`tcp_retries2`).
const RETRIES: u32 = 15;

impl Network {
    /// Sends as much as the peer has room for.
    pub(super) fn pump(&mut self, id: SocketId) {
        let now = self.now;
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let host = socket.host;
        loop {
            let Some(stream) = self.stream(id) else {
                return;
            };
            let Some(peer) = stream
                .peer
                .filter(|_| stream.state == StreamState::Connected)
            else {
                return;
            };
            let (peer_host, after) = (stream.peer_host, stream.last_arrival);
            let Some((first, bytes, is_last)) = stream.next_packet() else {
                break;
            };
            let length = bytes.len();
            let data = Segment::Data {
                to: peer,
                from: id,
                first,
                bytes,
                is_last,
            };
            let arrival = self.send((host, peer_host), data, length, after);
            if let Some(stream) = self.stream(id) {
                stream.last_arrival = arrival;
            }
        }
        if let Some(stream) = self.stream(id)
            && stream.retry.is_none()
            && stream.is_unacknowledged()
        {
            let (direction, retries) = ((stream.peer_host, host), stream.retries);
            let travels = stream.last_arrival.saturating_sub(now);
            let back = self.links.longest(direction, now);
            let wait = (RETRY_AFTER * (1 << retries.min(12))).min(LONGEST_RETRY);
            let due = now
                .saturating_add(travels)
                .saturating_add(back)
                .saturating_add(wait);
            let key = self.add_event(due, Event::Retry(id));
            if let Some(stream) = self.stream(id) {
                stream.retry = Some(key);
            }
        }
    }

    /// Sends again what was not acknowledged in time, or gives up.
    pub(super) fn retry(&mut self, id: SocketId) {
        let Some(stream) = self.stream(id) else {
            return;
        };
        stream.retry = None;
        match stream.state {
            StreamState::Connecting => self.retry_connect(id),
            StreamState::Connected if stream.retries < RETRIES => {
                stream.retries += 1;
                stream.sent = stream.acknowledged;
                stream.end_sent = false;
                self.pump(id);
            }
            StreamState::Connected => self.kill(id, Errno::TimedOut),
            StreamState::Accepting | StreamState::Dead => {}
        }
    }

    /// Ends a connection with an error, without a word to the peer.
    pub(super) fn kill(&mut self, id: SocketId, error: Errno) {
        let Some(stream) = self.stream(id) else {
            return;
        };
        stream.state = StreamState::Dead;
        stream.error = Some(error);
        stream.outgoing.clear();
        let (retry, keepalive) = (stream.retry.take(), stream.keepalive.take());
        let is_orphan = stream.is_orphan;
        retry
            .into_iter()
            .chain(keepalive)
            .for_each(|key| self.remove_event(key));
        if is_orphan {
            return self.remove(id);
        }
        self.mark(id);
    }

    pub(super) fn receive_segment(&mut self, (from, to): (HostId, HostId), segment: Segment) {
        match segment {
            Segment::Syn { .. } | Segment::SynAck { .. } | Segment::Established { .. } => {
                self.receive_handshake((from, to), segment);
            }
            Segment::Data {
                to: id,
                from: peer,
                first,
                bytes,
                is_last,
            } => {
                self.establish(id);
                let refuses = |it: &mut Stream| it.is_dead() || (it.is_orphan && !bytes.is_empty());
                if self.stream(id).is_none_or(refuses) {
                    // The socket was closed, or belonged to a program that has crashed.
                    self.send((to, from), Segment::Reset { to: peer }, 0, Duration::ZERO);
                    return self.kill_orphan(id);
                }
                self.receive_data(id, first, &bytes, is_last);
            }
            Segment::Ack {
                to: id,
                received,
                has_end,
                room_until,
            } => {
                self.receive_ack(id, received, has_end, room_until);
            }
            Segment::Reset { to: id } => self.receive_reset(id),
        }
    }

    fn kill_orphan(&mut self, id: SocketId) {
        if self.stream(id).is_some_and(|stream| stream.is_orphan) {
            self.kill(id, Errno::ConnectionReset);
        }
    }

    fn receive_data(&mut self, id: SocketId, first: u64, bytes: &[u8], is_last: bool) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let capacity = socket.options.recv_buffer;
        let Some(stream) = self.stream(id) else {
            return;
        };
        let known = usize::try_from(stream.received.saturating_sub(first)).unwrap_or(usize::MAX);
        let is_gap = first > stream.received;
        if !is_gap {
            let new = bytes.get(known..).unwrap_or_default();
            let promised = usize::try_from(stream.promised_until.saturating_sub(stream.received));
            let room = capacity
                .saturating_sub(stream.incoming.len())
                .max(promised.unwrap_or(0));
            let accepted = &new[..new.len().min(room)];
            stream.incoming.extend(accepted);
            stream.received += accepted.len() as u64;
            let has_end = is_last && accepted.len() == new.len();
            let is_news = !accepted.is_empty() || (has_end && !stream.has_end);
            stream.has_end |= has_end;
            if is_news {
                self.mark(id);
            }
        }
        self.acknowledge(id);
        self.remove_if_over(id);
    }

    /// Tells the peer what has arrived, and how much more is accepted.
    pub(super) fn acknowledge(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let (host, capacity) = (socket.host, socket.options.recv_buffer);
        let Some(stream) = self.stream(id) else {
            return;
        };
        let Some(peer) = stream.peer else {
            return;
        };
        let room = capacity.saturating_sub(stream.incoming.len()) as u64;
        stream.promised_until = stream.promised_until.max(stream.received + room);
        let ack = Segment::Ack {
            to: peer,
            received: stream.received,
            has_end: stream.has_end,
            room_until: stream.promised_until,
        };
        let direction = (host, stream.peer_host);
        self.send(direction, ack, 0, Duration::ZERO);
        self.rearm_keepalive(id);
    }

    fn receive_ack(&mut self, id: SocketId, received: u64, has_end: bool, room_until: u64) {
        let Some(stream) = self.stream(id) else {
            return;
        };
        let asks = stream.keepalive.is_some();
        stream.room_until = stream.room_until.max(room_until);
        let new = usize::try_from(received.saturating_sub(stream.acknowledged)).unwrap_or(0);
        let new = new.min(stream.outgoing.len());
        let is_progress = new > 0 || (has_end && !stream.end_acknowledged);
        stream.outgoing.drain(..new);
        stream.acknowledged += new as u64;
        stream.sent = stream.sent.max(stream.acknowledged);
        stream.end_acknowledged |= has_end && stream.end_sent;
        if is_progress {
            stream.retries = 0;
            let retry = stream.retry.take();
            retry.into_iter().for_each(|key| self.remove_event(key));
        }
        if asks {
            self.rearm_keepalive(id);
        }
        self.pump(id);
        self.finish_ack(id);
    }

    /// Reports room for a write that has waited.
    fn finish_ack(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let send_buffer = socket.options.send_buffer;
        let Some(stream) = self.stream(id) else {
            return;
        };
        if stream.was_full && stream.readiness(send_buffer).is_writable() {
            stream.was_full = false;
            self.mark(id);
        }
        self.remove_if_over(id);
    }

    /// Removes a connection that both sides have closed.
    fn remove_if_over(&mut self, id: SocketId) {
        let is_over = |it: &mut Stream| it.is_orphan && it.end_acknowledged && it.has_end;
        if self.stream(id).is_some_and(is_over) {
            self.remove(id);
        }
    }

    pub(super) fn receive_reset(&mut self, id: SocketId) {
        let Some(stream) = self.stream(id) else {
            return;
        };
        let error = match stream.state {
            StreamState::Connecting => Errno::ConnectionRefused,
            _ if stream.has_end => Errno::BrokenPipe, // `tcp_reset`, in `TCP_CLOSE_WAIT`
            _ => Errno::ConnectionReset,
        };
        if !stream.is_dead() {
            self.kill(id, error);
        }
    }

    /// Sends again what a partition has held up, now that it has ended.
    pub(crate) fn healed(&mut self, direction: (HostId, HostId)) {
        let concerns = |host: HostId, stream: &Stream| {
            (host, stream.peer_host) == direction || (stream.peer_host, host) == direction
        };
        let ids: Vec<SocketId> = self.sockets.keys().copied().collect();
        for id in ids {
            let host = self.sockets[&id].host;
            let Some(stream) = self.stream(id).filter(|stream| concerns(host, stream)) else {
                continue;
            };
            if stream.state == StreamState::Connected {
                self.repeat_established(id);
                self.acknowledge(id);
            }
        }
    }
}
