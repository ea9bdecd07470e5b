//! The timers phase: Node's lists of timers (R20–R36).
//!
//! All timers of one duration stand in one list, in the order in which they were armed, so a
//! list needs no sorting. The lists stand in a queue by expiry, then by serial number. Arming
//! and clearing is O(1) within a list; only a list that appears, empties or is put back touches
//! the queue. This is `lib/internal/timers.js` of Node v20, function by function, because the
//! order in which late timers run is the order of these lists, not of their deadlines (R23).
//!
//! The life of a timer:
//!
//! ```text
//!            1 arm            2 step: picked and taken
//!   (new) ─────────▶ linked ───────────────────────────▶ running
//!                     │ ▲ │ ▲                              │  │
//!            3 clear  │ │ └─┘ 4 refresh       5 finished   │  │ 5 finished (an interval, or
//!                     ▼ │                  (a timeout)     │  │   refreshed in its callback)
//!                 cleared│                                 ▼  └──▶ linked
//!                        └────────────────────────────── fired
//!                             4 refresh
//! ```
//!
//! 1 [`Timers::arm`], 2 [`Timers::step`], 3 [`Timers::clear`], 4 [`Timers::refresh`],
//! 5 [`Timers::finished`].
//!
//! Invariants: a linked timer is in exactly one list; `refed` counts the timers that are ref'd
//! and not destroyed; a list that is not in `by_duration` is *detached*: it gets no more timers
//! and lives only as long as the running pass looks at it.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use slab::Slab;

use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, Work};

mod resources;

pub(crate) type TimerKey = usize;
type ListKey = usize;

/// What [`Timers::step`] tells the loop to do next.
pub(crate) enum Step {
    /// Drain the queues, then ask again (R12).
    Drain,
    /// Call this, then hand it to [`Timers::finished`].
    Run(TimerKey, Macrotask),
    /// Nothing else is due.
    Done,
}

struct Timer {
    work: Work,
    location: SourceLocation,
    /// The number of the pending entry for observers.
    entry: u32,
    /// The clock when it was armed, in milliseconds (`_idleStart`).
    start_ms: u64,
    /// In whole milliseconds; `None` once it was cleared while pending (`_idleTimeout` = -1).
    duration_ms: Option<u64>,
    /// An interval's period (`_repeat`).
    is_interval: bool,
    /// Whether there is something to call; cleared timers have nothing (`_onTimeout`).
    has_callback: bool,
    /// Not pending and not running (`_destroyed`).
    destroyed: bool,
    /// Whether it keeps the loop alive while it is not destroyed (`kRefed`).
    refed: bool,
    /// Its work has been handed out and has not come back.
    is_running: bool,
    link: Option<Link>,
    /// Handles outside that know the key: while there are any, the key is not given away.
    handles: usize,
}

impl Timer {
    fn origin(&self, key: TimerKey) -> Origin {
        let source = match self.is_interval {
            true => StepKind::Interval,
            false => StepKind::Timeout,
        };
        Origin {
            entry: self.entry,
            ..Origin::of(source, self.location, key as u64)
        }
    }
}

#[derive(Clone, Copy)]
struct Link {
    active_resources: ListKey,
    previous: Option<TimerKey>,
    next: Option<TimerKey>,
}

struct List {
    duration_ms: u64,
    expiry_ms: u64,
    serial: u64,
    head: Option<TimerKey>,
    tail: Option<TimerKey>,
    detached: bool,
}

/// One timers phase under way.
struct Pass {
    now_ms: u64,
    ran_a_list: bool,
    active_resources: Option<ListKey>,
    ran_a_timer: bool,
    /// Picked before the drain that runs now (R34).
    picked: Option<TimerKey>,
}

