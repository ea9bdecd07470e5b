//! The test kit, exploration, observers, recordings, a loop driven by a host, nested eager spawns, and
//! programs of a million steps.

#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "macros")]
mod attributes;
mod explore;
mod explore_all;
mod hosted;
mod locations;
mod nested_spawns;
mod observe;
mod observe_tools;
#[cfg(feature = "macros")]
mod prelude;
#[cfg(feature = "recording")]
mod recording;
mod scale;
mod test_kit;
mod time_limits;
#[cfg(feature = "macros")]
mod work_queue;
