//! The links between hosts: how long a packet takes, and whether it arrives.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::HostId;
use super::faults::{FaultId, Faults};

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
    pub(crate) random: Random,
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
        *self.link(direction).latency.end() + busy_until.saturating_sub(now)
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
        let latency = self.random.duration_in(&link.latency);
        let Some(bandwidth) = link.bandwidth else {
            return now.saturating_add(latency);
        };
        let busy_until = self.busy_until.entry(direction).or_default();
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / bandwidth.max(1);
        *busy_until = now.max(*busy_until) + Duration::from_nanos(nanos);
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
        let first = self.arrival(direction, now, bytes);
        let link = self.link(direction);
        let (loss, duplication) = (link.loss, link.duplication);
        let (reordering, longest) = (link.reordering, *link.latency.end());
        if direction.0 == direction.1 {
            return vec![first];
        }
        if self.random.happens(loss, faults) {
            return Vec::new();
        }
        let mut arrivals = vec![first];
        if self.random.happens(duplication, faults) {
            arrivals.push(self.arrival(direction, now, bytes));
        }
        if self.random.happens(reordering, faults) {
            // Later than a packet that is sent next and takes as long as any.
            arrivals[0] += longest.max(Duration::from_millis(1)) + Duration::from_micros(1);
        }
        arrivals
    }
}

/// Numbers that look random and are a function of the number with which it begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(start: u64) -> Random {
        Random { state: start }
    }

    /// Returns the next number of the generator SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, which is not zero.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns whether a fault happens now, and counts it.
    pub(crate) fn happens(&mut self, chance: Option<Chance>, faults: &mut Faults) -> bool {
        let Some(chance) = chance else {
            return false;
        };
        // 53 bits, as many as the mantissa of a double has.
        let drawn = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let happens = drawn < chance.probability;
        if happens {
            faults.fire(chance.fault);
        }
        happens
    }

    fn duration_in(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let (shortest, longest) = (*range.start(), *range.end());
        let span = longest.saturating_sub(shortest).as_nanos();
        match u64::try_from(span) {
            Ok(0) => shortest,
            Ok(span) => shortest + Duration::from_nanos(self.below(span.saturating_add(1))),
            Err(_) => longest,
        }
    }
}
