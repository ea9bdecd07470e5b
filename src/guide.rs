//! Chapters that belong to no single item.

#[doc = include_str!("guide/exactness.md")]
pub mod exactness {}
