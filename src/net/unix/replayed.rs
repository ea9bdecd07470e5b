//! Unix domain sockets in a replay, which are neither bound nor connected: no operation reaches them.

use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use socket2::{Domain, Type};

use crate::io::platform::unix_address_or_unnamed;
use crate::net::replayed::unused;
use crate::reactor::journal::value::{Input, Output, Value};

impl Value for mio::net::UnixStream {
    fn encode(&self, _: &mut Output) {}

    fn decode(_: &mut Input<'_>) -> Option<Self> {
        let socket = unused(Domain::UNIX, Type::STREAM, None).ok()?;
        Some(mio::net::UnixStream::from_std(socket.into()))
    }
}

impl Value for mio::net::UnixListener {
    fn encode(&self, _: &mut Output) {}

    fn decode(_: &mut Input<'_>) -> Option<Self> {
        let socket = unused(Domain::UNIX, Type::STREAM, None).ok()?;
        Some(mio::net::UnixListener::from_std(socket.into()))
    }
}

impl Value for mio::net::UnixDatagram {
    fn encode(&self, _: &mut Output) {}

    fn decode(_: &mut Input<'_>) -> Option<Self> {
        let socket = unused(Domain::UNIX, Type::DGRAM, None).ok()?;
        Some(mio::net::UnixDatagram::from_std(socket.into()))
    }
}

impl Value for SocketAddr {
    fn encode(&self, out: &mut Output) {
        self.as_pathname().map(Path::to_owned).encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Option<Self> {
        let path = <Option<PathBuf>>::decode(input)?;
        // An abstract name is replayed as the address of a socket without one.
        unix_address_or_unnamed(path.as_deref()).ok()
    }
}
