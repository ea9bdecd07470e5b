//! What files have in a recording, and stand-ins for them in a replay.

use std::fs::File;

use crate::fs::platform::NULL_DEVICE;
use crate::fs::read_buffer::ReadBuffer;
use crate::reactor::journal::value::{Input, Output, Value};

/// A recording contains nothing of an open file. In a replay no operation reaches it.
impl Value for File {
    fn encode(&self, _: &mut Output) {}

    fn decode(_: &mut Input<'_>) -> Option<File> {
        let mut options = File::options();
        options.read(true).write(true).open(NULL_DEVICE).ok()
    }
}

impl Value for ReadBuffer {
    fn encode(&self, out: &mut Output) {
        out.payload(self.unread());
    }

    fn decode(input: &mut Input<'_>) -> Option<ReadBuffer> {
        input.payload().map(ReadBuffer::of)
    }
}
