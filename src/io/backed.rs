//! A socket of the operating system, or one of a simulated world.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::reactor::world::WorldSocket;

/// A socket of the operating system, or one of a simulated world.
#[derive(Debug)]
#[allow(
    unreachable_pub,
    reason = "a type of a sealed public trait; Rust 1.88 reports it"
)]
pub enum Backed<S> {
    Real(S),
    World(WorldSocket),
}

impl<S> Backed<S> {
    /// Calls the function for what the socket is.
    #[inline]
    pub(crate) fn either<R>(
        &self,
        real: impl FnOnce(&S) -> io::Result<R>,
        world: impl FnOnce(&WorldSocket) -> io::Result<R>,
    ) -> io::Result<R> {
        match self {
            Backed::Real(socket) => real(socket),
            Backed::World(socket) => world(socket),
        }
    }

    /// Converts a socket of the operating system.
    pub(crate) fn map<T>(self, convert: impl FnOnce(S) -> T) -> Backed<T> {
        match self {
            Backed::Real(socket) => Backed::Real(convert(socket)),
            Backed::World(socket) => Backed::World(socket),
        }
    }

    /// Returns the socket of the operating system, or an error in a world, where there is none.
    pub(crate) fn into_real(self) -> io::Result<S> {
        match self {
            Backed::Real(socket) => Ok(socket),
            Backed::World(_) => Err(no_system_socket()),
        }
    }

    /// Calls `real`, or refuses in a world.
    #[allow(
        dead_code,
        reason = "Windows has no caller: only Unix lends descriptors"
    )]
    pub(crate) fn only_real<R>(&self, real: impl FnOnce(&S) -> io::Result<R>) -> io::Result<R> {
        self.either(real, |_| Err(no_system_socket()))
    }
}

/// The error of a call that only a socket of the operating system can serve.
pub(crate) fn no_system_socket() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "a socket of a simulated world has no descriptor and no socket of the operating system: use the \
         methods of `nodeloop::net`, or test this part outside of the world",
    )
}

/// The error of registering a socket of the operating system with a host of a world.
pub(crate) fn refused_in_world() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "a host of a simulated world can't use a socket of the operating system: create \
         sockets through `nodeloop::net` on the host, or test this part outside of the world",
    )
}

impl<S: Source> Source for Backed<S> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Backed::Real(socket) => socket.register(registry, token, interests),
            Backed::World(socket) => socket.set_token(Some(token)),
        }
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Backed::Real(socket) => socket.reregister(registry, token, interests),
            Backed::World(socket) => socket.set_token(Some(token)),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Backed::Real(socket) => socket.deregister(registry),
            Backed::World(socket) => socket.set_token(None),
        }
    }
}

impl<S> Read for &Backed<S>
where
    for<'a> &'a S: Read,
{
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Backed::Real(socket) => (&mut &*socket).read(buffer),
            Backed::World(socket) => socket.read(buffer),
        }
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self {
            Backed::Real(socket) => (&mut &*socket).read_vectored(buffers),
            Backed::World(socket) => socket.read_vectored(buffers),
        }
    }
}

impl<S> Write for &Backed<S>
where
    for<'a> &'a S: Write,
{
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.either(
            |mut socket| socket.write(bytes),
            |socket| socket.write(bytes),
        )
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.either(
            |mut socket| socket.write_vectored(buffers),
            |socket| socket.write_vectored(buffers),
        )
    }

    fn flush(&mut self) -> io::Result<()> {
        self.either(|mut socket| socket.flush(), |_| Ok(()))
    }
}
