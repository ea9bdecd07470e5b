//! Unix domain sockets: what one end does reaches the other before the call returns.
//!
//! Both ends belong to one host, so there are no packets, and no fault of the network concerns them except
//! short reads and writes. The rules are those of Linux (`net/unix/af_unix.c` of version 6).
//! `local_datagram.rs` has the sockets for datagrams, `local_socket.rs` what a program has of a socket.

use std::collections::VecDeque;

use super::HostId;
use super::address::Address;
use super::errors::Errno;
use super::local_datagram::LocalDatagram;
use super::network::{Network, Role, SocketId};
use super::options::Options;
use super::stream::copy_from;
use crate::reactor::disk::InodeNumber;
use crate::reactor::registrations::Readiness;

/// What finds a socket that is bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LocalName {
    /// An entry of the disk.
    Inode(InodeNumber),
    /// An abstract name, which begins with a NUL byte.
    Abstract(Vec<u8>),
}

/// A Unix domain socket.
pub(super) enum Local {
    /// A socket for streams that neither listens nor is connected.
    Unconnected,
    Listener(LocalListener),
    Stream(LocalStream),
    Datagram(LocalDatagram),
}

/// The connections that wait to be accepted.
pub(super) struct LocalListener {
    queue: VecDeque<SocketId>,
    backlog: usize,
}

/// One end of a connection.
pub(super) struct LocalStream {
    /// The other end, which may be closed.
    peer: SocketId,
    pub(super) peer_address: Address,
    pub(super) error: Option<Errno>,
    incoming: VecDeque<u8>,
    /// How much the peer has not read of what this end has written.
    unread: usize,
    is_read_shut: bool,
    is_write_shut: bool,
    /// Whether a write has found no room.
    was_full: bool,
    /// Whether the connection waits to be accepted.
    is_queued: bool,
    /// Whether a child process has this end, which reads everything at once.
    is_of_child: bool,
}

/// The longest queue of a listener (`net.core.somaxconn`).
const LONGEST_BACKLOG: usize = 4_096;

impl LocalStream {
    fn new(peer: SocketId, peer_address: Address) -> LocalStream {
        LocalStream {
            peer,
            peer_address,
            error: None,
            incoming: VecDeque::new(),
            unread: 0,
            is_read_shut: false,
            is_write_shut: false,
            was_full: false,
            is_queued: false,
            is_of_child: false,
        }
    }

    /// Returns whether no program of a host has this end.
    pub(super) fn is_internal(&self) -> bool {
        self.is_queued || self.is_of_child
    }

    /// Returns what the socket is ready for, as `unix_poll` does.
    fn readiness(&self, send_buffer: usize) -> Readiness {
        Readiness::new([
            !self.incoming.is_empty() || self.is_read_shut,
            is_writable(self.unread, send_buffer) || self.error.is_some(),
            self.is_read_shut,
            self.is_read_shut && self.is_write_shut,
        ])
    }

    fn shut(&mut self, read: bool, write: bool) {
        self.is_read_shut |= read;
        self.is_write_shut |= write;
    }
}

/// Returns whether a socket with `unread` bytes under way is reported as writable (`unix_writable`).
pub(super) fn is_writable(unread: usize, send_buffer: usize) -> bool {
    unread.saturating_mul(4) <= send_buffer
}

impl Network {
    pub(super) fn local(&mut self, id: SocketId) -> Option<&mut Local> {
        match &mut self.sockets.get_mut(&id)?.role {
            Role::Local(local) => Some(local),
            _ => None,
        }
    }

