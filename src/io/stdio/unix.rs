//! The standard streams on Unix.
//!
//! `O_NONBLOCK` belongs to the *open file*, which is shared with the parent and all children, so it
//! is never set. Instead:
//!
//! - a pipe or a terminal is opened again through `/proc`, which creates another open file;
//! - a socket is read and written with `MSG_DONTWAIT`, which applies to one call.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::rc::Rc;

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fs::OFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, recv, recvmsg, send, sendmsg,
};

use super::StandardStream;
use crate::event_loop::state::LoopState;
use crate::io::PollEvented;

/// The number of buffers that one message may have on every system.
const MAX_BUFFERS: usize = 16;

/// A handle to a standard stream on which no call blocks.
pub(super) struct Channel {
    descriptor: OwnedFd,
    is_socket: bool,
}

/// Opens a stream so that no call blocks.
///
/// Returns `None` for a stream that can't be registered, such as a file, or that can't be opened a
/// second time.
pub(super) fn open(stream: StandardStream, _: &Rc<LoopState>) -> Option<Channel> {
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
        .read(stream == StandardStream::Input)
        .write(stream != StandardStream::Input)
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32)
        .open(format!("/proc/self/fd/{}", shared.as_raw_fd()));
    Some(Channel {
        descriptor: again.ok()?.into(),
        is_socket: false,
    })
}

/// Prepares a wait for input. The poll phase watches the stream in any case.
#[inline]
pub(super) fn begin(_: &PollEvented<Channel>, _: usize) {}

/// Reads from the standard input, and blocks until there is input.
pub(super) fn read_blocking(buffer: &mut [u8]) -> io::Result<usize> {
    retry(|| Ok(rustix::io::read(io::stdin().as_fd(), &mut *buffer)?))
}

pub(super) fn write_blocking(stream: StandardStream, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    with(stream, |shared| {
        retry(|| Ok(rustix::io::writev(shared, buffers)?))
    })
}

/// Flushes the buffer of `print!`. The standard error has none.
pub(super) fn flush(stream: StandardStream) -> io::Result<()> {
    match stream {
        StandardStream::Output => io::stdout().flush(),
        StandardStream::Input | StandardStream::Error => Ok(()),
    }
}

fn with<R>(stream: StandardStream, operation: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
    match stream {
        StandardStream::Input => operation(io::stdin().as_fd()),
        StandardStream::Output => operation(io::stdout().as_fd()),
        StandardStream::Error => operation(io::stderr().as_fd()),
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

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if self.is_socket {
            let length = buffers.len().min(MAX_BUFFERS);
            let mut no_messages = RecvAncillaryBuffer::default();
            let flags = RecvFlags::DONTWAIT;
            return Ok(recvmsg(
                &self.descriptor,
                &mut buffers[..length],
                &mut no_messages,
                flags,
            )?
            .bytes);
        }
        Ok(rustix::io::readv(&self.descriptor, buffers)?)
    }
}

impl Write for &Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_socket {
            return Ok(send(&self.descriptor, bytes, SendFlags::DONTWAIT)?);
        }
        Ok(rustix::io::write(&self.descriptor, bytes)?)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_socket {
            let length = buffers.len().min(MAX_BUFFERS);
            let mut no_messages = SendAncillaryBuffer::default();
            let flags = SendFlags::DONTWAIT;
            return Ok(sendmsg(
                &self.descriptor,
                &buffers[..length],
                &mut no_messages,
                flags,
            )?);
        }
        Ok(rustix::io::writev(&self.descriptor, buffers)?)
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
