//! A simulated world: hosts, each of which is a loop, on one virtual clock and one network.
//!
//! The state is passive. The hosts' sockets call it, the poll phase collects from it what has arrived
//! for its host, and the scheduler of the test kit (`test/world`) moves the clock and decides which
//! host runs next.
//!
//! Invariant: nothing of it is borrowed while user code runs.
//! Invariant: it reads no clock but its own, and iterates over no map whose order is not fixed.

mod address;
#[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has them in a world"))]
mod children;
mod connect;
mod datagram;
mod errors;
pub(crate) mod faults;
mod jobs;
mod keepalive;
pub(crate) mod link;
#[cfg_attr(
    not(unix),
    allow(dead_code, reason = "only Unix has Unix domain sockets")
)]
mod local;
#[cfg_attr(
    not(unix),
    allow(dead_code, reason = "only Unix has Unix domain sockets")
)]
mod local_datagram;
#[cfg_attr(
    not(unix),
    allow(dead_code, reason = "only Unix has Unix domain sockets")
)]
mod local_socket;
mod network;
mod options;
mod signals;
mod socket;
mod sources;
mod stream;
mod transfer;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use super::disk::Disk;
use crate::reactor::choices::Choices;
use crate::reactor::clock::Clock;
use jobs::JobTimes;

pub use children::SimulatedChild;
#[cfg_attr(
    not(unix),
    allow(unused_imports, reason = "only Unix has children in a world")
)]
pub(crate) use children::{ChildNumber, Ending, OnSpawn};
pub use jobs::SimulatedJob;
pub(crate) use network::Network;
pub(crate) use options::Options;
#[allow(
    unreachable_pub,
    reason = "a type of a sealed public trait; Rust 1.88 reports it"
)]
pub use socket::WorldSocket;
pub(crate) use sources::{Source, WorldChoices};

/// The state that all hosts of a world share.
pub(crate) struct WorldState {
    now: Rc<Cell<Duration>>,
    hosts: RefCell<Vec<HostState>>,
    network: RefCell<Network>,
}

/// What the world knows of one host, up or down.
pub(crate) struct HostState {
    pub(crate) name: String,
    /// What is on it outlives the loop of the host.
    pub(crate) disk: Disk,
    /// How long its jobs take.
    pub(crate) jobs: JobTimes,
    /// Decide what its child processes do: the last one, which has replaced the others.
    pub(crate) on_spawn: Vec<OnSpawn>,
    /// How far the clock of the host is, if it is ahead of the shared time.
    own_time: Rc<Cell<Duration>>,
}

/// Identifies a host of a world: its number in the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostId(pub(crate) usize);

/// Which host of which world a loop is.
#[derive(Clone)]
pub(crate) struct WorldHost {
    pub(crate) world: Rc<WorldState>,
    pub(crate) id: HostId,
}

impl WorldState {
    pub(crate) fn new() -> WorldState {
        WorldState {
            now: Rc::default(),
            hosts: RefCell::default(),
            network: RefCell::default(),
        }
    }

    /// Returns the time that all hosts share.
    pub(crate) fn now(&self) -> Duration {
        self.now.get()
    }

    /// Moves the shared time to `target`, unless it is already there or past it. The clock of a host may
    /// be ahead.
    pub(crate) fn move_time(&self, target: Duration) {
        self.now.set(self.now.get().max(target));
        self.network.borrow().links.choices.set_now(self.now());
    }

    /// Returns the choices of a source.
    pub(crate) fn choices(&self, source: Source) -> Rc<Choices> {
        self.network.borrow_mut().links.choices.of(source)
    }

