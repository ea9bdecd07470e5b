//! Unix domain sockets for datagrams: none is lost, and a sender waits for its receiver.

use std::collections::VecDeque;

use super::address::Address;
use super::errors::Errno;
use super::local::{Local, LocalName, is_writable};
use super::network::{Network, SocketId};
use crate::reactor::registrations::Readiness;

/// A Unix domain socket for datagrams.
#[derive(Default)]
pub(super) struct LocalDatagram {
    /// The socket to which it is connected, which may be closed, and its address.
    pub(super) peer: Option<(SocketId, Address)>,
    queue: VecDeque<Queued>,
    /// What its datagrams take that were not received yet.
    unread: usize,
    is_read_shut: bool,
    is_write_shut: bool,
    /// Whether a datagram has found no room.
    was_full: bool,
}

/// A datagram that was not received yet.
struct Queued {
    sender: SocketId,
    from: Address,
    bytes: Vec<u8>,
}

/// How many datagrams a queue has when it is full (`net.unix.max_dgram_qlen` and one more).
const FULL_QUEUE: usize = 11;

/// What a datagram takes of the buffer of its sender beyond its bytes (`SKB_TRUESIZE`).
const OVERHEAD: usize = 768;

impl LocalDatagram {
    pub(super) fn shut(&mut self, read: bool, write: bool) {
        self.is_read_shut |= read;
        self.is_write_shut |= write;
    }

    fn is_connected_to(&self, id: SocketId) -> bool {
        self.peer.as_ref().is_some_and(|(peer, _)| *peer == id)
    }
}

impl Network {
    fn datagrams(&mut self, id: SocketId) -> Option<&mut LocalDatagram> {
        match self.local(id)? {
            Local::Datagram(datagram) => Some(datagram),
            _ => None,
        }
    }

    /// Returns what the socket is ready for, as `unix_dgram_poll` does.
    pub(super) fn local_datagram_readiness(
        &self,
        datagram: &LocalDatagram,
        id: SocketId,
        send_buffer: usize,
    ) -> Readiness {
        let peer = datagram.peer.as_ref();
        let waits = peer.is_some_and(|(peer, _)| self.is_full_for(*peer, id));
        Readiness::new([
            !datagram.queue.is_empty() || datagram.is_read_shut,
            is_writable(datagram.unread, send_buffer) && !waits,
            datagram.is_read_shut,
            datagram.is_read_shut && datagram.is_write_shut,
        ])
    }

    /// Returns whether the queue of a receiver has no room for the datagrams of a sender. Two sockets that
    /// are connected with each other are limited only by the buffer of the sender.
    fn is_full_for(&self, receiver: SocketId, sender: SocketId) -> bool {
        let local = self.sockets.get(&receiver).and_then(|it| it.role.local());
        matches!(local, Some(Local::Datagram(it)) if it.queue.len() >= FULL_QUEUE && !it.is_connected_to(sender))
    }

    /// Sets the receiver of a socket.
    pub(super) fn connect_local_datagram(
        &mut self,
        id: SocketId,
        name: &LocalName,
    ) -> Result<(), Errno> {
        let host = self.socket(id)?.host;
        let peer = self.local_named(host, name, true)?;
        self.check_receives_from(peer, id)?;
        let address = self.socket(peer)?.local.clone();
        let address = address.unwrap_or(Address::Unix(Vec::new()));
        let datagram = self.datagrams(id).ok_or(Errno::InvalidInput)?;
        datagram.peer = Some((peer, address));
        Ok(())
    }

    /// A socket that is connected receives from its peer only.
    fn check_receives_from(&mut self, receiver: SocketId, sender: SocketId) -> Result<(), Errno> {
        let receives = |it: &mut LocalDatagram| it.peer.is_none() || it.is_connected_to(sender);
        match self.datagrams(receiver).is_some_and(receives) {
            true => Ok(()),
            false => Err(Errno::NotPermitted),
        }
    }

    /// Sends a datagram to the socket of a name, or to the peer.
    pub(super) fn send_local(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        to: Option<&LocalName>,
    ) -> Result<usize, Errno> {
        let socket = self.socket(id)?;
        let (host, send_buffer) = (socket.host, socket.options.send_buffer);
        let from = socket.local.clone().unwrap_or(Address::Unix(Vec::new()));
        let sender = self.datagrams(id).ok_or(Errno::InvalidInput)?;
        let peer = sender.peer.as_ref().map(|(peer, _)| *peer);
        let receiver = match to {
            Some(name) => self.local_named(host, name, true)?,
            None => peer.ok_or(Errno::NotConnected)?,
        };
        if bytes.len() > send_buffer.saturating_sub(32) {
            return Err(Errno::TooLong);
        }
        let sender = self.datagrams(id).ok_or(Errno::InvalidInput)?;
        if sender.is_write_shut {
            return Err(Errno::BrokenPipe);
        }
        if sender.unread >= send_buffer {
            sender.was_full = true;
            return Err(Errno::WouldBlock);
        }
        if self.datagrams(receiver).is_none() {
            self.datagrams(id).ok_or(Errno::InvalidInput)?.peer = None;
            return Err(Errno::ConnectionRefused); // the peer was closed
        }
        self.check_receives_from(receiver, id)?;
        let is_full = self.is_full_for(receiver, id) && receiver != id;
        let receiving = self.datagrams(receiver).ok_or(Errno::ConnectionRefused)?;
        if receiving.is_read_shut {
            return Err(Errno::BrokenPipe);
        }
        if !is_full {
            receiving.queue.push_back(Queued {
                sender: id,
                from,
                bytes: bytes.to_owned(),
            });
            self.mark(receiver);
        }
        let sender = self.datagrams(id).ok_or(Errno::InvalidInput)?;
        if is_full {
            sender.was_full = true;
            return Err(Errno::WouldBlock);
        }
        sender.unread += bytes.len() + OVERHEAD;
        Ok(bytes.len())
    }

    /// Receives a datagram, cut to the length of the buffer.
    pub(super) fn receive_local(
        &mut self,
        id: SocketId,
        buffer: &mut [u8],
    ) -> Result<(usize, Address), Errno> {
        let datagram = self.datagrams(id).ok_or(Errno::InvalidInput)?;
        let queued = datagram.queue.pop_front().ok_or(Errno::WouldBlock)?;
        let length = queued.bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&queued.bytes[..length]);
        self.report_received(queued.sender, queued.bytes.len());
        self.wake_senders_to(id);
        Ok((length, queued.from))
    }

    /// Tells a sender that one of its datagrams is no longer in a queue.
    fn report_received(&mut self, sender: SocketId, length: usize) {
        let Some(datagram) = self.datagrams(sender) else {
            return; // closed
        };
        datagram.unread = datagram.unread.saturating_sub(length + OVERHEAD);
        if std::mem::take(&mut datagram.was_full) {
            self.mark(sender);
        }
    }

    /// Wakes the sockets that are connected to a receiver and wait for room in its queue.
    fn wake_senders_to(&mut self, receiver: SocketId) {
        let ids: Vec<SocketId> = self.sockets.keys().copied().collect();
        for id in ids {
            if let Some(datagram) = self.datagrams(id)
                && datagram.was_full
                && datagram.is_connected_to(receiver)
            {
                datagram.was_full = false;
                self.mark(id);
            }
        }
    }

    /// Drops what a socket that was closed has not received, and lets those notice that wait for it.
    pub(super) fn closed_local_datagram(&mut self, id: SocketId, datagram: LocalDatagram) {
        for queued in datagram.queue {
            self.report_received(queued.sender, queued.bytes.len());
        }
        self.wake_senders_to(id);
    }
}
