//! The crate as a whole: its layers, its examples, and the coverage of rules and probes by tests.

mod architecture;
#[cfg(feature = "recording")]
mod examples;
mod index;
mod layers;
#[cfg(feature = "macros")]
#[allow(dead_code, reason = "a part of it is used")]
#[path = "../common/limit.rs"]
mod limit;
mod probes_are_covered;
#[cfg(feature = "macros")]
mod readme;
#[cfg(feature = "macros")]
#[allow(dead_code, reason = "a part of it is used")]
#[path = "../common/skip.rs"]
mod skip;
