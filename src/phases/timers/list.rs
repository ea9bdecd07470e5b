//! The lists of timers, one for each duration, and their queue.
//!
//! Invariant: a list that is not in `by_duration` is *detached*. It receives no more timers, is not
//! in the queue, and exists only until the running pass leaves it.
//!
//! A list that ends is only marked as *vacant*: for the rules it does not exist. Many programs arm and
//! clear timers of one duration again and again; the next timer makes the list a new one, with a new
//! number and expiry, without a change of the map or of the queue.
//!
//! Invariant: the duration of a timer that is linked is that of its list.
//! Invariant: the entry of a list in the queue is not greater than its expiry and number. An entry
//! that is smaller is corrected when it has become the first one.

use rustc_hash::FxHashMap;

use super::{TimerKey, Timers};

pub(super) type ListKey = usize;

/// The entry of a list that has never been in the queue. It is greater than all others.
const NOT_QUEUED: (u64, u64) = (u64::MAX, u64::MAX);

pub(super) struct List {
    pub(super) duration_ms: u64,
    pub(super) expiry_ms: u64,
    pub(super) serial: u64,
    /// The expiry and the number under which the list is in the queue.
    queued: (u64, u64),
    head: Option<TimerKey>,
    tail: Option<TimerKey>,
    pub(super) detached: bool,
    pub(super) vacant: bool,
}

impl List {
    pub(super) fn first(&self) -> Option<TimerKey> {
        self.head
    }
}

/// The lists by their durations. Nearly all durations are shorter than 49 days, so an entry is small: the
/// map of a thousand durations stays in the first cache.
#[derive(Default)]
pub(super) struct Durations {
    usual: FxHashMap<u32, u32>,
    long: FxHashMap<u64, u32>,
}

impl Durations {
    #[inline(always)] // a part of `arm`
    pub(super) fn get(&self, duration_ms: u64) -> Option<ListKey> {
        let list = match u32::try_from(duration_ms) {
            Ok(usual) => self.usual.get(&usual),
            Err(_) => self.long.get(&duration_ms),
        };
        list.map(|list| *list as ListKey)
    }

    fn insert(&mut self, duration_ms: u64, list: ListKey) {
        let list = list as u32; // `insert_list` checks it
        match u32::try_from(duration_ms) {
            Ok(usual) => self.usual.insert(usual, list),
            Err(_) => self.long.insert(duration_ms, list),
        };
    }

    fn remove(&mut self, duration_ms: u64) {
        match u32::try_from(duration_ms) {
            Ok(usual) => self.usual.remove(&usual),
            Err(_) => self.long.remove(&duration_ms),
        };
    }

    pub(super) fn clear(&mut self) {
        self.usual.clear();
        self.long.clear();
    }
}

/// Vacant lists are removed when there are more of them than other lists, and more than this.
const MAX_VACANT: usize = 1_024;

/// The position of a timer in its list. While the timer is in none, it contains the duration, which is
/// otherwise that of the list.
#[derive(Clone, Copy)]
pub(super) struct Link {
    /// The key of the list, [`UNLINKED`] or [`CLEARED`].
    list: u32,
    /// The number of the timer before this one, or zero; the upper half of the duration of a timer that is
    /// not linked.
    previous: u32,
    /// The same for the timer after this one, and the lower half.
    next: u32,
}

/// The timer is in no list.
const UNLINKED: u32 = u32::MAX;
/// The timer is in no list and has no duration.
const CLEARED: u32 = u32::MAX - 1;

impl Link {
    pub(super) const CLEARED: Link = Link {
        list: CLEARED,
        previous: 0,
        next: 0,
    };

    fn last(list: ListKey, tail: Option<TimerKey>) -> Link {
        Link {
            list: list as u32, // `insert_list` checks it
            previous: tail.map_or(0, TimerKey::number),
            next: 0,
        }
    }

    /// The link of a timer of this duration that is in no list.
    fn unlinked(duration_ms: u64) -> Link {
        Link {
            list: UNLINKED,
            previous: (duration_ms >> 32) as u32,
            next: duration_ms as u32,
        }
    }

    #[inline]
    pub(super) fn is_linked(self) -> bool {
        self.list < CLEARED
    }

    /// Returns whether it was cleared while it was pending.
    pub(super) fn is_cleared(self) -> bool {
        self.list == CLEARED
    }

