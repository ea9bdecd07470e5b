//! Races of published Node programs: exploration finds each one, and nothing in its mended version.
//!
//! `README.md` lists the races, their sources, and how many seeds each one needs.

#[path = "../common/mod.rs"]
mod common;

mod harness;
mod world;

mod events;
mod files;
mod io;
mod state;
