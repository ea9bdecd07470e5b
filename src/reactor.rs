//! What connects the loop to the outside: the clock, messages of other threads, and event sources.

pub(crate) mod clock;
pub(crate) mod registrations;
pub(crate) mod remote_queue;