    pub(super) fn list(self) -> Option<ListKey> {
        self.is_linked().then_some(self.list as ListKey)
    }

    /// Returns the duration of a timer that is not linked.
    pub(super) fn duration_ms(self) -> Option<u64> {
        let duration_ms = u64::from(self.previous) << 32 | u64::from(self.next);
        (self.list == UNLINKED).then_some(duration_ms)
    }

    /// Returns the timers before and after it in its list.
    pub(super) fn neighbors(self) -> (Option<TimerKey>, Option<TimerKey>) {
        let [previous, next] = [self.previous, self.next].map(TimerKey::from_number);
        (previous, next)
    }
}

impl Timers {
    /// Starts a timer and moves it to the end of the list of its duration (`insert`).
    pub(super) fn insert(&mut self, key: TimerKey, duration_ms: u64, start_ms: u64) {
        self.timers[key].start_ms = start_ms;
        self.unlink(key);
        let list = self.begun_list(duration_ms, start_ms);
        self.timers[key].link = self.append(list, key);
    }

    /// Returns the list of a duration for a timer that starts. If the list is vacant, it begins.
    #[inline(always)] // a part of `arm`
    pub(super) fn begun_list(&mut self, duration_ms: u64, start_ms: u64) -> ListKey {
        let list = match self.find_list(duration_ms) {
            Some(list) => list,
            None => self.insert_list(duration_ms),
        };
        if self.lists[list].vacant {
            self.begin_list(list, start_ms.saturating_add(duration_ms));
        }
        list
    }

    /// Returns the list of a duration, if there is one. It may be vacant.
    #[inline(always)] // as above
    fn find_list(&mut self, duration_ms: u64) -> Option<ListKey> {
        if let Some((last_ms, list)) = self.last_found
            && last_ms == duration_ms
        {
            debug_assert_eq!(
                self.by_duration.get(duration_ms),
                Some(list),
                "the list that was found last is still that of its duration (R23)"
            );
            return Some(list);
        }
        let list = self.by_duration.get(duration_ms)?;
        self.last_found = Some((duration_ms, list));
        Some(list)
    }

    /// Appends a timer to a list, and returns its link.
    #[inline(always)] // as above
    pub(super) fn append(&mut self, key: ListKey, timer: TimerKey) -> Link {
        let list = &mut self.lists[key];
        let previous = list.tail.replace(timer);
        match previous {
            None => list.head = Some(timer),
            Some(previous) => self.timers[previous].link.next = timer.number(),
        }
        Link::last(key, previous)
    }

    /// Inserts a vacant list.
    #[inline(never)] // the list of a duration that was used before is found
    fn insert_list(&mut self, duration_ms: u64) -> ListKey {
        let list = self.lists.insert(List {
            duration_ms,
            expiry_ms: 0,
            serial: 0,
            queued: NOT_QUEUED,
            head: None,
            tail: None,
            detached: false,
            vacant: true,
        });
        assert!(
            list < CLEARED as usize,
            "a loop has fewer than 2^32 durations"
        );
        self.vacant_lists += 1;
        self.by_duration.insert(duration_ms, list);
        list
    }

    /// Makes a vacant list a new one.
    #[inline]
    fn begin_list(&mut self, key: ListKey, expiry_ms: u64) {
        let serial = self.new_serial();
        self.vacant_lists -= 1;
        let list = &mut self.lists[key];
        list.vacant = false;
        let duration_ms = list.duration_ms;
        self.set_expiry(key, expiry_ms, serial);
        if self
            .next_expiry_ms
            .is_none_or(|next_ms| next_ms > expiry_ms)
        {
            // R27: a list that expires before all known ones sets the loop timer.
            self.loop_timer_ms = Some(self.last_reading_ms.saturating_add(duration_ms));
            self.next_expiry_ms = Some(expiry_ms);
        }
    }

    /// Changes the expiry and the number of a list. Its entry in the queue may stay if it is not
    /// greater.
    #[inline]
    fn set_expiry(&mut self, key: ListKey, expiry_ms: u64, serial: u64) {
        let list = &mut self.lists[key];
        (list.expiry_ms, list.serial) = (expiry_ms, serial);
        if (expiry_ms, serial) < list.queued {
            self.requeue(key);
        }
    }

