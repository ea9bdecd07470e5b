//! How exhausted read budgets are merged with the events of a poll.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;

use mio::Registry;

use super::*;
use crate::reactor::remote_queue::RemoteQueue;

/// A source that is unknown to the operating system.
struct NoSource;

impl Source for NoSource {
    fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        Ok(())
    }
}

fn poller() -> Rc<Poller> {
    Rc::new(Poller::new(Arc::new(RemoteQueue::new(false))))
}

const SOURCES: usize = 10_000;

/// Registers sources, delivers an event to each, and exhausts its budget.
fn exhausted_sources() -> (Registrations, Vec<RegistrationKey>) {
    let mut registrations = Registrations::new(poller(), StreamEnd::SameEvent);
    let mut keys = Vec::new();
    for _ in 0..SOURCES {
        let key = registrations.register(&mut NoSource, Location::caller());
        keys.extend(key);
    }
    for key in &keys {
        registrations.deliver(key.0, Readiness::readable());
        for _ in 0..READS_PER_EVENT {
            assert!(registrations.consume_budget(*key, Taken::Some).is_none());
        }
    }
    (registrations, keys)
}

#[test]
fn one_pass_over_the_events_serves_all_exhausted_sources() {
    let (mut registrations, keys) = exhausted_sources();
    let read = Cell::new(0);
    let events = keys.iter().rev().map(|key| {
        read.set(read.get() + 1);
        (key.0, Readiness::readable())
    });
    let mut reported = Vec::new();
    registrations.merge_events(events, |token, _| reported.push(token));
    assert_eq!(read.get(), SOURCES);
    // Each is reported once, in the order in which the budgets were exhausted.
    assert!(reported.iter().eq(keys.iter().map(|key| &key.0)));
    assert!(!registrations.has_source_to_serve());
}

#[test]
fn an_event_of_an_exhausted_source_keeps_its_write_half_and_its_end() {
    let (mut registrations, keys) = exhausted_sources();
    let (key, event) = (keys[7], Readiness::new([true, true, true, false]));
    let mut reported = Vec::new();
    registrations.merge_events([(key.0, event)].into_iter(), |token, readiness| {
        reported.push((token, readiness.is_readable(), readiness.is_writable()));
    });
    assert_eq!(reported.len(), SOURCES + 1);
    assert_eq!(reported[7], (key.0, true, false));
    assert_eq!(reported[SOURCES], (key.0, false, true));
    // Reading never blocks again, so a short read leaves it ready.
    registrations.deliver(key.0, Readiness::readable());
    assert!(registrations.consume_budget(key, Taken::All).is_none());
    assert!(registrations.slots[7].read.ready);
    // The next event is reported whole.
    let mut again = 0;
    registrations.merge_events([(key.0, event)].into_iter(), |_, readiness| {
        again += usize::from(readiness.is_readable() && readiness.is_writable());
    });
    assert_eq!(again, 1);
}

/// R65: a read that fills only a part of its buffer leaves the end of the stream to the same event, or to
/// the next poll phase.
#[test]
fn the_end_of_a_stream_belongs_to_the_event_or_to_the_next_poll_phase() {
    let ends = Readiness::new([true, false, true, false]);
    for taken in [Taken::ShortRead, Taken::All] {
        for stream_end in [StreamEnd::SameEvent, StreamEnd::NextPollPhase] {
            let mut registrations = Registrations::new(poller(), stream_end);
            let key = registrations
                .register(&mut NoSource, Location::caller())
                .unwrap();
            registrations.deliver(key.0, ends);
            assert!(registrations.consume_budget(key, taken).is_none());
            let waits = stream_end == StreamEnd::NextPollPhase;
            assert_eq!(registrations.readiness(key).unwrap().is_readable(), !waits);
            assert_eq!(registrations.has_source_to_serve(), waits);
        }
    }
}
