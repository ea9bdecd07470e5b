//! One pass of the timers phase: which timer is called next (`processTimers`, `listOnTimeout`).
//!
//! ```text
//! begin
//! step:
//!    if                                      then                          returns
//!    a timer is picked                       remove it from its list       Run
//!    the current list's first timer is due   pick that timer               Drain (a)
//!    nothing in the current list is due      leave the list
//!    no list is current, one has expired     make it the current list      Drain (b)
//!    no list is current, none has expired                                  Done
//! end
//! ```
//!
//! (a) Unless it is the first timer of its list. (b) Unless it is the first list of the pass. A row
//! that returns nothing is followed by the row that applies next.
//!
//! The loop acts on each [`Step`] and asks for the next one. After a panic in a callback or in a
//! drain it calls [`Timers::start_over`] first.

use super::list::ListKey;
use super::{TimerKey, Timers};
use crate::phases::macrotask::{Macrotask, StepKind, Work};

/// What the loop must do next.
pub(crate) enum Step {
    /// Drain the queues (R12).
    Drain,
    /// Call this timer, then hand it to [`Timers::finished`].
    Run(TimerKey, Macrotask),
    /// End the pass: nothing else is due.
    Done,
}

/// The running pass.
pub(super) struct Pass {
    now_ms: u64,
    /// The current list: the one being visited.
    pub(super) list: Option<ListKey>,
    /// The timer that the next step calls, picked before the drain between the two (R34).
    pub(super) picked: Option<TimerKey>,
    visited_a_list: bool,
    /// Whether a timer of the visited list has already been picked.
    picked_a_timer: bool,
}

impl Timers {
    /// Begins a pass: the loop timer has fired (R22).
    pub(crate) fn begin(&mut self, now_ms: u64) {
        self.last_reading_ms = now_ms;
        self.loop_timer_ms = None;
        self.next_expiry_ms = None;
        self.pass = Some(Pass {
            now_ms,
            list: None,
            picked: None,
            visited_a_list: false,
            picked_a_timer: false,
        });
    }

    /// Returns the next step of this pass (R22, R23, R34).
    pub(crate) fn step(&mut self) -> Step {
        let mut pass = self.pass.take().expect("a timers pass is running");
        let step = loop {
            let step = match (pass.picked.take(), pass.list) {
                (Some(timer), _) => self.run_picked(timer),
                (None, Some(list)) => self.pick_next(list, &mut pass),
                (None, None) => self.visit_next_list(&mut pass),
            };
            if let Some(step) = step {
                break step;
            }
        };
        self.pass = Some(pass);
        step
    }

    fn run_picked(&mut self, timer: TimerKey) -> Option<Step> {
        self.take(timer)
            .map(|macrotask| Step::Run(timer, macrotask))
    }

    /// Picks the first timer of the visited list, or leaves the list if that is not due.
    fn pick_next(&mut self, list: ListKey, pass: &mut Pass) -> Option<Step> {
        let first = self.lists[list].first();
        match first.map(|timer| (timer, self.due_ms(&self.timers[timer]))) {
            Some((timer, due_ms)) if due_ms <= pass.now_ms => {
                pass.picked = Some(timer); // R34: before the drain, which may refresh or clear it
                let is_first = !std::mem::replace(&mut pass.picked_a_timer, true);
                return (!is_first).then_some(Step::Drain); // R12: between two timers
            }
            Some((_, due_ms)) => {
                let earliest_ms = pass.now_ms.saturating_add(1);
                self.put_back(list, due_ms.max(earliest_ms)); // R22
            }
            None => {}
        }
        self.leave_list(pass);
        None
    }

    fn visit_next_list(&mut self, pass: &mut Pass) -> Option<Step> {
        let Some((expiry_ms, list)) = self.first_list() else {
            return Some(Step::Done);
        };
        if expiry_ms > pass.now_ms {
            self.next_expiry_ms = Some(expiry_ms);
            return Some(Step::Done);
        }
        pass.list = Some(list);
        pass.picked_a_timer = false;
        let is_first = !std::mem::replace(&mut pass.visited_a_list, true);
        (!is_first).then_some(Step::Drain) // R12: between two lists
    }

