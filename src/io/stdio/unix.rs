//! The standard streams of a Unix process, without changing anything for others who have them.
//!
//! `O_NONBLOCK` belongs to the *open file*, which is shared with the shell, the parent and every
//! child, so it is not set. Instead:
//!
//! - a pipe or a terminal is opened once more, through `/proc`, which makes an open file of our own;
//! - a socket is asked with `MSG_DONTWAIT`, which holds for one call.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fs::OFlags;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::Stream;

/// A handle of our own to a stream, on which no call blocks.
pub(super) struct Channel {
    descriptor: OwnedFd,
    is_socket: bool,
}

/// Nothing comes back for what can't be watched, as a file, or not without changing it.
pub(super) fn open(stream: Stream) -> Option<Channel> {
    let shared = File::from(with(stream, |shared| shared.try_clone_to_owned()).ok()?);
    let kind = shared.metadata().ok()?.file_type();
    if kind.is_socket() {
        return Some(Channel {
            descriptor: shared.into(),
            is_socket: true,
        });
    }
    if !kind.is_fifo() && !kind.is_char_device() {
        return None;
    }
    let again = OpenOptions::new()
        .read(stream == Stream::Input)
        .write(stream != Stream::Input)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32)
        .open(format!("/proc/self/fd/{}", shared.as_raw_fd()));
    Some(Channel {
        descriptor: again.ok()?.into(),
        is_socket: false,
    })
}

/// Reads what comes next; the thread waits for it.
pub(super) fn read_blocking(buffer: &mut [u8]) -> io::Result<usize> {
    retry(|| Ok(rustix::io::read(io::stdin().as_fd(), &mut *buffer)?))
}

pub(super) fn write_blocking(stream: Stream, bytes: &[u8]) -> io::Result<usize> {
    with(stream, |shared| {
        retry(|| Ok(rustix::io::write(shared, bytes)?))
    })
}

/// Writes out what `print!` holds back. Standard error holds nothing back.
pub(super) fn flush(stream: Stream) -> io::Result<()> {
    match stream {
        Stream::Output => io::stdout().flush(),
        Stream::Input | Stream::Error => Ok(()),
    }
}

fn with<R>(stream: Stream, act: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
    match stream {
        Stream::Input => act(io::stdin().as_fd()),
        Stream::Output => act(io::stdout().as_fd()),
        Stream::Error => act(io::stderr().as_fd()),
    }
}

fn retry<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl Read for &Channel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_socket {
            let (length, _) = recv(&self.descriptor, buffer, RecvFlags::DONTWAIT)?;
            return Ok(length);
        }
        Ok(rustix::io::read(&self.descriptor, buffer)?)
    }
}

impl Write for &Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_socket {
            return Ok(send(&self.descriptor, bytes, SendFlags::DONTWAIT)?);
        }
        Ok(rustix::io::write(&self.descriptor, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for Channel {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.descriptor.as_raw_fd()).register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.descriptor.as_raw_fd()).reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.descriptor.as_raw_fd()).deregister(registry)
    }
}