    /// Adds a host, whose address is the next of 10.0.0.0/8 that is free.
    pub(crate) fn add_host(&self, name: &str) -> HostId {
        let mut hosts = self.hosts.borrow_mut();
        let id = HostId(hosts.len());
        let mut network = self.network.borrow_mut();
        let choices = &mut network.links.choices;
        choices.add_host(name);
        let (disk, jobs) = (Disk::new(), JobTimes::new(choices.of(Source::Jobs(id))));
        disk.set_choices(choices.new_choices(Source::Disk(id)));
        hosts.push(HostState {
            name: name.to_owned(),
            disk,
            jobs,
            on_spawn: Vec::new(),
            own_time: Rc::default(),
        });
        let number = u32::try_from(hosts.len()).expect("fewer hosts than addresses");
        let first = u32::from(Ipv4Addr::new(10, 0, 0, 0)) + number;
        let mut free = (first..).map(|address| IpAddr::from(Ipv4Addr::from(address)));
        let address = free.find(|address| network.owner_of(*address).is_none());
        network.add_host(vec![address.expect("fewer hosts than addresses")]);
        id
    }

    /// Calls `call` with the network at the shared time.
    pub(crate) fn with_network<R>(&self, call: impl FnOnce(&mut Network) -> R) -> R {
        let mut network = self.network.borrow_mut();
        network.begin(self.now());
        let result = call(&mut network);
        network.run_due(self.now(), None);
        result
    }

    /// Handles the packets that have arrived by now. Returns whether there were any.
    pub(crate) fn run_due_packets(&self) -> bool {
        self.network.borrow_mut().run_due(self.now(), None)
    }

    /// Returns when the next packet arrives, or the next timer of a connection is due.
    pub(crate) fn next_packet(&self) -> Option<Duration> {
        self.network.borrow().next_due()
    }

    /// Returns the addresses that a name has, which are those of the host of this name.
    fn look_up(&self, name: &str) -> Vec<IpAddr> {
        if name.eq_ignore_ascii_case("localhost") {
            return vec![Ipv4Addr::LOCALHOST.into()];
        }
        self.host_named(name).map_or_else(Vec::new, |host| {
            self.network.borrow().addresses(host).to_vec()
        })
    }

    /// Returns the host of this name, which has no case.
    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        let hosts = self.hosts.borrow();
        let is_same = |host: &HostState| host.name.eq_ignore_ascii_case(name);
        hosts.iter().position(is_same).map(HostId)
    }

    pub(crate) fn host_count(&self) -> usize {
        self.hosts.borrow().len()
    }

    /// Calls `call` with the state of a host. It must not call user code.
    pub(crate) fn with_host<R>(&self, id: HostId, call: impl FnOnce(&mut HostState) -> R) -> R {
        call(&mut self.hosts.borrow_mut()[id.0])
    }
}

impl WorldHost {
    /// Returns the addresses that a name has on this host.
    pub(crate) fn look_up(&self, name: &str) -> Vec<IpAddr> {
        self.world.look_up(name)
    }

    /// Returns whether sockets of this host have become ready, or signals have arrived.
    pub(crate) fn has_ready(&self) -> bool {
        self.world.network.borrow().has_ready(self.id) || self.has_signals()
    }

    /// Returns the choices that the loop of this host asks.
    pub(crate) fn loop_choices(&self) -> Rc<Choices> {
        self.world.choices(Source::Loop(self.id))
    }

    /// Returns the clock of this host.
    pub(crate) fn clock(&self) -> Clock {
        let own_time = self.world.with_host(self.id, |host| host.own_time.clone());
        Clock::of_world(self.world.now.clone(), own_time)
    }

    /// Calls `call` with the network at the time of this host.
    pub(crate) fn with_network<R>(&self, call: impl FnOnce(&mut Network) -> R) -> R {
        let (shared, own) = (self.world.now(), self.clock().now());
        let mut network = self.world.network.borrow_mut();
        let ahead = Some((self.id, own));
        network.run_due(shared, ahead);
        let result = call(&mut network);
        network.run_due(shared, ahead);
        result
    }

    /// Returns the disk of this host.
    pub(crate) fn disk(&self) -> Disk {
        self.world.with_host(self.id, |host| host.disk.clone())
    }
}
