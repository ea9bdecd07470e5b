//! The phases of one turn, in their order, and the rule they share.
//!
//! | phase | hands out | source |
//! |---|---|---|
//! | [`pending`] | results that were known without waiting | R63, `core.c` `uv__run_pending` |
//! | (idle, prepare) | nothing: libuv's hooks for its embedders; Node runs no user code there | R3 |
//! | [`poll`] | completions: wakes from outside, finished jobs, readiness of sources | R5–R8, R61 |
//! | [`check`] | immediates | R37–R40 |
//! | [`close`] | callbacks of closed sources | R62 |
//! | [`timers`] | timers and intervals that are due | R20–R36 |
//!
//! The rule: **a phase is a passive queue.** It returns what is next and never calls user code;
//! `event_loop.rs` asks, has it called by `invoke.rs`, and drains after it. No phase knows another
//! one, and none may be borrowed while a [`Macrotask`](crate::phases::macrotask::Macrotask) runs or
//! is dropped.

pub(crate) mod check;
pub(crate) mod close;
pub(crate) mod macrotask;
pub(crate) mod pending;
pub(crate) mod poll;
pub(crate) mod queues;
pub(crate) mod timers;