    /// Corrects the entry of a list in the queue.
    #[inline(never)] // not needed by most timers
    fn requeue(&mut self, key: ListKey) {
        let list = &mut self.lists[key];
        let (queued_ms, queued_serial) = list.queued;
        list.queued = (list.expiry_ms, list.serial);
        if (queued_ms, queued_serial) != NOT_QUEUED {
            self.queue.remove(&(queued_ms, queued_serial, key));
        }
        self.queue.insert((list.expiry_ms, list.serial, key));
    }

    /// Returns the list that expires first, and when.
    pub(super) fn first_list(&mut self) -> Option<(u64, ListKey)> {
        loop {
            let &(queued_ms, queued_serial, key) = self.queue.first()?;
            let list = &self.lists[key];
            if list.vacant {
                self.remove_vacant(key);
            } else if (list.expiry_ms, list.serial) != (queued_ms, queued_serial) {
                self.requeue(key);
            } else {
                return Some((queued_ms, key));
            }
        }
    }

    fn new_serial(&mut self) -> u64 {
        let serial = self.next_serial;
        self.next_serial += 1;
        serial
    }

    /// Removes a timer from its list, and returns that list if it is empty now. The list keeps its
    /// expiry and its serial number (R28).
    #[inline(always)] // a part of `clear`
    pub(super) fn unlink(&mut self, key: TimerKey) -> Option<ListKey> {
        let timer = &mut self.timers[key];
        let link = timer.link;
        let list = link.list()?;
        timer.link = Link::unlinked(self.lists[list].duration_ms);
        self.unlink_from(link)
    }

    /// Removes the timer of this link from its list, as [`unlink`](Timers::unlink) does. The link itself
    /// is not changed.
    #[inline(always)] // as above
    pub(super) fn unlink_from(&mut self, link: Link) -> Option<ListKey> {
        let key = link.list as ListKey;
        let list = &mut self.lists[key];
        match link.neighbors() {
            (None, None) => {
                (list.head, list.tail) = (None, None);
                return Some(key);
            }
            (None, Some(next)) => {
                list.head = Some(next);
                self.timers[next].link.previous = 0;
            }
            (Some(previous), None) => {
                list.tail = Some(previous);
                self.timers[previous].link.next = 0;
            }
            (Some(previous), Some(next)) => {
                self.timers[next].link.previous = previous.number();
                self.timers[previous].link.next = next.number();
            }
        }
        None
    }

    /// Ends the list of a duration if it is empty: a ref'd timer that is running was cleared (R29).
    #[cold]
    pub(super) fn end_list_if_empty(&mut self, duration_ms: u64) {
        if let Some(list) = self.by_duration.get(duration_ms)
            && self.lists[list].head.is_none()
            && !self.lists[list].vacant
        {
            self.end_list(list);
        }
    }

    /// Ends an empty list (R29). The pass that visits it still has to leave it.
    pub(super) fn end_list(&mut self, key: ListKey) {
        let visited = self.pass.as_ref().and_then(|pass| pass.list);
        if visited == Some(key) {
            return self.detach(key);
        }
        self.lists[key].vacant = true;
        self.vacant_lists += 1;
        if self.vacant_lists > MAX_VACANT {
            self.limit_vacant();
        }
    }

    /// Removes all vacant lists if there are more of them than other lists, so that the removal of one
    /// costs no more than its insertion did.
    #[cold]
    fn limit_vacant(&mut self) {
        if self.vacant_lists > self.lists.len() / 2 {
            let vacant = self.lists.iter().filter(|(_, list)| list.vacant);
            for key in vacant.map(|(key, _)| key).collect::<Vec<_>>() {
                self.remove_vacant(key);
            }
        }
    }

    fn remove_vacant(&mut self, key: ListKey) {
        self.detach(key);
        self.lists.remove(key);
        self.vacant_lists -= 1;
    }

    /// Removes a list from the map and the queue. The running pass may still visit it.
    pub(super) fn detach(&mut self, key: ListKey) {
        let list = &mut self.lists[key];
        list.detached = true;
        self.last_found = None;
        self.by_duration.remove(list.duration_ms);
        let (queued_ms, queued_serial) = list.queued;
        self.queue.remove(&(queued_ms, queued_serial, key));
    }

    /// Puts a list whose first timer is not due back into the queue, with a new expiry and serial
    /// number (R22).
    pub(super) fn put_back(&mut self, key: ListKey, expiry_ms: u64) {
        let serial = self.new_serial();
        self.set_expiry(key, expiry_ms, serial);
    }
}
