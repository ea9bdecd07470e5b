//! The ring of the check phase, with random operations.

use std::panic::Location;

use super::Check;
use crate::phases::macrotask::{TaskKey, Work};

/// Numbers that look random; the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// Removes the next immediate as the check phase does, and returns its entry.
fn next_entry(check: &mut Check) -> Option<u32> {
    match check.next_wake() {
        Some(wake) => Some(wake.origin().entry),
        None => check.next().map(|macrotask| macrotask.origin.entry),
    }
}

/// The ring grows from every position of its head, and hands out what was not cleared, in order.
#[test]
fn the_ring_hands_out_each_immediate_once_and_in_order() {
    let task = TaskKey {
        index: 7,
        promise: 8,
    };
    for start in 0..200 {
        let (mut check, mut numbers) = (Check::default(), Numbers(start));
        let (mut entry, mut pending) = (0, Vec::new());
        for _ in 0..30 {
            for _ in 0..numbers.below(40) {
                entry += 1;
                let work = match numbers.below(2) {
                    0 => Work::Nothing,
                    _ => Work::WakeTask(task),
                };
                let id = check.push(|| work, Location::caller(), entry);
                pending.push((id, entry));
            }
            for _ in 0..numbers.below(5).min(pending.len() as u64) {
                let (id, cleared) = pending.remove(numbers.below(pending.len() as u64) as usize);
                let macrotask = check.clear(id).expect("it is pending");
                assert_eq!(macrotask.origin.entry, cleared);
                assert!(check.clear(id).is_none());
            }
            assert!(pending.iter().all(|(id, _)| check.is_pending(*id)));
            assert_eq!(check.has_refed(), !pending.is_empty());
            check.begin_round();
            for _ in 0..numbers.below(40).min(pending.len() as u64) {
                let (id, expected) = pending.remove(0);
                assert_eq!(next_entry(&mut check), Some(expected));
                assert!(!check.is_pending(id));
            }
            assert_eq!(check.round_is_over(), pending.is_empty());
        }
        let left = check.take_all().into_iter();
        let left: Vec<_> = left.map(|macrotask| macrotask.origin.entry).collect();
        assert!(left.into_iter().eq(pending.iter().map(|(_, entry)| *entry)));
        assert!(!check.has_refed());
    }
}
