//! The buffer that a job fills and from which reads are served.

use std::io::{self, ErrorKind};

use super::system::Handle;

/// The bytes of the last read. It is moved into the job of a read, and back.
#[derive(Default)]
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    /// `bytes[start..end]` has been read by a job and not yet returned.
    start: usize,
    end: usize,
}

impl ReadBuffer {
    /// Returns a buffer with these bytes, none of which were read.
    pub(super) fn of(bytes: Vec<u8>) -> ReadBuffer {
        let end = bytes.len();
        ReadBuffer {
            bytes,
            start: 0,
            end,
        }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn discard_unread(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    pub(super) fn copy_to(&mut self, target: &mut [u8]) -> usize {
        let count = self.unread().len().min(target.len());
        target[..count].copy_from_slice(&self.unread()[..count]);
        self.start += count;
        count
    }

    pub(super) fn fill(&mut self, file: &Handle, max_bytes: usize) -> io::Result<()> {
        if self.bytes.len() < max_bytes {
            self.bytes.resize(max_bytes, 0);
        }
        self.discard_unread();
        self.end = loop {
            match file.read(&mut self.bytes[..max_bytes]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        Ok(())
    }
}
