//! The links between hosts: how long a packet takes, and whether it arrives.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::HostId;
use super::faults::{FaultId, Faults};
use super::sources::{Source, WorldChoices};
use crate::reactor::choices::Choices;

/// The properties of a link in one direction.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) latency: RangeInclusive<Duration>,
    /// Bytes per second; `None` for no limit.
    pub(crate) bandwidth: Option<u64>,
    pub(crate) loss: Option<Chance>,
    pub(crate) duplication: Option<Chance>,
    pub(crate) reordering: Option<Chance>,
}

/// A fault that happens with a probability.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance {
    pub(crate) probability: f64,
    pub(crate) fault: FaultId,
}

impl Default for Link {
    fn default() -> Link {
        const LATENCY: Duration = Duration::from_millis(1);
        Link {
            latency: LATENCY..=LATENCY,
            bandwidth: None,
            loss: None,
            duplication: None,
            reordering: None,
        }
    }
}

/// A direction: from one host to another.
pub(crate) type Direction = (HostId, HostId);

#[derive(Default)]
pub(crate) struct Links {
    pub(crate) default: Link,
    links: BTreeMap<Direction, Link>,
    /// The directions in which nothing arrives, each with the fault that counts what is lost.
    cut: BTreeMap<Direction, FaultId>,
    /// Until when the packets that were sent before occupy a link of limited bandwidth.
    busy_until: BTreeMap<Direction, Duration>,
    /// The hosts that answer no attempt to connect but with a refusal.
    pub(crate) refusing: BTreeMap<HostId, FaultId>,
    pub(crate) choices: WorldChoices,
}

/// When the copies of a packet arrive: one, none if it is lost, or two.
pub(crate) type Arrivals = Vec<Duration>;

impl Links {
    pub(crate) fn link(&self, direction: Direction) -> &Link {
        self.links.get(&direction).unwrap_or(&self.default)
    }

    /// Returns how long a packet that is sent at `now` may take, without its own transport.
    pub(crate) fn longest(&self, direction: Direction, now: Duration) -> Duration {
        let busy_until = self.busy_until.get(&direction).copied().unwrap_or_default();
        let latency = *self.link(direction).latency.end();
        latency.saturating_add(busy_until.saturating_sub(now))
    }

    /// Changes the link in one direction.
    pub(crate) fn change(&mut self, direction: Direction, change: impl FnOnce(&mut Link)) {
        let link = self.links.entry(direction);
        change(link.or_insert_with(|| self.default.clone()));
    }

    pub(crate) fn cut(&mut self, direction: Direction, fault: FaultId) {
        self.cut.insert(direction, fault);
    }

    /// Ends a partition. Returns whether there was one.
    pub(crate) fn heal(&mut self, direction: Direction) -> bool {
        self.cut.remove(&direction).is_some()
    }

    /// Returns whether a packet that arrives now is lost because of a partition, and counts it.
    pub(crate) fn loses(&self, direction: Direction, faults: &mut Faults) -> bool {
        let cut = self.cut.get(&direction);
        if let Some(fault) = cut {
            faults.fire(*fault);
        }
        cut.is_some()
    }

    /// Returns when a packet of `bytes` arrives that is sent at `now`.
    pub(crate) fn arrival(
        &mut self,
        direction: Direction,
        now: Duration,
        bytes: usize,
    ) -> Duration {
        if direction.0 == direction.1 {
            return now;
        }
        let link = self.links.get(&direction).unwrap_or(&self.default);
        let latency = match link.latency.start() == link.latency.end() {
            true => *link.latency.start(),
            false => {
                let choices = self.choices.of(Source::Link(direction.0, direction.1));
                choices.choose_duration(&link.latency, |took| {
                    let shortest = link.latency.start();
                    format!("a packet of {bytes} bytes took {took:?} instead of {shortest:?}")
                })
            }
        };
        let Some(bandwidth) = link.bandwidth else {
            return now.saturating_add(latency);
        };
        let busy_until = self.busy_until.entry(direction).or_default();
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / bandwidth.max(1);
        *busy_until = now
            .max(*busy_until)
            .saturating_add(Duration::from_nanos(nanos));
        busy_until.saturating_add(latency)
    }

    /// Returns when the copies of a datagram of `bytes` arrive that is sent at `now`.
    pub(crate) fn datagram_arrivals(
        &mut self,
        direction: Direction,
        now: Duration,
        bytes: usize,
        faults: &mut Faults,
    ) -> Arrivals {
        let link = self.link(direction);
        let has_chances = [link.loss, link.duplication, link.reordering]
            .iter()
            .any(Option::is_some);
        if direction.0 == direction.1 || !has_chances {
            return vec![self.arrival(direction, now, bytes)];
        }
        let choices = self.choices.of(Source::Link(direction.0, direction.1));
        choices.begin_group();
        let first = self.arrival(direction, now, bytes);
        let link = self.link(direction);
        let (loss, duplication) = (link.loss, link.duplication);
        let (reordering, longest) = (link.reordering, *link.latency.end());
        let happens = |chance: Option<Chance>, faults: &mut Faults, what: &str| {
            let describe = || format!("a datagram of {bytes} bytes {what}");
            chance.is_some_and(|chance| chance.happens(&choices, faults, describe))
        };
        if happens(loss, faults, "was lost") {
            return Vec::new();
        }
        let mut arrivals = vec![first];
        let is_doubled = happens(duplication, faults, "arrived twice");
        if happens(reordering, faults, "was overtaken") {
            // Later than a packet that is sent next and takes as long as any.
            let more = longest.max(Duration::from_millis(1));
            arrivals[0] = arrivals[0]
                .saturating_add(more)
                .saturating_add(Duration::from_micros(1));
        }
        if is_doubled {
            arrivals.push(self.arrival(direction, now, bytes));
        }
        arrivals
    }
}

impl Chance {
    /// Returns whether the fault happens now, and counts it.
    pub(crate) fn happens(
        self,
        choices: &Choices,
        faults: &mut Faults,
        describe: impl FnOnce() -> String,
    ) -> bool {
        let happens = choices.happens(self.probability, describe);
        if happens {
            faults.fire(self.fault);
        }
        happens
    }
}
