//! The timers phase: Node's lists of timers (R20–R36).
//!
//! All timers of one duration are in one list, in the order in which they were armed, so a list
//! needs no sorting. The lists are in a queue by expiry, then by serial number. Arming and clearing
//! is O(1) within a list; only a list that appears or is put back changes the queue (`list.rs`). This is
//! `lib/internal/timers.js` of Node v20, function by function, because the order in which late
//! timers run is the order of these lists, not of their deadlines (R23).
//!
//! | file | contains |
//! |---|---|
//! | `timers.rs` | a timer, and the operations of its handles |
//! | `list.rs` | the lists and their queue |
//! | `pass.rs` | one pass of the phase: which timer is called next |
//! | `resources.rs` | the list of timers for a report |
//!
//! The life of a timer:
//!
//! ```text
//!          arm              step                finished
//!   (new) ─────▶ linked ──────────▶ running ───────────────▶ fired
//!                ▲ │ ▲                 │                       │
//!                │ │ │  finished: an   │                       │
//!                │ │ │  interval, or   │                       │
//!                │ │ │  refreshed by   │                       │
//!                │ │ │  its callback   │                       │
//!                │ │ └─────────────────┘                       │
//!                │ │ clear                             refresh │
//!                │ └──────▶ cleared                            │
//!                └─────────────────────────────────────────────┘
//! ```
//!
//! `refresh` moves a linked timer to the end of its list; it leaves a cleared one cleared (R35).
//! `clear` takes the callback from a running or a fired timer; a `refresh` still links it, and the
//! pass that picks it calls nothing.
//!
//! Invariant: a linked timer is in exactly one list.
//! Invariant: `refed` counts the timers that are ref'd and not destroyed.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use slab::Slab;

use self::list::{Link, List, ListKey};
use self::pass::Pass;
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, Work};

mod list;
mod pass;
mod resources;

pub(crate) use self::pass::Step;

pub(crate) type TimerKey = usize;

struct Timer {
    work: Work,
    location: SourceLocation,
    /// The number of the pending entry for observers; 0 if they were not notified.
    entry: u32,
    /// The clock when it was armed, in milliseconds (`_idleStart`).
    start_ms: u64,
    /// In whole milliseconds; `None` once it was cleared while pending (`_idleTimeout` = -1).
    duration_ms: Option<u64>,
    /// The period of an interval in whole milliseconds; 0 for a timeout (`_repeat`).
    repeat_ms: u64,
    /// Whether there is something to call; cleared timers have nothing (`_onTimeout`).
    has_callback: bool,
    /// Whether it is neither pending nor running (`_destroyed`).
    destroyed: bool,
    /// Whether it keeps the loop alive while it is not destroyed (`kRefed`).
    refed: bool,
    /// Whether its work was taken and has not been returned with [`Timers::finished`].
    is_running: bool,
    link: Link,
    /// How many handles refer to the timer. Its key is not reused while there are any.
    handles: usize,
}

impl Timer {
    fn origin(&self, key: TimerKey) -> Origin {
        let kind = match self.repeat_ms {
            0 => StepKind::Timeout,
            _ => StepKind::Interval,
        };
        Origin {
            entry: self.entry,
            ..Origin::of(kind, self.location, key as u64)
        }
    }

    fn due_ms(&self) -> u64 {
        self.start_ms.saturating_add(self.duration_ms.unwrap_or(0))
    }
}

#[derive(Default)]
pub(crate) struct Timers {
    timers: Slab<Timer>,
    lists: Slab<List>,
    by_duration: FxHashMap<u64, ListKey>,
    /// The lists that are not detached, by expiry, then serial number (R21); entries may be too early
    /// (`list.rs`).
    queue: BTreeSet<(u64, u64, ListKey)>,
    vacant_lists: usize,
    next_serial: u64,
    /// A new list that expires before this sets the loop timer; if this is `None`, every new list
    /// does (`nextExpiry`).
    next_expiry_ms: Option<u64>,
    /// When the poll phase has to end at the latest (R27).
    loop_timer_ms: Option<u64>,
    /// The last reading of the clock, libuv's cached time.
    last_reading_ms: u64,
    refed: usize,
    pass: Option<Pass>,
}

