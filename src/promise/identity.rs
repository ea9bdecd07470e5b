//! What distinguishes a promise from others.

use std::rc::Rc;

use crate::event_loop::state::LoopState;
use crate::observe::event::PromiseId;
use crate::phases::macrotask::SourceLocation;

/// What distinguishes a promise from others, with or without a state.
pub(super) struct Identity {
    pub(super) owner: Rc<LoopState>,
    pub(super) id: PromiseId,
    pub(super) location: SourceLocation,
}

impl Identity {
    pub(super) fn of(owner: Rc<LoopState>, id: PromiseId, location: SourceLocation) -> Identity {
        Identity {
            owner,
            id,
            location,
        }
    }

    /// Numbers a new promise.
    #[inline]
    pub(super) fn new(owner: Rc<LoopState>, location: SourceLocation) -> Identity {
        Identity {
            id: owner.new_promise(location),
            owner,
            location,
        }
    }
}
