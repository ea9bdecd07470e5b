//! The signals of a host: those that its program listens to, and those that have arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::network::Network;
use super::{HostId, WorldHost};
use crate::reactor::registrations::SignalNumber;

/// The signals of a host whose program runs.
#[derive(Default)]
pub(super) struct HostSignals {
    listened: BTreeSet<SignalNumber>,
    /// When the program has stopped to listen to a signal.
    ignored_since: BTreeMap<SignalNumber, Duration>,
    arrived: BTreeMap<SignalNumber, Arrived>,
}

/// The signals of one number that the loop has not received yet.
#[derive(Default)]
struct Arrived {
    count: usize,
    /// Whether the poll phase has handed out that there are some.
    is_announced: bool,
}

impl HostSignals {
    /// Adds a signal. Returns `false` if the program does not listen to it.
    pub(super) fn deliver(&mut self, number: SignalNumber) -> bool {
        let is_listened = self.listened.contains(&number);
        if is_listened {
            self.arrived.entry(number).or_default().count += 1;
        }
        is_listened
    }

    fn take_announced(&mut self) -> Vec<SignalNumber> {
        let is_news = |arrived: &mut Arrived| !std::mem::replace(&mut arrived.is_announced, true);
        let news = self.arrived.iter_mut();
        news.filter_map(|(number, arrived)| is_news(arrived).then_some(*number))
            .collect()
    }

    fn has_news(&self) -> bool {
        self.arrived.values().any(|arrived| !arrived.is_announced)
    }
}

impl Network {
    /// Delivers a signal. Returns `false` if the program of the host does not listen to it, and has not
    /// for the last `in_flight`.
    pub(crate) fn deliver_signal(
        &mut self,
        host: HostId,
        number: SignalNumber,
        in_flight: Duration,
    ) -> bool {
        let now = self.now;
        let signals = &mut self.host(host).signals;
        let since = signals.ignored_since.get(&number);
        let is_ignored = since.is_some_and(|since| now < since.saturating_add(in_flight));
        signals.deliver(number) || is_ignored
    }
}

impl WorldHost {
    /// Records that the program listens to a signal.
    pub(crate) fn listen_to_signal(&self, number: SignalNumber) {
        let listen = |signals: &mut HostSignals| signals.listened.insert(number);
        self.with_signals(listen);
    }

    /// Records that the program no longer listens to a signal.
    pub(crate) fn ignore_signal(&self, number: SignalNumber) {
        let now = self.clock().now();
        self.with_signals(|signals| {
            signals.listened.remove(&number);
            signals.ignored_since.insert(number, now);
            signals.arrived.remove(&number);
        });
    }

    /// Returns how many signals of a number have arrived since the last call.
    pub(crate) fn take_signals(&self, number: SignalNumber) -> usize {
        let arrived = self.with_signals(|signals| signals.arrived.remove(&number));
        arrived.map_or(0, |arrived| arrived.count)
    }

    /// Returns the numbers of signals that have arrived and were not returned before.
    pub(crate) fn announce_signals(&self) -> Vec<SignalNumber> {
        self.with_signals(HostSignals::take_announced)
    }

    pub(super) fn has_signals(&self) -> bool {
        self.with_signals(|signals| signals.has_news())
    }

    fn with_signals<R>(&self, call: impl FnOnce(&mut HostSignals) -> R) -> R {
        call(&mut self.world.network.borrow_mut().host(self.id).signals)
    }
}