    /// Removes the picked timer from its current list (a refresh may have moved it, R34), and returns
    /// its work; `None` if the timer was cleared since it was picked.
    fn take(&mut self, key: TimerKey) -> Option<Macrotask> {
        self.unlink(key);
        let timer = &mut self.timers[key];
        if !timer.has_callback {
            if !timer.destroyed {
                self.destroy(key); // R35: refreshed after it was cleared, so there is nothing to call
            }
            drop(self.free_if_unused(key)); // its work was dropped when it was cleared
            return None;
        }
        timer.is_running = true;
        let work = timer.work.take();
        let origin = self.origin(key);
        if origin.entry != 0 {
            self.entries.remove(&key);
        }
        Some(Macrotask::new(work, origin))
    }

    /// Ends the call of a timer. An interval is armed again, starting from the clock reading taken
    /// before the call (R30, R32), or from now if its callback has made it one; any other timer has fired.
    /// The caller drops the returned work outside of any borrow.
    #[must_use]
    pub(crate) fn finished(
        &mut self,
        key: TimerKey,
        macrotask: Macrotask,
        called_at_ms: u64,
        now_ms: impl FnOnce() -> u64,
    ) -> Option<Work> {
        let timer = &mut self.timers[key];
        timer.is_running = false;
        let was_interval = macrotask.origin.kind == StepKind::Interval;
        if was_interval {
            // R27: only an interval reads the clock at its call.
            self.last_reading_ms = self.last_reading_ms.max(called_at_ms);
        }
        let leftover = if timer.has_callback && !timer.work.is_live() {
            timer.work = macrotask.work;
            None
        } else {
            Some(macrotask.work) // cleared by its own callback, or replaced
        };
        let period_ms = match timer.repeats {
            true => self.periods.get(&key).copied(),
            false => None,
        };
        match period_ms {
            Some(period_ms) if !timer.link.is_cleared() => {
                let start_ms = match was_interval {
                    true => called_at_ms,
                    false => now_ms(), // its own callback has made it one
                };
                self.insert(key, period_ms, start_ms);
            }
            _ if !timer.link.is_linked() && !timer.destroyed => self.destroy(key),
            _ => {}
        }
        let freed = self.free_if_unused(key);
        leftover.or(freed).filter(|work| !work.is_spent()) // what is spent owns nothing
    }

    /// Restarts the pass with the same `now_ms`, after a panic in a callback or in a drain (R56, R58).
    pub(crate) fn start_over(&mut self) {
        let mut pass = self.pass.take().expect("a timers pass is running");
        pass.visited_a_list = false;
        self.abandon_list(&mut pass);
        if let Some(key) = pass.picked.take() {
            drop(self.free_if_unused(key)); // only a cleared timer is unused, and its work was dropped
        }
        self.pass = Some(pass);
    }

    /// Ends the pass and sets the loop timer (R27, `env.cc` `RunTimers`).
    pub(crate) fn end(&mut self) {
        if let Some(mut pass) = self.pass.take() {
            self.abandon_list(&mut pass);
        }
        if let Some((expiry_ms, _)) = self.first_list() {
            self.loop_timer_ms = Some(expiry_ms.max(self.last_reading_ms.saturating_add(1)));
        }
    }

    /// Leaves the visited list, and removes it if it is empty (the end of `listOnTimeout`).
    fn leave_list(&mut self, pass: &mut Pass) {
        let Some(key) = pass.list.take() else {
            return;
        };
        let list = &self.lists[key];
        if list.detached {
            self.lists.remove(key);
        } else if list.first().is_none() {
            self.end_list(key);
        }
    }

    /// Leaves the visited list early. An empty list stays in the queue and is visited again (R56).
    fn abandon_list(&mut self, pass: &mut Pass) {
        let Some(key) = pass.list.take() else {
            return;
        };
        if self.lists[key].detached {
            self.lists.remove(key);
        }
    }
}
