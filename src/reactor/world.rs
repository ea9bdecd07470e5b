//! A simulated world: hosts, each of which is a loop, on one virtual clock and one network.
//!
//! The state is passive. The hosts' sockets call it, the poll phase collects from it what has arrived
//! for its host, and the scheduler of the test kit (`test/world`) moves the clock and decides which
//! host runs next.
//!
//! Invariant: nothing of it is borrowed while user code runs.
//! Invariant: it reads no clock but its own, and iterates over no map whose order is not fixed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// The state that all hosts of a world share.
pub(crate) struct WorldState {
    now: Rc<Cell<Duration>>,
    hosts: RefCell<Vec<HostState>>,
}

/// What the world knows of one host, up or down.
pub(crate) struct HostState {
    pub(crate) name: String,
}

/// Identifies a host of a world: its number in the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostId(pub(crate) usize);

/// Which host of which world a loop is.
#[derive(Clone)]
#[allow(dead_code, reason = "sockets and files of a host use it")]
pub(crate) struct WorldHost {
    pub(crate) world: Rc<WorldState>,
    pub(crate) id: HostId,
}

impl WorldState {
    pub(crate) fn new() -> WorldState {
        WorldState {
            now: Rc::default(),
            hosts: RefCell::default(),
        }
    }

    /// Returns the time that all hosts share.
    pub(crate) fn now(&self) -> Duration {
        self.now.get()
    }

    /// Moves the shared time to `target`, unless it is already there or past it.
    pub(crate) fn move_time(&self, target: Duration) {
        self.now.set(self.now.get().max(target));
    }

    /// Returns the shared time for the clock of a host.
    pub(crate) fn shared_time(&self) -> Rc<Cell<Duration>> {
        self.now.clone()
    }

    pub(crate) fn add_host(&self, name: &str) -> HostId {
        let mut hosts = self.hosts.borrow_mut();
        hosts.push(HostState {
            name: name.to_owned(),
        });
        HostId(hosts.len() - 1)
    }

    /// Returns the host of this name.
    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        let hosts = self.hosts.borrow();
        hosts.iter().position(|host| host.name == name).map(HostId)
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
    /// Returns the name of this host.
    #[allow(dead_code, reason = "sockets and files of a host use it")]
    pub(crate) fn name(&self) -> String {
        self.world.with_host(self.id, |host| host.name.clone())
    }
}
