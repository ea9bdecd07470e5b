//! A Unix domain socket of a host, as its program has it. Paths are entries of the host's disk.

use std::io;
use std::path::Path;

use super::WorldHost;
use super::address::Address;
use super::errors::Errno;
use super::local::{Local, LocalName};
use super::local_datagram::LocalDatagram;
use super::network::{Network, Role};
use super::socket::WorldSocket;

impl WorldSocket {
    /// Creates a Unix domain socket for streams.
    pub(crate) fn local_stream(host: &WorldHost) -> io::Result<WorldSocket> {
        WorldSocket::new(host, Role::Local(Box::new(Local::Unconnected)))
    }

    /// Creates a Unix domain socket for datagrams.
    pub(crate) fn local_datagram(host: &WorldHost) -> io::Result<WorldSocket> {
        let datagram = Local::Datagram(LocalDatagram::default());
        WorldSocket::new(host, Role::Local(Box::new(datagram)))
    }

    /// Creates two sockets that are connected with each other.
    pub(crate) fn local_pair(
        host: &WorldHost,
        is_datagram: bool,
    ) -> io::Result<(WorldSocket, WorldSocket)> {
        let add = |network: &mut Network| network.add_local_pair(host.id, is_datagram);
        let (one, other) = host.with_network(add)?;
        let socket = |id| WorldSocket::of(host, id);
        Ok((socket(one), socket(other)))
    }

    /// Binds the socket to a path, whose entry is created, or to an abstract name.
    pub(crate) fn bind_local(&self, path: &Path) -> io::Result<()> {
        self.call(Network::check_unbound)?;
        let address = path.as_os_str().as_encoded_bytes();
        let name = match address {
            [0, ..] => LocalName::Abstract(address.to_owned()),
            _ => {
                let disk = self.host.disk();
                disk.set_world_time(self.host.clock().now());
                let created = disk
                    .create_socket(path)
                    .map_err(|error| match error.kind() {
                        io::ErrorKind::AlreadyExists => Errno::AddressInUse.into(),
                        _ => error,
                    });
                LocalName::Inode(created?)
            }
        };
        self.call(|network, id| network.bind_local(id, name, address.to_owned()))
    }

    /// Returns the name of the socket at a path.
    fn find_local(&self, path: &Path) -> io::Result<LocalName> {
        let address = path.as_os_str().as_encoded_bytes();
        if let [0, ..] = address {
            return Ok(LocalName::Abstract(address.to_owned()));
        }
        let inode = self.host.disk().find_socket(path)?;
        let inode = inode.ok_or(Errno::ConnectionRefused)?;
        Ok(LocalName::Inode(inode))
    }

    pub(crate) fn listen_local(&self, backlog: u32) -> io::Result<()> {
        self.call(|network, id| network.listen_local(id, backlog as usize))
    }

    /// Connects a stream, or sets the receiver of a socket for datagrams.
    pub(crate) fn connect_local(&self, path: &Path) -> io::Result<()> {
        let name = self.find_local(path)?;
        self.call(|network, id| match network.local(id) {
            Some(Local::Datagram(_)) => network.connect_local_datagram(id, &name),
            _ => network.connect_local(id, &name),
        })
    }

    /// Accepts a connection, and returns the name of its client.
    pub(crate) fn accept_local(&self) -> io::Result<(WorldSocket, Vec<u8>)> {
        let (id, peer) = self.call(Network::accept_local)?;
        Ok((WorldSocket::of(&self.host, id), name(Some(peer))))
    }

    /// Returns the name to which the socket is bound; it is empty if there is none.
    pub(crate) fn local_name(&self) -> io::Result<Vec<u8>> {
        self.call(|network, id| Ok(name(network.socket(id)?.local.clone())))
    }

    /// Returns the name of the peer.
    pub(crate) fn peer_name(&self) -> io::Result<Vec<u8>> {
        let peer = self.call(|network, id| Ok(network.local_peer_address(id)))?;
        match peer {
            Some(peer) => Ok(name(Some(peer))),
            None => Err(Errno::NotConnected.into()),
        }
    }

    /// Sends a datagram to the socket at a path, or to the peer.
    pub(crate) fn send_local(&self, bytes: &[u8], to: Option<&Path>) -> io::Result<usize> {
        let to = to.map(|path| self.find_local(path)).transpose()?;
        self.call(|network, id| network.send_local(id, bytes, to.as_ref()))
    }

    /// Receives a datagram, and returns the name of its sender.
    pub(crate) fn receive_local(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<u8>)> {
        let (length, from) = self.call(|network, id| network.receive_local(id, buffer))?;
        Ok((length, name(Some(from))))
    }

    /// Returns whether the socket is for datagrams.
    pub(crate) fn is_local_datagram(&self) -> io::Result<bool> {
        self.call(|network, id| Ok(matches!(network.local(id), Some(Local::Datagram(_)))))
    }

    /// Returns the user and the group of the program, which its peers have, too.
    pub(crate) fn owner(&self) -> (u32, u32) {
        self.host.disk().user()
    }
}

fn name(address: Option<Address>) -> Vec<u8> {
    match address {
        Some(Address::Unix(name)) => name,
        Some(Address::Inet(_)) | None => Vec::new(),
    }
}
