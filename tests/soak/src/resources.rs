//! What the process has: descriptors, threads, children and memory.

use std::alloc::System;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{WaitId, WaitIdOptions, waitid};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Returns the bytes that are allocated and not freed. Resident memory depends on the allocator
/// and on the machine; this does not.
pub fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}

/// Returns the number of open descriptors, without the one that lists them.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) - 1
}

/// Describes each open descriptor.
pub fn describe_descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let described = entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        Some(format!(
            "{} -> {}",
            entry.file_name().display(),
            target.display()
        ))
    });
    described.collect()
}

/// The threads of the process.
#[derive(Debug)]
pub struct Threads {
    /// The names of all threads but those of the pool.
    pub names: Vec<String>,
    /// The threads of the pool. The `blocking` crate shares them among all loops of the process, and
    /// keeps them: at most `BLOCKING_MAX_THREADS`, 500 by default.
    pub pool: usize,
}

pub fn threads() -> Threads {
    let entries = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    // A thread that has just ended has no name any more.
    let names = entries.filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok());
    let names = names.map(|name| name.trim().to_owned());
    let (pool, names): (Vec<_>, Vec<_>) = names.partition(|name| name.starts_with("blocking-"));
    let pool = pool.len();
    Threads { names, pool }
}

/// What is known about the children of this process, without reaping any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Children {
    None,
    Running,
    Zombie,
}

pub fn children() -> Children {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::All, options) {
        Ok(Some(_)) => Children::Zombie,
        Ok(None) => Children::Running,
        Err(_) => Children::None, // ECHILD
    }
}

/// Checks again and again until `done`, for what ends a moment after its cause: a thread after it
/// was joined, the wake-up descriptor of a loop that the last thread of its pool holds. Returns
/// whether it was done within `patience`.
pub fn eventually(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let ends = Instant::now() + patience;
    while !done() {
        if Instant::now() > ends {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    true
}
