//! The standard streams on other operating systems: reads are jobs of the pool, and writes block.

use std::io::{self, IoSlice, Read, Write};

use mio::event::Source;
use mio::{Interest, Registry, Token};

use super::StandardStream;

/// No stream can be registered.
pub(super) enum Channel {}

pub(super) fn open(_: StandardStream) -> Option<Channel> {
    None
}

pub(super) fn read_blocking(buffer: &mut [u8]) -> io::Result<usize> {
    io::stdin().read(buffer)
}

pub(super) fn write_blocking(stream: StandardStream, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    match stream {
        StandardStream::Error => io::stderr().write_vectored(buffers),
        StandardStream::Input | StandardStream::Output => {
            let mut stdout = io::stdout().lock();
            let length = stdout.write_vectored(buffers)?;
            stdout.flush()?;
            Ok(length)
        }
    }
}

pub(super) fn flush(stream: StandardStream) -> io::Result<()> {
    match stream {
        StandardStream::Output => io::stdout().flush(),
        StandardStream::Input | StandardStream::Error => Ok(()),
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
