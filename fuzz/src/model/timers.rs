//! Timers: lists of equal duration, which are searched for the one that expires first (R20–R36).

use super::{Callback, Model, Work, pick};
use crate::program::*;
use crate::value::INTERVAL_CALLS;

#[derive(Default)]
pub(super) struct Timers {
    all: Vec<Timer>,
    lists: Vec<List>,
    next_serial: u64,
    /// When the first list expires, as far as is known (R27).
    next_expiry_ms: Option<u64>,
    pub(super) loop_timer_ms: Option<u64>,
    /// The time of the loop: the last reading of the clock.
    cached_ms: u64,
}

struct Timer {
    kind: TimerKind,
    work: Work,
    calls: u32,
    start_ms: u64,
    /// `None` once it was cleared while it was pending or running.
    duration_ms: Option<u64>,
    has_callback: bool,
    /// It has fired and was not armed again, or was cleared.
    destroyed: bool,
    refed: bool,
    /// Its callback could be called once, and was.
    spent: bool,
}

struct List {
    duration_ms: u64,
    expiry_ms: u64,
    serial: u64,
    timers: Vec<usize>,
}

/// The longest delay (R20).
const MAX_DELAY_MS: u64 = 0x7fff_ffff;

impl Model {
    pub(super) fn has_refed_timers(&self) -> bool {
        let timers = &self.timers.all;
        timers.iter().any(|timer| timer.refed && !timer.destroyed)
    }

    pub(super) fn set_timer(&mut self, kind: TimerKind, delay: Delay, body: &Body) {
        let label = match kind {
            TimerKind::Interval => "interval",
            TimerKind::Once | TimerKind::Refreshable => "timeout",
        };
        let callback: Callback = self.callback(label, body);
        let timer = self.arm(kind, delay.ms(), Work::Call(callback));
        self.timer_table.push(timer);
    }

    pub(super) fn arm(&mut self, kind: TimerKind, delay_ms: u64, work: Work) -> usize {
        let mut duration_ms = delay_ms.max(1);
        if duration_ms > MAX_DELAY_MS {
            duration_ms = 1;
            self.ticks.push_back(Work::Warning);
        }
        self.timers.all.push(Timer {
            kind,
            work,
            calls: 0,
            start_ms: 0,
            duration_ms: Some(duration_ms),
            has_callback: true,
            destroyed: false,
            refed: true,
            spent: false,
        });
        let id = self.timers.all.len() - 1;
        self.timers.cached_ms = self.now_ms; // R26
        self.timers.insert(id, duration_ms, self.now_ms);
        id
    }

    pub(super) fn on_timer(&mut self, op: TimerOp, index: Index) {
        let Some(id) = pick(&self.timer_table, index) else {
            return;
        };
        match op {
            TimerOp::Clear => self.clear_timer(id),
            TimerOp::Refresh => self.refresh_timer(id),
            TimerOp::Ref => self.timers.all[id].refed = true,
            TimerOp::Unref => self.timers.all[id].refed = false,
            TimerOp::Inspect => {
                let pending = self.is_timer_pending(id);
                self.log(format!("pending {pending}"));
            }
            TimerOp::Drop => {
                let index = usize::from(index) % self.timer_table.len();
                self.timer_table.remove(index);
            }
        }
    }

    pub(super) fn unref_timer(&mut self, id: usize) {
        self.timers.all[id].refed = false;
    }

    pub(super) fn is_timer_pending(&self, id: usize) -> bool {
        self.timers
            .lists
            .iter()
            .any(|list| list.timers.contains(&id))
    }

    /// R29, R33.
    pub(super) fn clear_timer(&mut self, id: usize) {
        let timer = &mut self.timers.all[id];
        if !std::mem::replace(&mut timer.has_callback, false) || timer.destroyed {
            return;
        }
        timer.destroyed = true;
        let duration_ms = timer.duration_ms.take();
        let refed = timer.refed;
        self.timers.unlink(id);
        if refed {
            let is_empty =
                |list: &List| Some(list.duration_ms) == duration_ms && list.timers.is_empty();
            self.timers.lists.retain(|list| !is_empty(list));
        }
    }

    /// R35.
    fn refresh_timer(&mut self, id: usize) {
        let timer = &mut self.timers.all[id];
        let Some(duration_ms) = timer.duration_ms.filter(|_| !timer.spent) else {
            return;
        };
        timer.destroyed = false;
        self.timers.cached_ms = self.now_ms;
        self.timers.insert(id, duration_ms, self.now_ms);
    }

