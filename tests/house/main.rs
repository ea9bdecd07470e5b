//! The crate as a whole: its layers, its examples, and the coverage of rules and probes by tests.

mod architecture;
#[cfg(feature = "recording")]
mod examples;
mod index;
mod layers;
mod probes_are_covered;
#[cfg(feature = "macros")]
mod readme;
#[cfg(feature = "macros")]
#[path = "../common/skip.rs"]
mod skip;
