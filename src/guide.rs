//! Chapters that belong to no single item.

#[doc = include_str!("guide/architecture.md")]
pub mod architecture {}

#[doc = include_str!("guide/rules.md")]
pub mod rules {}

#[doc = include_str!("guide/observing.md")]
pub mod observing {}

#[doc = include_str!("guide/exactness.md")]
pub mod exactness {}

#[doc = include_str!("guide/testing.md")]
pub mod testing {}

#[cfg(feature = "recording")]
#[doc = include_str!("guide/recording.md")]
pub mod recording {}

// `examples/cookbook` runs the snippets, which need other crates.
#[cfg_attr(not(doctest), doc = include_str!("guide/cookbook.md"))]
pub mod cookbook {}
