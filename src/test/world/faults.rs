//! What a test changes in the network of a world: links, partitions and other faults.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Host, World, WorldBuilder};
use crate::reactor::world::link::{Chance, Link};
use crate::reactor::world::{HostId, Network};

/// A fault that was configured, and how often it has happened; returned by [`World::faults`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    text: String,
    count: u64,
}

impl Fault {
    /// Returns how often it has happened.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Prints what the fault is, such as `the partition of a and b at 30s`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Properties of all links, unless a method of the [`World`] changes one of them.
///
/// A probability is a number from 0 to 1. The faults of a run are a function of its
/// [seed](WorldBuilder::seed).
impl WorldBuilder {
    /// Sets how long a packet travels from one host to another: a time that is chosen for each packet from
    /// this range; 1 ms by default. Packets within a host take no time.
    ///
    /// The packets of one connection keep their order.
    ///
    /// # Panics
    ///
    /// Panics if the range is empty.
    #[track_caller]
    pub fn latency(mut self, range: RangeInclusive<Duration>) -> WorldBuilder {
        check_range(&range);
        self.link.latency = range;
        self
    }

    /// Sets how many bytes per second a link transports in each direction; without a limit by default.
    ///
    /// # Panics
    ///
    /// Panics if `bytes_per_second` is 0.
    #[track_caller]
    pub fn bandwidth(mut self, bytes_per_second: u64) -> WorldBuilder {
        check_bandwidth(Some(bytes_per_second));
        self.link.bandwidth = Some(bytes_per_second);
        self
    }

    /// Sets the probability that a datagram is lost.
    ///
    /// # Panics
    ///
    /// Panics if `probability` is not between 0 and 1.
    #[track_caller]
    pub fn datagram_loss(mut self, probability: f64) -> WorldBuilder {
        self.chances.loss = Some(checked(probability));
        self
    }

    /// Sets the probability that a datagram arrives twice.
    ///
    /// # Panics
    ///
    /// Panics if `probability` is not between 0 and 1.
    #[track_caller]
    pub fn datagram_duplication(mut self, probability: f64) -> WorldBuilder {
        self.chances.duplication = Some(checked(probability));
        self
    }

    /// Sets the probability that a datagram arrives after those that are sent next.
    ///
    /// # Panics
    ///
    /// Panics if `probability` is not between 0 and 1.
    #[track_caller]
    pub fn datagram_reordering(mut self, probability: f64) -> WorldBuilder {
        self.chances.reordering = Some(checked(probability));
        self
    }

    /// Sets the probability that a read of a stream returns only a part of what has arrived.
    ///
    /// # Panics
    ///
    /// Panics if `probability` is not between 0 and 1.
    #[track_caller]
    pub fn short_reads(mut self, probability: f64) -> WorldBuilder {
        self.chances.short_reads = Some(checked(probability));
        self
    }

    /// Sets the probability that a write to a stream accepts only a part of the bytes.
    ///
    /// # Panics
    ///
    /// Panics if `probability` is not between 0 and 1.
    #[track_caller]
    pub fn short_writes(mut self, probability: f64) -> WorldBuilder {
        self.chances.short_writes = Some(checked(probability));
        self
    }

    /// Sets the probability that a write finds its connection reset.
    ///
    /// # Panics
    ///
    /// Panics if `probability` is not between 0 and 1.
    #[track_caller]
    pub fn resets(mut self, probability: f64) -> WorldBuilder {
        self.chances.resets = Some(checked(probability));
        self
    }

