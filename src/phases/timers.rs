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
//! | `timers.rs` | the operations of the handles of a timer |
//! | `timer.rs` | a timer |
//! | `list.rs` | the lists and their queue |
//! | `pass.rs` | one pass of the phase: which timer is called next |
//! | `ahead.rs` | what the timers after that need, if there are many |
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
use std::task::Waker;

use rustc_hash::FxHashMap;
use slab::Slab;

use self::list::{Durations, Link, List, ListKey};
use self::pass::Pass;
use self::timer::{Slots, Timer};
use crate::phases::macrotask::{Origin, ReusableCallback, SourceLocation, StepKind, Work};

mod ahead;
mod list;
mod pass;
mod resources;
mod timer;

pub(crate) use self::pass::Step;
pub(crate) use self::timer::TimerKey;

#[derive(Default)]
pub(crate) struct Timers {
    timers: Slots,
    /// The periods of intervals, in whole milliseconds (`_repeat`).
    periods: FxHashMap<TimerKey, u64>,
    /// The numbers of pending entries for observers, if these were notified.
    entries: FxHashMap<TimerKey, u32>,
    lists: Slab<List>,
    by_duration: Durations,
    /// The duration that was looked up last, and its list.
    last_found: Option<(u64, ListKey)>,
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
    ///
    /// It returns the place of the work, which the caller fills: a copy of what has just been written in
    /// parts costs as much as twenty instructions.
    pub(crate) fn arm(
        &mut self,
        (kind, location): (StepKind, SourceLocation),
        duration_ms: u64,
        now_ms: u64,
    ) -> (TimerKey, &mut Work) {
        self.last_reading_ms = now_ms;
        let list = self.begun_list(duration_ms, now_ms);
        let key = self.timers.next_key();
        let link = self.append(list, key);
        self.refed += 1;
        let repeats = kind == StepKind::Interval;
        if repeats {
            self.periods.insert(key, duration_ms);
        }
        let timer = self.timers.insert_new();
        (timer.location, timer.start_ms) = (location, now_ms);
        (timer.link, timer.repeats) = (link, repeats);
        (key, &mut timer.work)
    }

    /// Clears a timer (R33, R35). Returns its work, which the caller drops outside of any borrow, and where
    /// it was created.
    #[must_use]
    #[inline(always)] // a part of the two functions that clear a timer
    pub(crate) fn clear(&mut self, key: TimerKey) -> Option<(Work, SourceLocation)> {
        let timer = &mut self.timers[key];
        if !timer.has_callback {
            return None;
        }
        timer.has_callback = false;
        let (work, location) = (timer.work.take(), timer.location);
        self.end_cleared(key);
        Some((work, location))
    }

    /// Does what [`clear`](Timers::clear) does for a callback in a box that is used again, which is that of
    /// most timers. Returns `None` for all others, which are not changed.
    #[must_use]
    #[inline(always)] // as above
    pub(crate) fn clear_reusable(
        &mut self,
        key: TimerKey,
    ) -> Option<(Box<dyn ReusableCallback>, SourceLocation)> {
        let timer = &mut self.timers[key];
        if !matches!(timer.work, Work::Reusable(_)) || !timer.has_callback {
            return None;
        }
        let Work::Reusable(callback) = std::mem::replace(&mut timer.work, Work::Once(None)) else {
            unreachable!("it was one above");
        };
        timer.has_callback = false;
        let location = timer.location;
        self.end_cleared(key);
        Some((callback, location))
    }

    /// Removes a timer, whose work was taken, from its list.
    #[inline(always)] // as above
    fn end_cleared(&mut self, key: TimerKey) {
        let timer = &mut self.timers[key];
        if !timer.destroyed {
            timer.destroyed = true;
            let refed = timer.refed;
            self.refed -= usize::from(refed);
            let link = std::mem::replace(&mut timer.link, Link::CLEARED);
            if link.is_linked() {
                if let (Some(list), true) = (self.unlink_from(link), refed) {
                    self.end_list(list);
                }
            } else if let (Some(duration_ms), true) = (link.duration_ms(), refed) {
                self.end_list_if_empty(duration_ms);
            }
        }
    }

    /// Returns whether a timer, whose work is a wake, is pending and has only one handle. The caller, which
    /// drops that handle, can then [remove](Timers::remove_wake) it instead of clearing it.
    #[inline]
    pub(crate) fn is_plain_wake(&self, key: TimerKey) -> bool {
        let timer = &self.timers[key];
        let is_picked = |pass: &Pass| pass.picked == Some(key);
        timer.handles == 1
            && timer.link.is_linked()
            && !timer.is_running
            && matches!(timer.work, Work::Wake(_) | Work::WakeTask(_))
            && !self.pass.as_ref().is_some_and(is_picked)
    }

    /// Clears and frees a timer for which [`is_plain_wake`](Timers::is_plain_wake) is true. The caller
    /// drops the waker outside of any borrow.
    #[must_use]
    #[inline]
    pub(crate) fn remove_wake(&mut self, key: TimerKey) -> Option<Waker> {
        let timer = &mut self.timers[key];
        let waker = match &mut timer.work {
            Work::Wake(waker) => waker.take(),
            _ => None, // a key of a task
        };
        let (link, refed, repeats) = (timer.link, timer.refed, timer.repeats);
        self.timers.remove_empty(key);
        self.forget(key, repeats);
        self.refed -= usize::from(refed);
        if let (Some(list), true) = (self.unlink_from(link), refed) {
            self.end_list(list);
        }
        waker
    }

