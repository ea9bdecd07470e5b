//! The lists of timers, one for each duration, and their queue.
//!
//! Invariant: a list that is not in `by_duration` is *detached*. It receives no more timers, is not
//! in the queue, and exists only until the running pass leaves it.

use super::{TimerKey, Timers};

pub(super) type ListKey = usize;

pub(super) struct List {
    duration_ms: u64,
    expiry_ms: u64,
    serial: u64,
    pub(super) head: Option<TimerKey>,
    tail: Option<TimerKey>,
    pub(super) detached: bool,
}

/// The position of a timer in its list.
#[derive(Clone, Copy)]
pub(super) struct Link {
    list: ListKey,
    previous: Option<TimerKey>,
    next: Option<TimerKey>,
}

impl Timers {
    /// Starts a timer and moves it to the end of the list of its duration (`insert`).
    pub(super) fn insert(&mut self, key: TimerKey, duration_ms: u64, start_ms: u64) {
        self.timers[key].start_ms = start_ms;
        self.unlink(key);
        self.append(key, duration_ms, start_ms);
    }

    /// Appends a timer that is in no list to the list of its duration.
    pub(super) fn append(&mut self, key: TimerKey, duration_ms: u64, start_ms: u64) {
        let list = match self.by_duration.get(&duration_ms) {
            Some(&list) => list,
            None => self.new_list(duration_ms, start_ms.saturating_add(duration_ms)),
        };
        let previous = self.lists[list].tail.replace(key);
        match previous {
            Some(previous) => {
                if let Some(link) = &mut self.timers[previous].link {
                    link.next = Some(key);
                }
            }
            None => self.lists[list].head = Some(key),
        }
        self.timers[key].link = Some(Link {
            list,
            previous,
            next: None,
        });
    }

    fn new_list(&mut self, duration_ms: u64, expiry_ms: u64) -> ListKey {
        let serial = self.new_serial();
        let list = self.lists.insert(List {
            duration_ms,
            expiry_ms,
            serial,
            head: None,
            tail: None,
            detached: false,
        });
        self.by_duration.insert(duration_ms, list);
        self.queue.insert((expiry_ms, serial, list));
        if self
            .next_expiry_ms
            .is_none_or(|next_ms| next_ms > expiry_ms)
        {
            // R27: a list that expires before all known ones sets the loop timer.
            self.loop_timer_ms = Some(self.last_reading_ms.saturating_add(duration_ms));
            self.next_expiry_ms = Some(expiry_ms);
        }
        list
    }

    fn new_serial(&mut self) -> u64 {
        let serial = self.next_serial;
        self.next_serial += 1;
        serial
    }

    /// Removes a timer from its list. The list keeps its expiry and its serial number (R28).
    pub(super) fn unlink(&mut self, key: TimerKey) {
        let Some(link) = self.timers[key].link.take() else {
            return;
        };
        match link.previous {
            Some(previous) => {
                if let Some(neighbour) = &mut self.timers[previous].link {
                    neighbour.next = link.next;
                }
            }
            None => self.lists[link.list].head = link.next,
        }
        match link.next {
            Some(next) => {
                if let Some(neighbour) = &mut self.timers[next].link {
                    neighbour.previous = link.previous;
                }
            }
            None => self.lists[link.list].tail = link.previous,
        }
    }

    /// Removes the list of a ref'd timer that was cleared, if the list is empty now (R29).
    pub(super) fn remove_list_if_empty(&mut self, duration_ms: u64) {
        let Some(&list) = self.by_duration.get(&duration_ms) else {
            return;
        };
        if self.lists[list].head.is_some() {
            return;
        }
        self.detach(list);
        let visited = self.pass.as_ref().and_then(|pass| pass.list);
        if visited != Some(list) {
            self.lists.remove(list);
        }
    }

    /// Removes a list from the map and the queue. The running pass may still visit it.
    pub(super) fn detach(&mut self, key: ListKey) {
        let list = &mut self.lists[key];
        list.detached = true;
        self.by_duration.remove(&list.duration_ms);
        self.queue.remove(&(list.expiry_ms, list.serial, key));
    }

    /// Puts a list whose first timer is not due back into the queue, with a new expiry and serial
    /// number (R22).
    pub(super) fn put_back(&mut self, key: ListKey, expiry_ms: u64) {
        let serial = self.new_serial();
        let list = &mut self.lists[key];
        self.queue.remove(&(list.expiry_ms, list.serial, key));
        list.expiry_ms = expiry_ms;
        list.serial = serial;
        self.queue.insert((expiry_ms, serial, key));
    }
}