impl Timers {
    /// Arms a new timer with one handle; `now_ms` was read for this timer (R26). The timer starts no
    /// earlier than the running pass and lasts at least a millisecond, so it is not due in that
    /// pass (R25, R31).
    pub(crate) fn arm(&mut self, timer: Macrotask, duration_ms: u64, now_ms: u64) -> TimerKey {
        self.last_reading_ms = now_ms;
        let link = self.last_link(duration_ms, now_ms);
        let key = self.timers.insert(Timer {
            work: timer.work,
            location: timer.origin.location,
            entry: 0,
            start_ms: now_ms,
            duration_ms: Some(duration_ms),
            repeat_ms: match timer.origin.kind {
                StepKind::Interval => duration_ms,
                _ => 0,
            },
            has_callback: true,
            destroyed: false,
            refed: true,
            is_running: false,
            link,
            handles: 1,
        });
        self.refed += 1;
        self.append(key, link);
        key
    }

    /// Clears a timer (R33, R35). The caller drops its work outside of any borrow.
    #[must_use]
    #[inline(always)] // a part of the two functions that clear a timer
    pub(crate) fn clear(&mut self, key: TimerKey) -> Option<Work> {
        let timer = &mut self.timers[key];
        if !timer.has_callback {
            return None;
        }
        timer.has_callback = false;
        let work = timer.work.take();
        if !timer.destroyed {
            timer.destroyed = true;
            let (duration_ms, refed) = (timer.duration_ms.take(), timer.refed);
            self.refed -= usize::from(refed);
            if timer.link.is_linked() {
                if let (Some(list), true) = (self.unlink(key), refed) {
                    self.end_list(list);
                }
            } else if let (Some(duration_ms), true) = (duration_ms, refed) {
                self.end_list_if_empty(duration_ms);
            }
        }
        Some(work)
    }

    /// Restarts a pending timer, and arms one that has fired. A timer that was cleared while it was
    /// pending stays cleared (R35).
    pub(crate) fn refresh(&mut self, key: TimerKey, now_ms: u64) {
        let timer = &mut self.timers[key];
        let Some(duration_ms) = timer.duration_ms else {
            return;
        };
        if timer.work.is_spent() {
            return; // its callback could be called only once, and was
        }
        self.last_reading_ms = now_ms;
        if std::mem::replace(&mut timer.destroyed, false) && timer.refed {
            self.refed += 1;
        }
        self.insert(key, duration_ms, now_ms);
    }

    /// Sets whether a timer keeps the loop alive (R36).
    pub(crate) fn set_refed(&mut self, key: TimerKey, refed: bool) {
        let timer = &mut self.timers[key];
        let before = std::mem::replace(&mut timer.refed, refed);
        match (before, refed) {
            _ if timer.destroyed => {}
            (false, true) => self.refed += 1,
            (true, false) => self.refed -= 1,
            _ => {}
        }
    }

    /// Sets the period with which a timer is armed again after its next call, or after that which is
    /// running; 0 for none. Returns `false` if its callback can be called only once.
    #[must_use]
    pub(crate) fn set_repeat(&mut self, key: TimerKey, repeat_ms: u64) -> bool {
        let timer = &mut self.timers[key];
        if repeat_ms > 0 && timer.work.is_once() {
            return false;
        }
        timer.repeat_ms = repeat_ms;
        true
    }

    /// Replaces the callback of a timer, unless it was cleared. Returns what the caller drops outside of
    /// any borrow.
    #[must_use]
    pub(crate) fn replace_work(&mut self, key: TimerKey, work: Work) -> Work {
        let timer = &mut self.timers[key];
        match timer.has_callback {
            true => std::mem::replace(&mut timer.work, work),
            false => work,
        }
    }

    /// Gives a pending timer a label for reports.
    pub(crate) fn set_label(&mut self, key: TimerKey, label: Arc<str>) {
        self.timers[key].work.set_label(label);
    }

    /// Returns the label of a timer that is not running. The key may be free.
    pub(crate) fn label(&self, key: TimerKey) -> Option<Arc<str>> {
        self.timers.get(key)?.work.label().cloned()
    }

    pub(crate) fn is_interval(&self, key: TimerKey) -> bool {
        self.timers[key].repeat_ms > 0
    }

    /// Returns the last reading of the clock, libuv's `uv_now`.
    pub(crate) fn cached_ms(&self) -> u64 {
        self.last_reading_ms
    }

    pub(crate) fn has_ref(&self, key: TimerKey) -> bool {
        self.timers[key].refed
    }

    /// Returns whether the timer is armed and has not been called yet.
    pub(crate) fn is_pending(&self, key: TimerKey) -> bool {
        self.timers[key].link.is_linked()
    }

    /// Returns whether its callback may still be called, if the caller's handle refreshes nothing.
    ///
    /// An interval that is running is armed again, and a timer that has fired may be refreshed
    /// through another handle (R30, R35).
    pub(crate) fn may_run(&self, key: TimerKey) -> bool {
        let timer = &self.timers[key];
        let may_be_refreshed = timer.handles > 1 && !timer.work.is_spent();
        timer.has_callback && (timer.link.is_linked() || timer.is_running || may_be_refreshed)
    }