    /// Removes what the maps contain of a timer that was freed.
    #[inline]
    fn forget(&mut self, key: TimerKey, repeats: bool) {
        if repeats || !self.entries.is_empty() {
            self.forget_in_maps(key);
        }
    }

    #[inline(never)] // the maps contain nothing of most timers
    fn forget_in_maps(&mut self, key: TimerKey) {
        self.periods.remove(&key);
        self.entries.remove(&key);
    }

    /// Restarts a pending timer, and arms one that has fired. A timer that was cleared while it was
    /// pending stays cleared (R35).
    pub(crate) fn refresh(&mut self, key: TimerKey, now_ms: u64) {
        let Some(duration_ms) = self.duration_ms(key) else {
            return;
        };
        let timer = &mut self.timers[key];
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
        timer.repeats = repeat_ms > 0;
        if repeat_ms > 0 {
            self.periods.insert(key, repeat_ms);
        } else {
            self.periods.remove(&key);
        }
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
        self.timers[key].repeats
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
        is_linked.then(|| (self.origin(key), self.due_ms(timer)))
    }

    /// Sets the number under which observers were notified of a pending timer.
    pub(crate) fn set_entry(&mut self, key: TimerKey, entry: u32) {
        if entry != 0 {
            self.entries.insert(key, entry);
        }
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

    /// Removes a handle. If that frees the timer, it returns its work, which the caller drops outside of any
    /// borrow, and where it was created.
    #[must_use]
    #[inline]
    pub(crate) fn drop_handle(&mut self, key: TimerKey) -> Option<(Work, SourceLocation)> {
        let timer = &mut self.timers[key];
        timer.handles -= 1;
        if timer.handles > 0 || timer.link.is_linked() || timer.is_running {
            return None;
        }
        let location = timer.location;
        Some((self.free_if_not_picked(key)?, location))
    }

    /// Returns how many timers wake the task that settles the promise of this number.
    pub(crate) fn count_wakes_of(&self, promise: u64) -> usize {
        let works = self.timers.iter().map(|(_, timer)| &timer.work);
        let wakes =
            works.filter(|work| matches!(work, Work::WakeTask(task) if task.promise == promise));
        wakes.count()
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
            works.extend(self.clear(key).map(|(work, _)| work));
            if self.unlink(key).is_some() || !self.timers[key].destroyed {
                self.destroy(key); // R35: refreshed after it was cleared
            }
            works.extend(self.free_if_unused(key));
        }
        self.lists.clear(); // lists of cleared unref'd timers still exist (R29)
        self.by_duration.clear();
        self.last_found = None;
        self.queue.clear();
        self.vacant_lists = 0;
        self.next_expiry_ms = None;
        self.loop_timer_ms = None;
        works
    }

    fn origin(&self, key: TimerKey) -> Origin {
        let timer = &self.timers[key];
        let kind = match timer.repeats {
            false => StepKind::Timeout,
            true => StepKind::Interval,
        };
        let index = u64::from(key.number() - 1);
        let mut origin = Origin::of(kind, timer.location, index);
        if !self.entries.is_empty() {
            origin.entry = self.entries.get(&key).copied().unwrap_or(0);
        }
        origin
    }

    /// Returns the duration of a timer; `None` once it was cleared while it was pending.
    fn duration_ms(&self, key: TimerKey) -> Option<u64> {
        let link = self.timers[key].link;
        match link.list() {
            Some(list) => Some(self.lists[list].duration_ms),
            None => link.duration_ms(),
        }
    }

    /// Returns when a timer is or was due.
    fn due_ms(&self, timer: &Timer) -> u64 {
        let duration_ms = match timer.link.list() {
            Some(list) => self.lists[list].duration_ms,
            None => timer.link.duration_ms().unwrap_or(0),
        };
        timer.start_ms.saturating_add(duration_ms)
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
        if in_use {
            return None;
        }
        self.free_if_not_picked(key)
    }

    /// The same for a timer that has no handle and is neither pending nor running.
    #[inline]
    fn free_if_not_picked(&mut self, key: TimerKey) -> Option<Work> {
        let is_picked = |pass: &Pass| pass.picked == Some(key);
        if self.pass.as_ref().is_some_and(is_picked) {
            return None;
        }
        let timer = &self.timers[key];
        if !matches!(timer.work, Work::Once(None) | Work::Wake(None)) {
            return self.free_with_work(key);
        }
        let repeats = timer.repeats;
        self.timers.remove_empty(key); // it owns nothing, and is not copied
        self.forget(key, repeats);
        None
    }

    #[inline(never)] // the callback of most timers was called or dropped before
    fn free_with_work(&mut self, key: TimerKey) -> Option<Work> {
        let timer = &mut self.timers[key];
        let repeats = timer.repeats;
        let work = std::mem::replace(&mut timer.work, Work::Nothing);
        self.timers.remove_empty(key);
        self.forget(key, repeats);
        (!work.is_spent()).then_some(work) // a spent label is dropped
    }
}
