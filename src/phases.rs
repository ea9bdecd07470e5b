//! The phases of one turn, in their order.
//!
//! | phase | hands out | source |
//! |---|---|---|
//! | [`pending`] | results that were known without waiting | R63, `core.c` `uv__run_pending` |
//! | (idle, prepare) | nothing: libuv's hooks for embedders, where Node runs no user code | R3 |
//! | [`poll`] | wakes and messages from other threads, finished jobs, readiness of sources, signals, ends of children | R5–R8, R61, R64–R66 |
//! | [`check`] | immediates | R37–R40 |
//! | [`close`] | callbacks of closed sources | R62 |
//! | [`timers`] | timers and intervals that are due | R20–R36 |
//!
//! A phase is a passive queue: it returns the next macrotask and never calls user code.
//! `event_loop.rs` decides when a phase is asked, lets `invoke.rs` call what it returns, and drains
//! afterwards.
//!
//! Invariants: no phase knows another; no phase is borrowed while a
//! [`Macrotask`](crate::phases::macrotask::Macrotask) runs or is dropped.

pub(crate) mod check;
pub(crate) mod close;
pub(crate) mod macrotask;
pub(crate) mod pending;
pub(crate) mod poll;
pub(crate) mod queues;
pub(crate) mod timers;
