//! Keepalive: a silent peer is asked whether it is there.

use std::time::Duration;

use super::errors::Errno;
use super::network::{Event, Network, SocketId};
use super::stream::{Segment, StreamState};

/// How long and how often Linux asks a peer that does not answer (`tcp_keepalive_intvl`,
/// `tcp_keepalive_probes`).
const PROBE_INTERVAL: Duration = Duration::from_secs(75);
const PROBES: u32 = 9;

impl Network {
    /// Starts the timer of the keepalive, if the option is set.
    pub(super) fn rearm_keepalive(&mut self, id: SocketId) {
        let idle = self
            .sockets
            .get(&id)
            .and_then(|socket| socket.options.keepalive);
        let Some(stream) = self.stream(id) else {
            return;
        };
        stream.unanswered = 0;
        let old = stream.keepalive.take();
        let is_connected = stream.state == StreamState::Connected;
        old.into_iter().for_each(|key| self.remove_event(key));
        if let Some(idle) = idle.filter(|_| is_connected) {
            let key = self.add_event(self.now.saturating_add(idle), Event::KeepAlive(id));
            if let Some(stream) = self.stream(id) {
                stream.keepalive = Some(key);
            }
        }
    }

    /// Asks a silent peer whether it is there, or gives up.
    pub(super) fn probe(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let (host, is_enabled) = (socket.host, socket.options.keepalive.is_some());
        let Some(stream) = self.stream(id) else {
            return;
        };
        stream.keepalive = None;
        let Some(peer) = stream.peer.filter(|_| is_enabled) else {
            return;
        };
        if stream.unanswered == PROBES {
            return self.kill(id, Errno::TimedOut);
        }
        stream.unanswered += 1;
        let probe = Segment::Data {
            to: peer,
            from: id,
            first: stream.sent,
            bytes: Vec::new(),
            is_last: false,
        };
        let peer_host = stream.peer_host;
        self.send((host, peer_host), probe, 0, Duration::ZERO);
        let key = self.add_event(self.now + PROBE_INTERVAL, Event::KeepAlive(id));
        if let Some(stream) = self.stream(id) {
            stream.keepalive = Some(key);
        }
    }
}