    fn local_stream(&mut self, id: SocketId) -> Option<&mut LocalStream> {
        match self.local(id)? {
            Local::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn local_listener(&mut self, id: SocketId) -> Option<&mut LocalListener> {
        match self.local(id)? {
            Local::Listener(listener) => Some(listener),
            _ => None,
        }
    }

    pub(super) fn local_readiness(&self, local: &Local, id: SocketId) -> Readiness {
        let send_buffer = self.sockets[&id].options.send_buffer;
        match local {
            Local::Unconnected => Readiness::default(),
            Local::Listener(listener) => {
                Readiness::new([!listener.queue.is_empty(), false, false, false])
            }
            Local::Stream(stream) => stream.readiness(send_buffer),
            Local::Datagram(datagram) => self.local_datagram_readiness(datagram, id, send_buffer),
        }
    }

    /// Creates two streams that are connected with each other.
    pub(super) fn add_local_pair(
        &mut self,
        host: HostId,
        is_datagram: bool,
    ) -> Result<(SocketId, SocketId), Errno> {
        let unconnected = || match is_datagram {
            true => Local::Datagram(LocalDatagram::default()),
            false => Local::Unconnected,
        };
        let one = self.add_socket(host, Role::Local(Box::new(unconnected())))?;
        let other = self.add_socket(host, Role::Local(Box::new(unconnected())));
        let other = other.inspect_err(|_| self.remove(one))?;
        for (id, peer) in [(one, other), (other, one)] {
            let unnamed = Address::Unix(Vec::new());
            match self.local(id) {
                Some(Local::Datagram(datagram)) => datagram.peer = Some((peer, unnamed)),
                Some(local) => *local = Local::Stream(LocalStream::new(peer, unnamed)),
                None => {}
            }
        }
        Ok((one, other))
    }

    /// Gives a socket a name that no other socket has. `address` is what its peers see.
    pub(super) fn bind_local(
        &mut self,
        id: SocketId,
        name: LocalName,
        address: Vec<u8>,
    ) -> Result<(), Errno> {
        self.check_unbound(id)?;
        let host = self.socket(id)?.host;
        let is_taken = self.local_names.contains_key(&(host, name.clone()));
        if is_taken {
            return Err(Errno::AddressInUse);
        }
        self.local_names.insert((host, name), id);
        self.socket(id)?.local = Some(Address::Unix(address));
        Ok(())
    }

    pub(super) fn check_unbound(&mut self, id: SocketId) -> Result<(), Errno> {
        match self.socket(id)?.local {
            None => Ok(()),
            Some(_) => Err(Errno::InvalidInput),
        }
    }

    /// Returns the socket of a name.
    pub(super) fn local_named(
        &mut self,
        host: HostId,
        name: &LocalName,
        for_datagrams: bool,
    ) -> Result<SocketId, Errno> {
        let id = self.local_names.get(&(host, name.clone())).copied();
        let id = id.ok_or(Errno::ConnectionRefused)?;
        let is_datagram = matches!(self.local(id), Some(Local::Datagram(_)));
        match is_datagram == for_datagrams {
            true => Ok(id),
            false => Err(Errno::WrongType),
        }
    }

    pub(super) fn listen_local(&mut self, id: SocketId, backlog: usize) -> Result<(), Errno> {
        if self.socket(id)?.local.is_none() {
            return Err(Errno::InvalidInput);
        }
        match self.local(id) {
            Some(local @ Local::Unconnected) => {
                *local = Local::Listener(LocalListener {
                    queue: VecDeque::new(),
                    backlog: backlog.min(LONGEST_BACKLOG),
                });
                Ok(())
            }
            _ => Err(Errno::InvalidInput),
        }
    }

    /// Connects a stream, which succeeds or fails at once.
    pub(super) fn connect_local(&mut self, id: SocketId, name: &LocalName) -> Result<(), Errno> {
        let socket = self.socket(id)?;
        let (host, own_address) = (socket.host, socket.local.clone());
        if !matches!(self.local(id), Some(Local::Unconnected)) {
            return Err(Errno::AlreadyConnected);
        }
        let listener = self.local_named(host, name, false)?;
        let queue = self.local_listener(listener);
        let queue = queue.ok_or(Errno::ConnectionRefused)?;
        if queue.queue.len() > queue.backlog {
            return Err(Errno::WouldBlock);
        }
        let (address, options) = self.address_and_options(listener)?;
        let own_address = own_address.unwrap_or(Address::Unix(Vec::new()));
        let mut accepted = LocalStream::new(id, own_address);
        accepted.is_queued = true;
        let accepted = Role::Local(Box::new(Local::Stream(accepted)));
        let accepted = self.insert(host, accepted, options);
        self.socket(accepted)?.local = Some(address.clone());
        if let Some(local) = self.local(id) {
            *local = Local::Stream(LocalStream::new(accepted, address));
        }
        if let Some(listener) = self.local_listener(listener) {
            listener.queue.push_back(accepted);
        }
        self.mark(listener);
        Ok(())
    }

    /// Returns the address of a socket, and the options that its connections inherit.
    fn address_and_options(&mut self, id: SocketId) -> Result<(Address, Options), Errno> {
        let socket = self.socket(id)?;
        let address = socket.local.clone().unwrap_or(Address::Unix(Vec::new()));
        Ok((address, socket.options.clone()))
    }

    pub(super) fn accept_local(&mut self, id: SocketId) -> Result<(SocketId, Address), Errno> {
        let host = self.socket(id)?.host;
        let listener = self.local_listener(id).ok_or(Errno::InvalidInput)?;
        if listener.queue.is_empty() {
            return Err(Errno::WouldBlock);
        }
        self.check_limit(host)?;
        let listener = self.local_listener(id).ok_or(Errno::InvalidInput)?;
        let accepted = listener.queue.pop_front().ok_or(Errno::WouldBlock)?;
        let stream = self.local_stream(accepted).ok_or(Errno::ConnectionReset)?;
        stream.is_queued = false;
        Ok((accepted, stream.peer_address.clone()))
    }

    pub(super) fn read_local(&mut self, id: SocketId, buffer: &mut [u8]) -> Result<usize, Errno> {
        let stream = self.local_stream(id).ok_or(Errno::NotConnected)?;
        let longest = stream.incoming.len().min(buffer.len());
        if longest == 0 {
            return match stream.error.take() {
                Some(error) => Err(error),
                None if stream.is_read_shut || buffer.is_empty() => Ok(0),
                None => Err(Errno::WouldBlock),
            };
        }
        let length = self.shortened(id, self.short_reads, longest, "read");
        if length < longest {
            self.mark(id); // the rest is reported again
        }
        let stream = self.local_stream(id).ok_or(Errno::NotConnected)?;
        copy_from(&stream.incoming, 0, &mut buffer[..length]);
        stream.incoming.drain(..length);
        let peer = stream.peer;
        self.report_read(peer, length);
        Ok(length)
    }

    /// Tells the writer that its peer has read something.
    fn report_read(&mut self, writer: SocketId, length: usize) {
        let Some(socket) = self.sockets.get(&writer) else {
            return;
        };
        let send_buffer = socket.options.send_buffer;
        let Some(stream) = self.local_stream(writer) else {
            return;
        };
        stream.unread = stream.unread.saturating_sub(length);
        if stream.was_full && is_writable(stream.unread, send_buffer) {
            stream.was_full = false;
            self.mark(writer);
        }
    }

    pub(super) fn write_local(&mut self, id: SocketId, bytes: &[u8]) -> Result<usize, Errno> {
        let send_buffer = self.socket(id)?.options.send_buffer;
        let stream = self.local_stream(id).ok_or(Errno::NotConnected)?;
        if stream.is_write_shut {
            return Err(Errno::BrokenPipe);
        }
        let room = send_buffer.saturating_sub(stream.unread);
        if room == 0 && !bytes.is_empty() {
            stream.was_full = true;
            return Err(Errno::WouldBlock);
        }
        let length = self
            .shortened(id, self.short_writes, bytes.len(), "write")
            .min(room);
        let stream = self.local_stream(id).ok_or(Errno::NotConnected)?;
        stream.was_full |= length == room && length < bytes.len();
        let peer = stream.peer;
        if self.local_stream(peer).is_some_and(|it| it.is_of_child) {
            return Ok(length);
        }
        self.feed_local(id, &bytes[..length]);
        Ok(length)
    }

    /// Writes bytes even if there is no room.
    pub(super) fn feed_local(&mut self, id: SocketId, bytes: &[u8]) {
        let Some(stream) = self.local_stream(id).filter(|_| !bytes.is_empty()) else {
            return;
        };
        stream.unread += bytes.len();
        let peer = stream.peer;
        if let Some(stream) = self.local_stream(peer) {
            stream.incoming.extend(bytes);
            self.mark(peer);
        }
    }

    /// Gives an end to a child process.
    pub(super) fn set_internal(&mut self, id: SocketId) {
        if let Some(stream) = self.local_stream(id) {
            stream.is_of_child = true;
        }
    }

    /// Shuts down directions. The other end notices both: after its peer has shut down reading, a write
    /// fails.
    pub(super) fn shut_local(
        &mut self,
        id: SocketId,
        read: bool,
        write: bool,
    ) -> Result<(), Errno> {
        let stream = match self.local(id) {
            Some(Local::Stream(stream)) => stream,
            Some(Local::Datagram(datagram)) => {
                datagram.shut(read, write);
                self.mark(id);
                return Ok(());
            }
            _ => return Err(Errno::NotConnected),
        };
        stream.shut(read, write);
        let peer = stream.peer;
        self.mark(id);
        if let Some(stream) = self.local_stream(peer) {
            stream.shut(write, read);
            self.mark(peer);
        }
        Ok(())
    }

    /// Closes a socket. Its name stays on the disk, where nobody listens any more.
    pub(super) fn close_local(&mut self, id: SocketId) {
        self.local_names.retain(|_, bound| *bound != id);
        let Some(socket) = self.sockets.remove(&id) else {
            return;
        };
        let Role::Local(local) = socket.role else {
            return;
        };
        match *local {
            Local::Unconnected => {}
            Local::Listener(listener) => {
                listener
                    .queue
                    .into_iter()
                    .for_each(|it| self.close_local(it));
            }
            Local::Stream(stream) => {
                let is_reset = stream.is_queued || !stream.incoming.is_empty();
                if let Some(peer) = self.local_stream(stream.peer) {
                    peer.shut(true, true);
                    peer.unread = 0; // dropped
                    peer.error = is_reset.then_some(Errno::ConnectionReset);
                    self.mark(stream.peer);
                }
            }
            Local::Datagram(datagram) => self.closed_local_datagram(id, datagram),
        }
    }

    /// Returns the address of the peer.
    pub(super) fn local_peer_address(&mut self, id: SocketId) -> Option<Address> {
        match self.local(id)? {
            Local::Stream(stream) => Some(stream.peer_address.clone()),
            Local::Datagram(datagram) => datagram.peer.as_ref().map(|(_, at)| at.clone()),
            Local::Unconnected | Local::Listener(_) => None,
        }
    }

    pub(super) fn take_local_error(&mut self, id: SocketId) -> Option<Errno> {
        self.local_stream(id)?.error.take()
    }
}
