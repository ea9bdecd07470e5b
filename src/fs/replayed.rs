//! What a recording contains of files, and stand-ins for them in a replay.

use std::fs::File;
use std::time::Duration;

use super::metadata::{Metadata, Source};
use super::platform::{NULL_DEVICE, attributes_of};
use super::read_buffer::ReadBuffer;
use super::system::Handle;
use crate::reactor::disk::{Attributes, Kind, Times};
use crate::reactor::journal::value::{Input, Output, Value};

/// A recording contains nothing of an open file. In a replay no operation reaches it.
impl Value for Handle {
    fn encode(&self, _: &mut Output) {}

    fn decode(_: &mut Input<'_>) -> Option<Handle> {
        let mut options = File::options();
        let file = options.read(true).write(true).open(NULL_DEVICE).ok()?;
        Some(Handle::Real(file))
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

impl Value for Metadata {
    fn encode(&self, out: &mut Output) {
        match &self.source {
            Source::Real(metadata) => attributes_of(metadata).encode(out),
            Source::Simulated(attributes) => attributes.encode(out),
        }
    }

    fn decode(input: &mut Input<'_>) -> Option<Metadata> {
        Attributes::decode(input).map(Metadata::from)
    }
}

impl Value for Attributes {
    fn encode(&self, out: &mut Output) {
        out.byte(match self.kind {
            Kind::File => 0,
            Kind::Directory => 1,
            Kind::Symlink => 2,
            Kind::Socket => 3,
        });
        let numbers = [self.inode, self.length, self.allocated, self.links];
        numbers.iter().for_each(|number| number.encode(out));
        (self.mode, self.user, self.group).encode(out);
        let times = &self.times;
        (times.accessed, times.modified).encode(out);
        (times.changed, times.created).encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Option<Attributes> {
        let kind = match input.byte()? {
            0 => Kind::File,
            1 => Kind::Directory,
            2 => Kind::Symlink,
            3 => Kind::Socket,
            _ => return None,
        };
        let (inode, length) = (u64::decode(input)?, u64::decode(input)?);
        let (allocated, links) = (u64::decode(input)?, u64::decode(input)?);
        let (mode, user, group) = <(u32, u32, u32)>::decode(input)?;
        let (accessed, modified) = <(Duration, Duration)>::decode(input)?;
        let (changed, created) = <(Duration, Duration)>::decode(input)?;
        Some(Attributes {
            inode,
            kind,
            length,
            allocated,
            mode,
            user,
            group,
            links,
            times: Times {
                accessed,
                modified,
                changed,
                created,
            },
        })
    }
}
