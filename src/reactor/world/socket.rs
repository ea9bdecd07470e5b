//! A socket of a host, as its program has it.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Shutdown, SocketAddr};

use mio::Token;

use super::address::Address;
use super::datagram::Datagram;
use super::errors::Errno;
use super::network::{Network, Role, SocketId};
use super::options::Options;
use super::{HostId, WorldHost};

/// A socket of a simulated world. Dropping it closes it.
pub struct WorldSocket {
    pub(super) host: WorldHost,
    id: SocketId,
}

impl WorldSocket {
    /// Creates a socket for streams.
    pub(crate) fn stream(host: &WorldHost) -> io::Result<WorldSocket> {
        WorldSocket::new(host, Role::Unconnected)
    }

    /// Creates a socket for datagrams.
    pub(crate) fn datagram(host: &WorldHost) -> io::Result<WorldSocket> {
        WorldSocket::new(host, Role::Datagram(Box::<Datagram>::default()))
    }

    pub(super) fn new(host: &WorldHost, role: Role) -> io::Result<WorldSocket> {
        let id = host.with_network(|network| network.add_socket(host.id, role))?;
        Ok(WorldSocket::of(host, id))
    }

    pub(super) fn of(host: &WorldHost, id: SocketId) -> WorldSocket {
        WorldSocket {
            host: host.clone(),
            id,
        }
    }

    pub(super) fn call<R>(
        &self,
        call: impl FnOnce(&mut Network, SocketId) -> Result<R, Errno>,
    ) -> io::Result<R> {
        let result = self.host.with_network(|network| call(network, self.id));
        result.map_err(io::Error::from)
    }

    /// Registers the socket with the loop of its host, or ends the registration.
    pub(crate) fn set_token(&self, token: Option<Token>) -> io::Result<()> {
        self.call(|network, id| network.set_token(id, token))
    }

    /// Reads or changes the options.
    pub(crate) fn options<R>(&self, call: impl FnOnce(&mut Options) -> R) -> io::Result<R> {
        self.call(|network, id| Ok(call(&mut network.socket(id)?.options)))
    }

    pub(crate) fn set_keepalive(&self, idle: Option<std::time::Duration>) -> io::Result<()> {
        self.call(|network, id| {
            network.socket(id)?.options.keepalive = idle;
            network.rearm_keepalive(id);
            Ok(())
        })
    }

    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.call(|network, id| network.bind_inet(id, address))
    }

    pub(crate) fn listen(&self, backlog: u32) -> io::Result<()> {
        self.call(|network, id| {
            if network.socket(id)?.local.is_none() {
                network.bind_inet(id, SocketAddr::from(([0, 0, 0, 0], 0)))?;
            }
            network.listen(id, backlog as usize)
        })
    }

    /// Connects a stream. The outcome is reported by an event, unless it is known already.
    pub(crate) fn connect(&self, to: SocketAddr) -> io::Result<()> {
        self.call(|network, id| network.connect(id, to))?;
        // The packets within the host have arrived.
        let failed = self
            .host
            .with_network(|network| network.failed_at_once(self.id));
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    pub(crate) fn accept(&self) -> io::Result<(WorldSocket, SocketAddr)> {
        let (id, peer) = self.call(Network::accept)?;
        Ok((WorldSocket::of(&self.host, id), inet(Some(peer))?))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        let local = self.call(|network, id| Ok(network.socket(id)?.local.clone()))?;
        inet(Some(
            local.unwrap_or(Address::Inet(([0, 0, 0, 0], 0).into())),
        ))
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        inet(self.call(|network, id| Ok(network.peer_address(id)))?)
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = self.call(|network, id| Ok(network.take_error(id)))?;
        Ok(error.map(io::Error::from))
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let (read, write) = (how != Shutdown::Write, how != Shutdown::Read);
        self.call(|network, id| match network.local(id) {
            Some(_) => network.shut_local(id, read, write),
            None => network.shut(id, read, write),
        })
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|network, id| match network.local(id) {
            Some(_) => network.read_local(id, buffer),
            None => network.read(id, buffer, false),
        })
    }

    pub(crate) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|network, id| network.read(id, buffer, true))
    }

    pub(crate) fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut total = 0;
        for buffer in buffers.iter_mut().filter(|buffer| !buffer.is_empty()) {
            match self.read(buffer) {
                Ok(length) => {
                    total += length;
                    if length < buffer.len() {
                        break;
                    }
                }
                Err(_) if total > 0 => break, // reported by the next read
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.call(|network, id| match network.local(id) {
            Some(_) => network.write_local(id, bytes),
            None => network.write(id, bytes),
        })
    }

    pub(crate) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = buffers.iter().flat_map(|it| it.iter()).copied().collect();
        self.write(&bytes)
    }

    pub(crate) fn connect_datagram(&self, to: SocketAddr) -> io::Result<()> {
        self.call(|network, id| network.connect_datagram(id, to))
    }

    pub(crate) fn send(&self, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        self.call(|network, id| network.send_datagram(id, bytes, to))
    }

    pub(crate) fn receive(&self, buffer: &mut [u8], peek: bool) -> io::Result<(usize, SocketAddr)> {
        let (length, from) = self.call(|network, id| network.receive(id, buffer, peek))?;
        Ok((length, inet(Some(from))?))
    }

    /// Joins a multicast group, or leaves it.
    pub(crate) fn set_member(&self, group: IpAddr, is_member: bool) -> io::Result<()> {
        self.call(|network, id| {
            let groups = &mut network.datagram(id)?.groups;
            let is_known = groups.contains(&group);
            match (is_known, is_member) {
                (true, true) => return Err(Errno::AddressInUse),
                (false, false) => return Err(Errno::AddressNotAvailable),
                (false, true) => groups.push(group),
                (true, false) => groups.retain(|other| *other != group),
            }
            Ok(())
        })
    }
}

impl Network {
    fn peer_address(&mut self, id: SocketId) -> Option<Address> {
        match &self.sockets.get(&id)?.role {
            Role::Stream(stream) if stream.peer.is_some() => Some(stream.peer_address.clone()),
            Role::Datagram(datagram) => datagram.peer.clone(),
            _ => None,
        }
    }

    fn take_error(&mut self, id: SocketId) -> Option<Errno> {
        if self.local(id).is_some() {
            return self.take_local_error(id);
        }
        match self.stream(id) {
            Some(stream) => stream.error.take(),
            None => self.take_datagram_error(id),
        }
    }

    fn close(&mut self, id: SocketId) {
        match self.sockets.get(&id).map(|socket| &socket.role) {
            Some(Role::Stream(_)) => self.close_stream(id),
            Some(Role::Listener(_)) => self.close_listener(id),
            Some(Role::Unconnected | Role::Datagram(_)) => self.remove(id),
            Some(Role::Local(_)) => self.close_local(id),
            None => {} // the host has crashed
        }
    }
}

fn inet(address: Option<Address>) -> io::Result<SocketAddr> {
    let address = address.as_ref().and_then(Address::inet);
    address.ok_or_else(|| Errno::NotConnected.into())
}

impl Drop for WorldSocket {
    fn drop(&mut self) {
        self.host.with_network(|network| network.close(self.id));
    }
}

impl fmt::Debug for WorldSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HostId(host) = self.host.id;
        f.debug_struct("WorldSocket")
            .field("host", &host)
            .field("number", &self.id.0)
            .finish()
    }
}