    /// Permits faults that were configured and never happen. Otherwise they fail the run, because a test
    /// that injects nothing tests nothing.
    pub fn permit_unfired_faults(mut self) -> WorldBuilder {
        self.permits_unfired = true;
        self
    }
}

#[track_caller]
fn checked(probability: f64) -> f64 {
    assert!(
        (0.0..=1.0).contains(&probability),
        "the probability is {probability}: pass a number between 0 and 1"
    );
    probability
}

#[track_caller]
fn check_range(latency: &RangeInclusive<Duration>) {
    assert!(
        latency.start() <= latency.end(),
        "the range of latencies is empty: its start must not be after its end"
    );
}

#[track_caller]
fn check_bandwidth(bytes_per_second: Option<u64>) {
    assert!(
        bytes_per_second != Some(0),
        "the bandwidth is 0: pass the number of bytes per second, or separate hosts by `World::partition`"
    );
}

/// The probabilities of faults, by their settings.
#[derive(Debug, Clone, Default)]
pub(super) struct Chances {
    loss: Option<f64>,
    duplication: Option<f64>,
    reordering: Option<f64>,
    short_reads: Option<f64>,
    short_writes: Option<f64>,
    resets: Option<f64>,
}

impl Chances {
    /// Configures the faults of a network.
    pub(super) fn install(&self, link: &Link, network: &mut Network) {
        let mut add = |probability: Option<f64>, text: &str| {
            probability.map(|probability| Chance {
                probability,
                fault: network.faults.add(text.to_owned()),
            })
        };
        let loss = add(self.loss, "the loss of datagrams");
        let duplication = add(self.duplication, "the duplication of datagrams");
        let reordering = add(self.reordering, "the reordering of datagrams");
        let short_reads = add(self.short_reads, "short reads");
        let short_writes = add(self.short_writes, "short writes");
        let resets = add(self.resets, "resets");
        (network.short_reads, network.short_writes) = (short_reads, short_writes);
        network.resets = resets;
        network.links.default = Link {
            loss,
            duplication,
            reordering,
            ..link.clone()
        };
    }
}

/// Links and faults. The methods can be called before the run, by the [script](World::at), and by the
/// programs themselves.
impl World {
    /// Separates two hosts: nothing that one sends reaches the other until they are
    /// [healed](World::heal).
    ///
    /// What was under way is lost. Connections stay open: TCP sends again, first after 200 ms and then
    /// after twice as long each time, and fails with `TimedOut` after 15 attempts. An attempt to connect
    /// fails after 127 s.
    ///
    /// # Panics
    ///
    /// Panics if there is no host of one of these names.
    #[track_caller]
    pub fn partition(&self, one: &str, other: &str) {
        let direction = (self.id_of(one), self.id_of(other));
        let (text, now) = (format!("the partition of {one} and {other}"), self.now());
        self.inner.state.with_network(|network| {
            let fault = network.faults.add_at(text, now);
            network.links.cut(direction, fault);
            network.links.cut((direction.1, direction.0), fault);
        });
    }

    /// Loses all that one host sends to another; the other direction works.
    ///
    /// # Panics
    ///
    /// Panics like [`partition`](World::partition).
    #[track_caller]
    pub fn partition_one_way(&self, from: &str, to: &str) {
        let direction = (self.id_of(from), self.id_of(to));
        let (text, now) = (format!("the partition from {from} to {to}"), self.now());
        self.inner.state.with_network(|network| {
            let fault = network.faults.add_at(text, now);
            network.links.cut(direction, fault);
        });
    }

    /// Ends the partitions between two hosts.
    ///
    /// # Panics
    ///
    /// Panics like [`partition`](World::partition).
    #[track_caller]
    pub fn heal(&self, one: &str, other: &str) {
        let (one, other) = (self.id_of(one), self.id_of(other));
        self.inner.state.with_network(|network| {
            for direction in [(one, other), (other, one)] {
                if network.links.heal(direction) {
                    network.healed(direction);
                }
            }
        });
    }

    /// Sets how long a packet travels between two hosts, in both directions; see
    /// [`WorldBuilder::latency`].
    ///
    /// # Panics
    ///
    /// Panics like [`partition`](World::partition), and if the range is empty.
    #[track_caller]
    pub fn set_latency(&self, one: &str, other: &str, range: RangeInclusive<Duration>) {
        check_range(&range);
        self.change_links(one, other, |link| link.latency = range.clone());
    }

    /// Sets how many bytes per second the link between two hosts transports in each direction.
    ///
    /// # Panics
    ///
    /// Panics like [`partition`](World::partition), and if `bytes_per_second` is 0.
    #[track_caller]
    pub fn set_bandwidth(&self, one: &str, other: &str, bytes_per_second: Option<u64>) {
        check_bandwidth(bytes_per_second);
        self.change_links(one, other, |link| link.bandwidth = bytes_per_second);
    }

