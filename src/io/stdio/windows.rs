//! The standard streams on Windows: a thread reads, and writes block.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, IsTerminal, Read, Write};
use std::os::windows::io::AsHandle;
use std::process::Stdio;
use std::rc::Rc;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use super::StandardStream;
use crate::event_loop::state::LoopState;
use crate::io::PollEvented;
use crate::io::pipe::ThreadReader;

/// The standard input. The other streams are not registered.
pub(super) struct Channel(ThreadReader);

pub(super) fn open(stream: StandardStream, state: &Rc<LoopState>) -> Option<Channel> {
    match stream {
        StandardStream::Input => {
            let input = Box::new(StandardInput::open());
            let reader = ThreadReader::new(input, state.remote_queue.clone(), false);
            Some(Channel(reader))
        }
        StandardStream::Output | StandardStream::Error => None,
    }
}

/// Makes the thread read at most `length` bytes, if it never has.
pub(super) fn begin(source: &PollEvented<Channel>, length: usize) {
    let begun = source.with(|channel| {
        channel.0.begin(length);
        Ok(())
    });
    drop(begun); // an error means that it was closed
}

/// The handle that the thread reads.
enum StandardInput {
    /// `std` converts what is typed to UTF-8.
    Terminal,
    /// Read without the buffer of `std`, which reads ahead.
    File(File),
}

impl StandardInput {
    fn open() -> StandardInput {
        let stdin = io::stdin();
        match stdin.as_handle().try_clone_to_owned() {
            Ok(handle) if !stdin.is_terminal() => StandardInput::File(File::from(handle)),
            _ => StandardInput::Terminal, // or there is no standard input, which `std` handles
        }
    }
}

impl Read for StandardInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            StandardInput::Terminal => io::stdin().read(buffer),
            StandardInput::File(file) => file.read(buffer),
        }
    }
}

impl From<StandardInput> for Stdio {
    fn from(_: StandardInput) -> Stdio {
        Stdio::inherit()
    }
}

pub(super) fn read_blocking(buffer: &mut [u8]) -> io::Result<usize> {
    io::stdin().read(buffer)
}

pub(super) fn write_blocking(stream: StandardStream, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    // `std` would write the first buffer only.
    let bytes = buffers.iter().flat_map(|buffer| buffer.iter().copied());
    let bytes: Vec<u8> = bytes.collect();
    match stream {
        StandardStream::Error => io::stderr().write(&bytes),
        StandardStream::Input | StandardStream::Output => {
            let mut stdout = io::stdout().lock();
            let length = stdout.write(&bytes)?;
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
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.0).read_vectored(buffers)
    }
}

/// The standard input is not written to.
impl Write for &Channel {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
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
        self.0.register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.0.reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.0.deregister(registry)
    }
}