    pub(super) fn timers_phase(&mut self) {
        self.timers.cached_ms = self.now_ms;
        // R24: again if the drain at the end has armed a timer that is due.
        while let Some(due_ms) = self.timers.loop_timer_ms
            && due_ms <= self.timers.cached_ms
        {
            self.timers.cached_ms = self.now_ms;
            self.timers.loop_timer_ms = None;
            self.timers.next_expiry_ms = None;
            let now_ms = self.now_ms; // R22: read once
            while !self.visit_lists(now_ms) {} // R56
            if let Some(first) = self.timers.first() {
                let expiry_ms = self.timers.lists[first].expiry_ms;
                self.timers.next_expiry_ms = Some(expiry_ms);
                let earliest_ms = self.timers.cached_ms + 1;
                self.timers.loop_timer_ms = Some(expiry_ms.max(earliest_ms));
            }
            self.drain(); // R12
        }
    }

    /// Runs what is due. Returns false as soon as something panics.
    fn visit_lists(&mut self, now_ms: u64) -> bool {
        let mut is_first_list = true;
        while let Some(first) = self.timers.first() {
            if self.timers.lists[first].expiry_ms > now_ms {
                break;
            }
            if !std::mem::replace(&mut is_first_list, false) {
                // The list was found before the drain, which may remove it, and not another one.
                let serial = self.timers.lists[first].serial;
                if !self.drain() {
                    return false;
                }
                if self.timers.by_serial(serial).is_none() {
                    continue;
                }
                if !self.visit_list(serial, now_ms) {
                    return false;
                }
            } else {
                let serial = self.timers.lists[first].serial;
                if !self.visit_list(serial, now_ms) {
                    return false;
                }
            }
        }
        true
    }

    fn visit_list(&mut self, serial: u64, now_ms: u64) -> bool {
        let mut is_first_timer = true;
        loop {
            let Some(list) = self.timers.by_serial(serial) else {
                return true; // it was removed, because it was empty
            };
            let list = &mut self.timers.lists[list];
            let Some(&id) = list.timers.first() else {
                self.timers.lists.retain(|list| list.serial != serial);
                return true;
            };
            let timer = &self.timers.all[id];
            let due_ms = timer.start_ms + timer.duration_ms.expect("a linked timer has one");
            if due_ms > now_ms {
                list.expiry_ms = due_ms.max(now_ms + 1);
                list.serial = self.timers.next_serial;
                self.timers.next_serial += 1;
                return true;
            }
            // R34: selected before the drain.
            if !std::mem::replace(&mut is_first_timer, false) && !self.drain() {
                return false;
            }
            self.timers.unlink(id);
            if !self.timers.all[id].has_callback {
                self.timers.all[id].destroyed = true;
                continue;
            }
            if !self.fire(id) {
                return false;
            }
        }
    }

    fn fire(&mut self, id: usize) -> bool {
        let timer = &mut self.timers.all[id];
        timer.calls += 1;
        timer.spent = timer.kind == TimerKind::Once;
        let (work, is_last) = (timer.work.clone(), timer.calls >= INTERVAL_CALLS);
        let is_interval = timer.kind == TimerKind::Interval;
        let start_ms = self.now_ms; // R30
        if is_interval {
            self.timers.cached_ms = self.now_ms;
            if is_last {
                self.clear_timer(id);
            }
        }
        let outcome = self.perform(work);
        // Before the listeners for uncaught errors (R30).
        let is_pending = self.is_timer_pending(id);
        let timer = &mut self.timers.all[id];
        match timer.duration_ms {
            Some(duration_ms) if is_interval => self.timers.insert(id, duration_ms, start_ms),
            _ if !is_pending => timer.destroyed = true,
            _ => {}
        }
        outcome.map_err(|panic| self.uncaught(panic)).is_ok()
    }
}

impl Timers {
    /// Appends the timer to the list of its duration (R21).
    fn insert(&mut self, id: usize, duration_ms: u64, start_ms: u64) {
        self.all[id].start_ms = start_ms;
        self.unlink(id);
        let known = |list: &&mut List| list.duration_ms == duration_ms;
        if let Some(list) = self.lists.iter_mut().find(known) {
            return list.timers.push(id);
        }
        let expiry_ms = start_ms + duration_ms;
        self.lists.push(List {
            duration_ms,
            expiry_ms,
            serial: self.next_serial,
            timers: vec![id],
        });
        self.next_serial += 1;
        if self
            .next_expiry_ms
            .is_none_or(|next_ms| next_ms > expiry_ms)
        {
            self.loop_timer_ms = Some(self.cached_ms + duration_ms); // R27
            self.next_expiry_ms = Some(expiry_ms);
        }
    }

    fn unlink(&mut self, id: usize) {
        for list in &mut self.lists {
            list.timers.retain(|timer| *timer != id);
        }
    }

    /// The list that expires first.
    fn first(&self) -> Option<usize> {
        let lists = 0..self.lists.len();
        lists.min_by_key(|list| (self.lists[*list].expiry_ms, self.lists[*list].serial))
    }

    fn by_serial(&self, serial: u64) -> Option<usize> {
        self.lists.iter().position(|list| list.serial == serial)
    }
}