    #[track_caller]
    fn change_links(&self, one: &str, other: &str, change: impl Fn(&mut Link)) {
        let (one, other) = (self.id_of(one), self.id_of(other));
        self.inner.state.with_network(|network| {
            network.links.change((one, other), &change);
            network.links.change((other, one), &change);
        });
    }

    /// Resets all connections between two hosts, as a firewall may do: both ends read
    /// `ConnectionReset`.
    ///
    /// # Panics
    ///
    /// Panics like [`partition`](World::partition).
    #[track_caller]
    pub fn reset_connections(&self, one: &str, other: &str) {
        let (from, to) = (self.id_of(one), self.id_of(other));
        let text = format!("the reset of the connections of {one} and {other}");
        let now = self.now();
        self.inner.state.with_network(|network| {
            let fault = network.faults.add_at(text, now);
            for id in network.connections((from, to)) {
                network.reset_both(id);
                network.faults.fire(fault);
            }
        });
    }

    /// Returns the faults of the network that were configured so far, and how often each has happened.
    ///
    /// Each call that injects one is a fault of its own, with its time.
    pub fn faults(&self) -> Vec<Fault> {
        let faults = self
            .inner
            .state
            .with_network(|network| network.faults.all().to_vec());
        let public = |fault: crate::reactor::world::faults::Fault| Fault {
            text: fault.to_string(),
            count: fault.count,
        };
        faults.into_iter().map(public).collect()
    }

    #[track_caller]
    fn id_of(&self, name: &str) -> HostId {
        match self.inner.state.host_named(name) {
            Some(id) => id,
            None => panic!("the world has no host \"{name}\": create it with `host` first"),
        }
    }
}

/// Addresses and faults of one host.
impl Host {
    /// Adds an address, which the host has besides that of 10.0.0.0/8.
    ///
    /// # Panics
    ///
    /// Panics if another host has the address, and if it is a loopback, multicast or unspecified one.
    #[track_caller]
    pub fn address(&self, address: IpAddr) -> &Host {
        assert!(
            !(address.is_loopback() || address.is_multicast() || address.is_unspecified()),
            "{address} is no address of one host: pass another one"
        );
        let state = &self.world.inner.state;
        let owner = state.with_network(|network| network.owner_of(address));
        match owner.filter(|owner| *owner != self.id) {
            Some(owner) => panic!(
                "host \"{}\" has the address {address} already: give each host addresses of its own",
                self.world.inner.name(owner)
            ),
            None if owner.is_some() => {}
            None => state.with_network(|network| network.add_address(self.id, address)),
        }
        self
    }

    /// Returns the first address of the host.
    pub fn ip(&self) -> IpAddr {
        let state = &self.world.inner.state;
        state.with_network(|network| network.first_address(self.id))
    }

    /// Makes the host refuse all new connections until [`accept_connections`](Host::accept_connections).
    ///
    /// # Panics
    ///
    /// Panics if the world runs and the host has no program.
    #[track_caller]
    pub fn refuse_connections(&self) {
        self.check_program_of_run();
        let text = format!("the refusal of connections by {}", self.name());
        let now = self.world.now();
        self.world.inner.state.with_network(|network| {
            let fault = network.faults.add_at(text, now);
            network.links.refusing.insert(self.id, fault);
        });
    }

    /// Ends [`refuse_connections`](Host::refuse_connections).
    ///
    /// # Panics
    ///
    /// Panics if the world runs and the host has no program.
    #[track_caller]
    pub fn accept_connections(&self) {
        self.check_program_of_run();
        let state = &self.world.inner.state;
        state.with_network(|network| network.links.refusing.remove(&self.id));
    }

    /// Lets the host have at most `count` sockets open at a time: creating or accepting one more fails
    /// with `EMFILE`. The ends of pipes count as sockets. `None` removes the limit.
    ///
    /// A change of the limit is no fault of its own: one of the limits of a host has to be reached.
    ///
    /// # Panics
    ///
    /// Panics if the world runs and the host has no program.
    #[track_caller]
    pub fn limit_sockets(&self, count: Option<usize>) {
        self.check_program_of_run();
        let text = format!("the limit of the sockets of {}", self.name());
        self.world.inner.state.with_network(|network| {
            let limit = count.map(|count| (count, network.faults.add_once(text)));
            network.set_socket_limit(self.id, limit);
        });
    }
}
