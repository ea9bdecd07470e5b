//! The keep-alive tokens of a loop, which any thread may create and drop.
//!
//! `tests/loom` is a loom model of this file.

use std::sync::{Mutex, MutexGuard, PoisonError};

use slab::Slab;

use super::SourceLocation;
use super::atomic::{AtomicUsize, Ordering};

pub(crate) struct Tokens {
    /// The number of tokens that exist.
    count: AtomicUsize,
    /// Where they were created, for reports. Only their number keeps the loop alive.
    locations: Mutex<Slab<SourceLocation>>,
}

impl Tokens {
    pub(crate) fn new() -> Tokens {
        Tokens {
            count: AtomicUsize::new(0),
            locations: Mutex::default(),
        }
    }

    /// Adds a token, and returns its key.
    pub(crate) fn add(&self, location: SourceLocation) -> usize {
        // Relaxed: the caller runs on the loop's thread, or something else keeps the loop alive.
        self.count.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(location)
    }

    /// Removes a token. The caller notifies the loop, which may be waiting for nothing else.
    pub(crate) fn remove(&self, key: usize) {
        self.lock().remove(key);
        self.count.fetch_sub(1, Ordering::Release); // pairs with the Acquire in `exist`
    }

    /// Returns whether there is a token.
    pub(crate) fn exist(&self) -> bool {
        // Acquire pairs with the Release in `remove`: once a token is seen to be gone, what its thread
        // sent before is in the queue.
        self.count.load(Ordering::Acquire) > 0
    }

    pub(crate) fn locations(&self) -> Vec<SourceLocation> {
        let locations = self.lock();
        locations.iter().map(|(_, location)| *location).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Slab<SourceLocation>> {
        // No user code runs under the lock, so the contents of a poisoned one are consistent.
        self.locations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
