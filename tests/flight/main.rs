//! The flight recorder: recordings of real runs, and their replays.

#[path = "../common/mod.rs"]
mod common;

mod basics;
mod buffers;
mod damaged;
mod explore;
mod failures;
mod generated;
mod reports;
