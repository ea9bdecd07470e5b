//! Child processes of a simulated host, which this system does not have.

use std::io;
use std::rc::Rc;

use super::{Child, Starting};
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::SourceLocation;
use crate::reactor::world::WorldHost;

/// Refuses to start a child.
pub(super) fn start(
    _: &Rc<LoopState>,
    _: &WorldHost,
    _: &Starting<'_>,
    _: SourceLocation,
) -> io::Result<Child> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "a host of a simulated world starts no process on Windows: run its program on another host, or test \
         this part outside of the world",
    ))
}
