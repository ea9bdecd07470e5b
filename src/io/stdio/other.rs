//! The standard streams where nothing is known of the system: reads by the pool, writes at once.

use std::io::{self, Read, Write};

use mio::event::Source;
use mio::{Interest, Registry, Token};

use super::Stream;

/// There is none.
pub(super) enum Channel {}

pub(super) fn open(_: Stream) -> Option<Channel> {
    None
}

pub(super) fn read_blocking(buffer: &mut [u8]) -> io::Result<usize> {
    io::stdin().read(buffer)
}

pub(super) fn write_blocking(stream: Stream, bytes: &[u8]) -> io::Result<usize> {
    match stream {
        Stream::Error => io::stderr().write(bytes),
        Stream::Input | Stream::Output => {
            let mut stdout = io::stdout().lock();
            let length = stdout.write(bytes)?;
            stdout.flush()?;
            Ok(length)
        }
    }
}

pub(super) fn flush(stream: Stream) -> io::Result<()> {
    match stream {
        Stream::Output => io::stdout().flush(),
        Stream::Input | Stream::Error => Ok(()),
    }
}

impl Read for &Channel {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match **self {}
    }
}

impl Write for &Channel {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match **self {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match **self {}
    }
}

impl Source for Channel {
    fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        match *self {}
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        match *self {}
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        match *self {}
    }
}