pub(crate) struct Timers {
    timers: Slab<Timer>,
    lists: Slab<List>,
    by_duration: FxHashMap<u64, ListKey>,
    /// The lists that are not detached, by expiry, then serial number (R21).
    queue: BTreeSet<(u64, u64, ListKey)>,
    next_serial: u64,
    /// The earliest expiry that a new list has to beat to move the loop timer (`nextExpiry`).
    next_expiry_ms: u64,
    /// When the poll phase has to end at the latest (R27).
    loop_timer_ms: Option<u64>,
    /// The last reading of the clock, libuv's cached time.
    last_reading_ms: u64,
    refed: usize,
    pass: Option<Pass>,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            timers: Slab::new(),
            lists: Slab::new(),
            by_duration: FxHashMap::default(),
            queue: BTreeSet::new(),
            next_serial: 0,
            next_expiry_ms: u64::MAX,
            loop_timer_ms: None,
            last_reading_ms: 0,
            refed: 0,
            pass: None,
        }
    }

    /// Arms a new timer with one handle (R26: `now_ms` is read at this moment). It starts no
    /// earlier than the running pass and lasts a millisecond, so it is not due in it (R25, R31).
    pub(crate) fn arm(
        &mut self,
        work: Work,
        duration_ms: u64,
        is_interval: bool,
        location: SourceLocation,
        now_ms: u64,
    ) -> TimerKey {
        self.last_reading_ms = now_ms;
        let key = self.timers.insert(Timer {
            work,
            location,
            entry: 0,
            start_ms: now_ms,
            duration_ms: Some(duration_ms),
            is_interval,
            has_callback: true,
            destroyed: false,
            refed: true,
            is_running: false,
            link: None,
            handles: 1,
        });
        self.refed += 1;
        self.insert(key, duration_ms, now_ms);
        key
    }

    /// R33, R35. The caller drops what comes back outside of any borrow.
    #[must_use]
    pub(crate) fn clear(&mut self, key: TimerKey) -> Option<Work> {
        let timer = &mut self.timers[key];
        if !timer.has_callback {
            return None;
        }
        timer.has_callback = false;
        let work = timer.work.take();
        if !timer.destroyed {
            timer.destroyed = true;
            let duration_ms = timer.duration_ms.take();
            let refed = timer.refed;
            self.unlink(key);
            if refed {
                self.remove_list_if_empty(duration_ms);
                self.refed -= 1;
            }
        }
        Some(work)
    }

    /// R35: a pending timer starts again, one that has fired is armed again, one that was
    /// cleared while pending stays cleared.
    pub(crate) fn refresh(&mut self, key: TimerKey, now_ms: u64) {
        let timer = &mut self.timers[key];
        let Some(duration_ms) = timer.duration_ms else {
            return;
        };
        if timer.work.is_spent() {
            return; // it could be called once only, and was
        }
        self.last_reading_ms = now_ms;
        if std::mem::replace(&mut timer.destroyed, false) && timer.refed {
            self.refed += 1;
        }
        self.insert(key, duration_ms, now_ms);
    }

    /// R36.
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

    pub(crate) fn has_ref(&self, key: TimerKey) -> bool {
        self.timers[key].refed
    }

    /// Whether the timer is still to come.
    pub(crate) fn is_pending(&self, key: TimerKey) -> bool {
        self.timers[key].link.is_some()
    }

    /// A pending timer as observers see it, and when it is due. The key may be free.
    pub(crate) fn pending(&self, key: TimerKey) -> Option<(Origin, u64)> {
        let timer = self.timers.get(key)?;
        let duration_ms = timer.link.and(timer.duration_ms)?;
        Some((
            timer.origin(key),
            timer.start_ms.saturating_add(duration_ms),
        ))
    }

    /// Observers were told of a pending timer under this number.
    pub(crate) fn set_entry(&mut self, key: TimerKey, entry: u32) {
        self.timers[key].entry = entry;
    }

    /// Changes what a pending timer wakes.
    pub(crate) fn pending_work(&mut self, key: TimerKey) -> &mut Work {
        &mut self.timers[key].work
    }

    pub(crate) fn add_handle(&mut self, key: TimerKey) {
        self.timers[key].handles += 1;
    }

    /// One handle less. The caller drops what comes back outside of any borrow.
    #[must_use]
    pub(crate) fn drop_handle(&mut self, key: TimerKey) -> Option<Work> {
        self.timers[key].handles -= 1;
        self.free_if_unused(key)
    }

    /// Whether a ref'd timer keeps the loop alive (R6).
    pub(crate) fn has_refed(&self) -> bool {
        self.refed > 0
    }

    /// When the poll phase has to end at the latest (R5, R27).
    pub(crate) fn loop_timer_ms(&self) -> Option<u64> {
        self.loop_timer_ms
    }

    /// The first timer of the first list that is due at this very millisecond.
    pub(crate) fn first_due_at(&self, at_ms: u64) -> Option<SourceLocation> {
        let (_, _, active_resources) = self
            .queue
            .range((at_ms, 0, 0)..=(at_ms, u64::MAX, ListKey::MAX))
            .next()?;
        let first = self.lists[*active_resources].head?;
        Some(self.timers[first].location)
    }

    /// The loop's time is brought up to date (`uv__update_time`).
    pub(crate) fn note_time(&mut self, now_ms: u64) {
        self.last_reading_ms = now_ms;
    }

    /// Whether the loop timer is due by the last reading of the clock (`uv__run_timers`).
    pub(crate) fn is_due(&self) -> bool {
        self.loop_timer_ms
            .is_some_and(|due_ms| due_ms <= self.last_reading_ms)
    }

    /// The first lines of R22: a pass begins, and the loop timer has fired.
    pub(crate) fn begin(&mut self, now_ms: u64) {
        self.last_reading_ms = now_ms;
        self.loop_timer_ms = None;
        self.next_expiry_ms = u64::MAX;
        self.pass = Some(Pass {
            now_ms,
            ran_a_list: false,
            active_resources: None,
            ran_a_timer: false,
            picked: None,
        });
    }

    /// R22, R23, R34: what comes next in this phase (`processTimers` and `listOnTimeout`).
    pub(crate) fn step(&mut self) -> Step {
        let mut pass = self.pass.take().expect("a timers phase is under way");
        let step = self.step_in(&mut pass);
        self.pass = Some(pass);
        step
    }

    fn step_in(&mut self, pass: &mut Pass) -> Step {
        loop {
            if let Some(key) = pass.picked.take()
                && let Some(macrotask) = self.take(key)
            {
                return Step::Run(key, macrotask);
            }
            let Some(active_resources) = pass.active_resources else {
                let Some(&(expiry_ms, _, active_resources)) = self.queue.first() else {
                    return Step::Done;
                };
                if expiry_ms > pass.now_ms {
                    self.next_expiry_ms = expiry_ms;
                    return Step::Done;
                }
                pass.active_resources = Some(active_resources);
                pass.ran_a_timer = false;
                if std::mem::replace(&mut pass.ran_a_list, true) {
                    return Step::Drain; // R12: between two lists
                }
                continue;
            };
            let Some(key) = self.lists[active_resources].head else {
                self.leave_list(pass);
                continue;
            };
            let duration_ms = self.lists[active_resources].duration_ms;
            let due_ms = self.timers[key].start_ms.saturating_add(duration_ms);
            if due_ms > pass.now_ms {
                self.put_back(active_resources, due_ms.max(pass.now_ms.saturating_add(1)));
                self.leave_list(pass);
                continue;
            }
            pass.picked = Some(key);
            if std::mem::replace(&mut pass.ran_a_timer, true) {
                return Step::Drain; // R12: between two timers; R34: picked before it
            }
        }
    }

    /// Behind the callback of a timer: an interval is armed again, with the clock read before
    /// the call as its start (R30, R32); the rest has fired. The caller drops what comes back
    /// outside of any borrow.
    #[must_use]
    pub(crate) fn finished(
        &mut self,
        key: TimerKey,
        macrotask: Macrotask,
        called_at_ms: u64,
    ) -> (Option<Work>, Option<Work>) {
        let timer = &mut self.timers[key];
        timer.is_running = false;
        if timer.is_interval {
            // Only an interval reads the clock at its call, and R27 is about readings.
            self.last_reading_ms = self.last_reading_ms.max(called_at_ms);
        }
        let leftover = if timer.has_callback {
            timer.work = macrotask.work;
            None
        } else {
            Some(macrotask.work) // cleared by its own callback
        };
        match timer.duration_ms {
            Some(duration_ms) if timer.is_interval => self.insert(key, duration_ms, called_at_ms),
            _ if timer.link.is_none() && !timer.destroyed => self.destroy(key),
            _ => {}
        }
        (leftover, self.free_if_unused(key))
    }

    /// R56, R58: a callback or a drain that throws starts the pass over, at the same `now`.
    pub(crate) fn start_over(&mut self) {
        let mut pass = self.pass.take().expect("a timers phase is under way");
        pass.ran_a_list = false;
        self.leave_thrown_list(&mut pass);
        if let Some(key) = pass.picked.take() {
            drop(self.free_if_unused(key)); // only one that was cleared is unused: no work left
        }
        self.pass = Some(pass);
    }

    /// The end of R22: sets the loop timer (R27, `env.cc` `RunTimers`).
    pub(crate) fn end(&mut self) {
        if let Some(mut pass) = self.pass.take() {
            self.leave_thrown_list(&mut pass);
        }
        if let Some(&(expiry_ms, _, _)) = self.queue.first() {
            self.loop_timer_ms = Some(expiry_ms.max(self.last_reading_ms.saturating_add(1)));
        }
    }

    /// Takes every callback out, to be dropped by the caller outside of any borrow. Handles stay
    /// valid and find a cleared timer.
    pub(crate) fn take_all(&mut self) -> Vec<Work> {
        let keys: Vec<TimerKey> = self.timers.iter().map(|(key, _)| key).collect();
        let mut works = Vec::with_capacity(keys.len());
        for key in keys {
            works.extend(self.clear(key));
            works.extend(self.free_if_unused(key));
        }
        self.lists.clear(); // those of unref'd timers are still there (R29)
        self.by_duration.clear();
        self.queue.clear();
        self.next_expiry_ms = u64::MAX;
        self.loop_timer_ms = None;
        works
    }

    /// Appends a timer to the list of its duration (`insert`).
    fn insert(&mut self, key: TimerKey, duration_ms: u64, start_ms: u64) {
        self.timers[key].start_ms = start_ms;
        let active_resources = match self.by_duration.get(&duration_ms) {
            Some(&active_resources) => active_resources,
            None => self.new_list(duration_ms, start_ms.saturating_add(duration_ms)),
        };
        self.unlink(key);
        let previous = self.lists[active_resources].tail.replace(key);
        match previous {
            Some(previous) => {
                if let Some(link) = &mut self.timers[previous].link {
                    link.next = Some(key);
                }
            }
            None => self.lists[active_resources].head = Some(key),
        }
        self.timers[key].link = Some(Link {
            active_resources,
            previous,
            next: None,
        });
    }

    fn new_list(&mut self, duration_ms: u64, expiry_ms: u64) -> ListKey {
        let serial = self.next_serial;
        self.next_serial += 1;
        let active_resources = self.lists.insert(List {
            duration_ms,
            expiry_ms,
            serial,
            head: None,
            tail: None,
            detached: false,
        });
        self.by_duration.insert(duration_ms, active_resources);
        self.queue.insert((expiry_ms, serial, active_resources));
        if self.next_expiry_ms > expiry_ms {
            // R27: a list below all known ones moves the loop timer.
            self.loop_timer_ms = Some(self.last_reading_ms.saturating_add(duration_ms));
            self.next_expiry_ms = expiry_ms;
        }
        active_resources
    }

    /// Takes a timer out of its list. The list keeps its expiry and its number (R28).
    fn unlink(&mut self, key: TimerKey) {
        let Some(link) = self.timers[key].link.take() else {
            return;
        };
        match link.previous {
            Some(previous) => {
                if let Some(neighbour) = &mut self.timers[previous].link {
                    neighbour.next = link.next;
                }
            }
            None => self.lists[link.active_resources].head = link.next,
        }
        match link.next {
            Some(next) => {
                if let Some(neighbour) = &mut self.timers[next].link {
                    neighbour.previous = link.previous;
                }
            }
            None => self.lists[link.active_resources].tail = link.previous,
        }
    }

    /// R29: clearing the last timer of a list removes the list if that timer was ref'd.
    fn remove_list_if_empty(&mut self, duration_ms: Option<u64>) {
        let active_resources =
            duration_ms.and_then(|duration_ms| self.by_duration.get(&duration_ms).copied());
        if let Some(active_resources) = active_resources
            && self.lists[active_resources].head.is_none()
        {
            self.detach(active_resources);
            if self
                .pass
                .as_ref()
                .is_none_or(|pass| pass.active_resources != Some(active_resources))
            {
                self.lists.remove(active_resources);
            }
        }
    }

    /// Takes a list out of the map and the queue; the running pass may still look at it.
    fn detach(&mut self, key: ListKey) {
        let active_resources = &mut self.lists[key];
        active_resources.detached = true;
        self.by_duration.remove(&active_resources.duration_ms);
        self.queue
            .remove(&(active_resources.expiry_ms, active_resources.serial, key));
    }

    /// A list whose first timer is not due goes back with a new expiry and number (R22).
    fn put_back(&mut self, key: ListKey, expiry_ms: u64) {
        let active_resources = &mut self.lists[key];
        self.queue
            .remove(&(active_resources.expiry_ms, active_resources.serial, key));
        active_resources.expiry_ms = expiry_ms;
        active_resources.serial = self.next_serial;
        self.next_serial += 1;
        self.queue
            .insert((active_resources.expiry_ms, active_resources.serial, key));
    }

    /// The pass is through with its list: an empty one goes (end of `listOnTimeout`).
    fn leave_list(&mut self, pass: &mut Pass) {
        let Some(key) = pass.active_resources.take() else {
            return;
        };
        if self.lists[key].head.is_none() {
            if !self.lists[key].detached {
                self.detach(key);
            }
            self.lists.remove(key);
        }
    }

    /// The pass was thrown out of its list: an empty one stays for the next look (R56).
    fn leave_thrown_list(&mut self, pass: &mut Pass) {
        let Some(key) = pass.active_resources.take() else {
            return;
        };
        if self.lists[key].detached {
            self.lists.remove(key);
        }
    }

    /// Takes the picked timer out of whatever list it stands in now (R34) and hands out its
    /// work; one that was cleared meanwhile has none.
    fn take(&mut self, key: TimerKey) -> Option<Macrotask> {
        self.unlink(key);
        let timer = &mut self.timers[key];
        if !timer.has_callback {
            if !timer.destroyed {
                self.destroy(key); // armed again after it was cleared: R35, nothing to call
            }
            drop(self.free_if_unused(key)); // its work went when it was cleared
            return None;
        }
        timer.is_running = true;
        let origin = timer.origin(key);
        timer.entry = 0;
        Some(Macrotask::new(timer.work.take(), origin))
    }

    fn destroy(&mut self, key: TimerKey) {
        let timer = &mut self.timers[key];
        timer.destroyed = true;
        self.refed -= usize::from(timer.refed);
    }

    fn free_if_unused(&mut self, key: TimerKey) -> Option<Work> {
        let timer = &self.timers[key];
        let in_use = timer.handles > 0 || timer.link.is_some() || timer.is_running;
        let picked = self
            .pass
            .as_ref()
            .is_some_and(|pass| pass.picked == Some(key));
        if in_use || picked {
            return None;
        }
        Some(self.timers.remove(key).work)
    }
}
