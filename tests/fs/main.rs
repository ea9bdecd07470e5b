//! `nodeloop::fs`: every operation, its errors, and operations that are not awaited.
//!
//! No test sleeps. Where an operation has to be under way for a while, the loop has one thread
//! and a job before it waits for a channel ([`fs_kit::Plug`]).

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")] // the faults are caused by what Linux has: limits, devices
mod faults;
mod file;
mod forgotten;
mod fs_kit;
mod operations;
#[cfg(feature = "macros")]
mod tail;
