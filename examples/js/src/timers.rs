//! The handles of timers and immediates, by the slots that `js/timers.js` gives them. Both hosts use it.
//!
//! A slot whose timer has fired keeps the handle until the slot is used again, so that no call into Rust is
//! needed for it.

use std::cell::RefCell;
use std::time::Duration;

use nodeloop::host::loop_time_ms;
use nodeloop::{ImmediateHandle, TimeoutHandle};

/// The timers and immediates of the program.
#[derive(Default)]
pub(crate) struct Timers {
    pub(crate) timeouts: Slots<TimeoutHandle>,
    pub(crate) immediates: Slots<ImmediateHandle>,
}

impl Timers {
    /// Arms a timer that calls `fire`, and returns the time from which its delay counts.
    pub(crate) fn arm(
        &self,
        slot: usize,
        ms: f64,
        repeats: bool,
        fire: impl FnMut() + 'static,
    ) -> f64 {
        let delay = Duration::from_millis(ms as u64); // R20: the fraction is dropped
        let handle = match repeats {
            true => nodeloop::set_interval(delay, fire),
            false => nodeloop::set_timeout_mut(delay, fire),
        };
        self.timeouts.set(slot, handle);
        loop_time_ms() as f64
    }

    /// Refreshes a timer, and returns the time from which its delay counts.
    pub(crate) fn refresh(&self, slot: usize) -> f64 {
        self.timeouts.with(slot, |timer| {
            timer.refresh();
        });
        loop_time_ms() as f64
    }

    /// Clears a timer.
    pub(crate) fn clear(&self, slot: usize) {
        if let Some(timer) = self.timeouts.take(slot) {
            timer.clear();
        }
    }

    /// Makes a timer an interval, or changes its period.
    pub(crate) fn repeat(&self, slot: usize, ms: f64) {
        let period = Duration::from_millis(ms as u64);
        self.timeouts.with(slot, |timer| {
            timer.set_repeat(Some(period));
        });
    }

    /// Sets whether a timer keeps the loop alive.
    pub(crate) fn set_refed(&self, slot: usize, is_refed: bool) {
        self.timeouts.with(slot, |timer| {
            match is_refed {
                true => timer.ref_(),
                false => timer.unref(),
            };
        });
    }

    /// Queues an immediate that calls `run`.
    pub(crate) fn queue_immediate(&self, slot: usize, run: impl FnOnce() + 'static) {
        self.immediates.set(slot, nodeloop::set_immediate(run));
    }

    /// Clears an immediate.
    pub(crate) fn clear_immediate(&self, slot: usize) {
        if let Some(immediate) = self.immediates.take(slot) {
            immediate.clear();
        }
    }

    /// Sets whether an immediate keeps the loop alive.
    pub(crate) fn set_immediate_refed(&self, slot: usize, is_refed: bool) {
        self.immediates.with(slot, |immediate| {
            match is_refed {
                true => immediate.ref_(),
                false => immediate.unref(),
            };
        });
    }
}

/// Handles by slot.
pub(crate) struct Slots<T>(RefCell<Vec<Option<T>>>);

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots(RefCell::default())
    }
}

impl<T> Slots<T> {
    /// Puts a handle into a slot, and drops the one that is there.
    fn set(&self, slot: usize, handle: T) {
        let mut slots = self.0.borrow_mut();
        if slot >= slots.len() {
            slots.resize_with(slot + 1, || None);
        }
        let replaced = slots[slot].replace(handle);
        drop(slots);
        drop(replaced);
    }

    fn take(&self, slot: usize) -> Option<T> {
        self.0.borrow_mut().get_mut(slot)?.take()
    }

    /// Calls `call` with the handle in a slot. The program never names a slot that has none.
    pub(crate) fn with(&self, slot: usize, call: impl FnOnce(&T)) {
        if let Some(Some(handle)) = self.0.borrow().get(slot) {
            call(handle);
        }
    }
}
