//! What reaches the loop from outside: the clock, messages of other threads, and event sources.

pub(crate) mod clock;
pub(crate) mod inbox;
pub(crate) mod registrations;
