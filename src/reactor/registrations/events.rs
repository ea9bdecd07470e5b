//! How the events of a poll reach their sources.

use mio::Token;

use super::readiness::{Readiness, index_of};
use super::waiters::Woken;
use super::{READS_PER_EVENT, Registrations, slot_of};
use crate::phases::macrotask::{Macrotask, Origin, StepKind, TaskKey, Work};

impl Registrations {
    /// Reports the events of one poll, in order: first the sources of which a turn was not used, then
    /// those whose budgets were exhausted, then `events`. An event of an exhausted source is reduced to
    /// its write half, because its reader is served only once in a poll phase.
    pub(crate) fn merge_events(
        &mut self,
        events: impl Iterator<Item = (Token, Readiness)>,
        mut report: impl FnMut(Token, Readiness),
    ) {
        for token in std::mem::take(&mut self.turns) {
            if let Some(slot) = slot_of(&mut self.slots, token) {
                slot.read.is_turn_checked = false;
            }
            if self.is_turn_left(token) {
                report(token, Readiness::readable());
            }
        }
        if self.budget_exhausted.is_empty() {
            events.for_each(|(token, readiness)| report(token, readiness));
            return;
        }
        let exhausted = std::mem::take(&mut self.budget_exhausted);
        for token in &exhausted {
            report(*token, Readiness::readable().served_again());
        }
        for (token, readiness) in events {
            match slot_of(&mut self.slots, token) {
                Some(slot) if slot.read.is_budget_exhausted => {
                    slot.read.closed |= readiness.is_read_closed();
                    if let Some(write_half) = readiness.write_half() {
                        report(token, write_half);
                    }
                }
                _ => report(token, readiness),
            }
        }
        for token in exhausted {
            if let Some(slot) = slot_of(&mut self.slots, token) {
                slot.read.is_budget_exhausted = false;
            }
        }
    }

    /// Passes an event to its source as [`deliver`](Registrations::deliver) does, if one task of the loop
    /// waits for it and nothing else: the usual case, kept short. Otherwise it changes nothing.
    #[inline]
    pub(crate) fn deliver_to_reader(
        &mut self,
        token: Token,
        readiness: Readiness,
    ) -> Option<(Origin, TaskKey)> {
        let slot = slot_of(&mut self.slots, token)?;
        if !readiness.is_readable() || !slot.write.ready {
            return None;
        }
        let task = slot.read.waiters.take_task()?;
        slot.read.ready = true;
        slot.read.budget = READS_PER_EVENT;
        slot.read.closed |= readiness.is_read_closed();
        slot.write.closed |= readiness.is_write_closed();
        self.refed_waiters -= usize::from(slot.refed);
        let origin = Origin::of(StepKind::Readiness, slot.location, index_of(token) as u64);
        Some((origin, task))
    }

    /// Passes an event to its source: records the readiness, and returns the macrotask that wakes the
    /// waiting tasks.
    ///
    /// An event that wakes a reader and a writer is two macrotasks, the reader's first. The second
    /// value is the part of the event that the caller delivers next. It is `None` if the source
    /// already counts as writable, which is nearly always the case.
    pub(crate) fn deliver(
        &mut self,
        token: Token,
        readiness: Readiness,
    ) -> (Option<Macrotask>, Option<Readiness>) {
        let Some(slot) = slot_of(&mut self.slots, token) else {
            return (None, None);
        };
        let (state, write_half) = if readiness.is_readable() {
            slot.read.closed |= readiness.is_read_closed();
            slot.read.budget = READS_PER_EVENT;
            let write_half = if slot.write.ready {
                slot.write.closed |= readiness.is_write_closed();
                None
            } else {
                readiness.write_half()
            };
            (&mut slot.read, write_half)
        } else {
            slot.write.closed |= readiness.is_write_closed();
            (&mut slot.write, None)
        };
        state.ready = true;
        let refed = usize::from(slot.refed);
        let origin = Origin::of(StepKind::Readiness, slot.location, index_of(token) as u64);
        let woken = state.waiters.take_woken();
        let do_others_wait = !state.waiters.is_empty();
        self.refed_waiters -= woken.len() * refed;
        let macrotask = match woken {
            Woken::One(waiter) => waiter.map(|waiter| Macrotask::new(Work::from(waiter), origin)),
            Woken::Several(waiters) => Some(Macrotask::new(Work::WakeAll(waiters.into()), origin)),
        };
        if do_others_wait {
            self.check_turn(token);
        }
        (macrotask, write_half)
    }
}