    /// Returns the origin of a pending timer and when it is due, in milliseconds. The key may be
    /// free.
    pub(crate) fn pending(&self, key: TimerKey) -> Option<(Origin, u64)> {
        let timer = self.timers.get(key)?;
        let is_linked = timer.link.is_linked();
        is_linked.then(|| (timer.origin(key), timer.due_ms()))
    }

    /// Sets the number under which observers were notified of a pending timer.
    pub(crate) fn set_entry(&mut self, key: TimerKey, entry: u32) {
        self.timers[key].entry = entry;
    }

    /// Returns the work of a pending timer, so that its waker can be replaced.
    pub(crate) fn pending_work(&mut self, key: TimerKey) -> &mut Work {
        &mut self.timers[key].work
    }

    /// Returns where a timer was created.
    pub(crate) fn location(&self, key: TimerKey) -> SourceLocation {
        self.timers[key].location
    }

    pub(crate) fn add_handle(&mut self, key: TimerKey) {
        self.timers[key].handles += 1;
    }

    /// Removes a handle. If that frees the timer, the caller drops the returned work outside of any
    /// borrow.
    #[must_use]
    #[inline]
    pub(crate) fn drop_handle(&mut self, key: TimerKey) -> Option<Work> {
        self.timers[key].handles -= 1;
        self.free_if_unused(key)
    }

    /// Returns whether a ref'd timer keeps the loop alive (R6).
    pub(crate) fn has_refed(&self) -> bool {
        self.refed > 0
    }

    /// Returns when the poll phase must end at the latest (R5, R27).
    pub(crate) fn loop_timer_ms(&self) -> Option<u64> {
        self.loop_timer_ms
    }

    /// Returns where the first timer that is due exactly at `at_ms` was created.
    pub(crate) fn first_due_at(&self, at_ms: u64) -> Option<SourceLocation> {
        let queued = self.queue.range(..=(at_ms, u64::MAX, ListKey::MAX));
        let lists = queued.map(|(_, _, list)| &self.lists[*list]);
        let due = lists.filter(|list| list.expiry_ms == at_ms && !list.vacant);
        let first = due.min_by_key(|list| list.serial)?.first()?;
        Some(self.timers[first].location)
    }

    /// Updates the cached time (`uv__update_time`).
    pub(crate) fn note_time(&mut self, now_ms: u64) {
        self.last_reading_ms = now_ms;
    }

    /// Returns whether the loop timer is due at the last reading of the clock (`uv__run_timers`).
    pub(crate) fn is_due(&self) -> bool {
        self.loop_timer_ms
            .is_some_and(|due_ms| due_ms <= self.last_reading_ms)
    }

    /// Clears every timer and returns their work, which the caller drops outside of any borrow.
    /// Handles stay valid and refer to a cleared timer.
    pub(crate) fn take_all(&mut self) -> Vec<Work> {
        let keys: Vec<TimerKey> = self.timers.iter().map(|(key, _)| key).collect();
        let mut works = Vec::with_capacity(keys.len());
        for key in keys {
            works.extend(self.clear(key));
            if self.unlink(key).is_some() || !self.timers[key].destroyed {
                self.destroy(key); // R35: refreshed after it was cleared
            }
            works.extend(self.free_if_unused(key));
        }
        self.lists.clear(); // lists of cleared unref'd timers still exist (R29)
        self.by_duration.clear();
        self.queue.clear();
        self.vacant_lists = 0;
        self.next_expiry_ms = None;
        self.loop_timer_ms = None;
        works
    }

    fn destroy(&mut self, key: TimerKey) {
        let timer = &mut self.timers[key];
        timer.destroyed = true;
        self.refed -= usize::from(timer.refed);
    }

    /// Returns the work of a timer that was freed, unless it is spent.
    #[inline]
    fn free_if_unused(&mut self, key: TimerKey) -> Option<Work> {
        let timer = &self.timers[key];
        let in_use = timer.handles > 0 || timer.link.is_linked() || timer.is_running;
        let picked = self
            .pass
            .as_ref()
            .is_some_and(|pass| pass.picked == Some(key));
        if in_use || picked {
            return None;
        }
        let work = self.timers.remove(key).work;
        match work {
            Work::Once(None) | Work::Wake(None) => {
                std::mem::forget(work); // it owns nothing, and a destructor would find that out again
                None
            }
            work if work.is_spent() => None, // its label is dropped
            work => Some(work),
        }
    }
}
