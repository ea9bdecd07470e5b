//! The phases of one turn, in their order, and the rule they share.
//!
//! | phase | hands out | source |
//! |---|---|---|
//! | [`pending`] | results that were known without waiting | R63, `core.c` `uv__run_pending` |
//! | (idle, prepare) | nothing: libuv's hooks for its embedders, Node runs no user code there | R3 |
//! | [`poll`] | completions: wakes from outside, finished jobs, readiness of sources | R5–R8, R61 |
//! | [`check`] | immediates | R37–R40 |
//! | [`close`] | callbacks of closed sources | R62 |
//! | [`timers`] | timers and intervals that are due | R20–R36 |
//!
//! The rule: **a phase is a passive queue.** It answers "what is next?" and never calls user
//! code; `event_loop.rs` decides when, calls it, and drains behind it. Nothing in here knows a
//! sibling, and nothing in here may be borrowed while a [`Macrotask`](crate::macrotask::Macrotask)
//! runs or is dropped.

pub(crate) mod check;
pub(crate) mod close;
pub(crate) mod pending;
pub(crate) mod poll;
pub(crate) mod timers;

/// A phase of the loop, in the order of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Results that were known without waiting (R63).
    Pending,
    /// Completions, messages and sockets; the only wait (R5–R8, R61).
    Poll,
    /// Immediates (R37–R40).
    Check,
    /// Callbacks of closed sources (R62).
    Close,
    /// Timers that are due (R20–R36).
    Timers,
}
