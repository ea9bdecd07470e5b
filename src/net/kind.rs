//! The kinds of sockets: what the type parameter of a [`Socket`](super::Socket) can be.
//!
//! Most programs use only the aliases, such as [`TcpStream`](super::TcpStream). Code that is generic
//! over the protocol names the kind. The types of this module have no values, and the traits are
//! sealed and can't be implemented outside of this crate.
//!
//! # Examples
//!
//! A server for TCP and Unix domain sockets:
//!
//! ```
//! use nodeloop::net::Socket;
//! use nodeloop::net::kind::{Listener, Protocol};
//!
//! async fn echo_once<P: Protocol>(listener: &Socket<Listener<P>>) -> std::io::Result<u64> {
//!     let (stream, _) = listener.accept().await?;
//!     futures::io::copy(&stream, &mut &stream).await
//! }
//! ```

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use super::os::{OsDatagram, OsListener, OsSocket, OsStream};
use crate::reactor::journal::value::Value;

/// A connected stream, as in `Socket<Stream<Tcp>>`, which is [`TcpStream`](super::TcpStream).
#[derive(Debug)]
pub struct Stream<P>(Infallible, PhantomData<P>);

/// A socket that accepts connections, as in `Socket<Listener<Tcp>>`, which is
/// [`TcpListener`](super::TcpListener).
#[derive(Debug)]
pub struct Listener<P>(Infallible, PhantomData<P>);

/// A socket for datagrams, as in `Socket<Datagram<Udp>>`, which is [`UdpSocket`](super::UdpSocket).
#[derive(Debug)]
pub struct Datagram<P>(Infallible, PhantomData<P>);

/// TCP, a [`Protocol`] for streams.
#[derive(Debug)]
pub enum Tcp {}

/// UDP, a [`DatagramProtocol`].
#[derive(Debug)]
pub enum Udp {}

/// Unix domain sockets, a [`Protocol`] for streams and a [`DatagramProtocol`] on Unix.
#[derive(Debug)]
pub enum Unix {}

/// The kind of a [`Socket`](super::Socket).
pub trait Kind: Sealed {
    /// The type of the standard library, such as [`std::net::TcpStream`].
    type Std;
    /// The type of an address, such as [`std::net::SocketAddr`].
    type Address: Value;
    #[doc(hidden)]
    type Os: OsSocket<Std = Self::Std, Address = Self::Address>;
}

impl<P: Protocol> Kind for Stream<P> {
    type Std = <P::Stream as OsSocket>::Std;
    type Address = P::Address;
    type Os = P::Stream;
}

impl<P: Protocol> Kind for Listener<P> {
    type Std = <P::Listener as OsSocket>::Std;
    type Address = P::Address;
    type Os = P::Listener;
}

impl<P: DatagramProtocol> Kind for Datagram<P> {
    type Std = <P::Datagram as OsSocket>::Std;
    type Address = P::DatagramAddress;
    type Os = P::Datagram;
}

/// A protocol for streams.
pub trait Protocol: Sealed {
    /// The type of an address, such as [`std::net::SocketAddr`].
    type Address: fmt::Debug + Value;
    #[doc(hidden)]
    type Stream: OsStream<Address = Self::Address> + Value;
    #[doc(hidden)]
    type Listener: OsListener<Stream = Self::Stream, Address = Self::Address>;
}

/// A protocol for datagrams.
pub trait DatagramProtocol: Sealed {
    /// The type of an address, such as [`std::net::SocketAddr`].
    type DatagramAddress: Value;
    #[doc(hidden)]
    type Datagram: OsDatagram<Address = Self::DatagramAddress>;
}

mod sealed {
    pub trait Sealed: std::fmt::Debug + 'static {}
}
use sealed::Sealed;

impl<P: Sealed> Sealed for Stream<P> {}
impl<P: Sealed> Sealed for Listener<P> {}
impl<P: Sealed> Sealed for Datagram<P> {}
impl Sealed for Tcp {}
impl Sealed for Udp {}
impl Sealed for Unix {}
