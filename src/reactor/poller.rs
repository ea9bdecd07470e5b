//! The operating system's poll of a loop, and the wait of a loop that has none.
//!
//! A loop opens the poll when the first source is registered, or when it is built if a host can wait on
//! its descriptor. Until then it needs no descriptor: only other threads can end its waits, and they do
//! so through the remote queue.
//!
//! Invariant: the poll is opened by the loop's thread, so never during a wait; a sender that has to end a
//! wait sees what the loop waits on (`remote_queue/notifier.rs`).

use std::cell::{OnceCell, RefCell};
use std::io;
use std::sync::Arc;

use mio::{Events, Poll, Registry, Token};

use crate::reactor::remote_queue::RemoteQueue;

/// The token of the remote queue's waker. No source has it.
pub(crate) const NOTIFIER: Token = Token(usize::MAX);

/// How many readiness events one system call returns; the next call returns the rest.
const EVENTS_PER_POLL: usize = 1024;

pub(crate) struct Poller {
    remote_queue: Arc<RemoteQueue>,
    system: OnceCell<RefCell<SystemPoll>>,
    /// Another handle to the operating system's poll, for a host to wait on.
    #[cfg(unix)]
    descriptor: OnceCell<Registry>,
}

pub(crate) struct SystemPoll {
    pub(crate) poll: Poll,
    /// What the last poll has returned.
    pub(crate) events: Events,
}

impl Poller {
    pub(crate) fn new(remote_queue: Arc<RemoteQueue>) -> Poller {
        Poller {
            remote_queue,
            system: OnceCell::new(),
            #[cfg(unix)]
            descriptor: OnceCell::new(),
        }
    }

    /// Returns the operating system's poll, if it is open.
    #[inline]
    pub(crate) fn system(&self) -> Option<&RefCell<SystemPoll>> {
        self.system.get()
    }

    /// Calls `call` with the registry of the operating system's poll, which is opened if necessary.
    pub(crate) fn with_registry(
        &self,
        call: impl FnOnce(&Registry) -> io::Result<()>,
    ) -> io::Result<()> {
        call(self.open()?.borrow().poll.registry())
    }

    fn open(&self) -> io::Result<&RefCell<SystemPoll>> {
        if let Some(system) = self.system.get() {
            return Ok(system);
        }
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), NOTIFIER)?;
        self.remote_queue.set_waker(waker);
        let events = Events::with_capacity(EVENTS_PER_POLL);
        let system = || RefCell::new(SystemPoll { poll, events });
        Ok(self.system.get_or_init(system))
    }

    /// Opens the poll, and on Unix the descriptor on which a host can wait.
    pub(crate) fn open_for_host(&self) -> io::Result<()> {
        let system = self.open()?;
        #[cfg(unix)]
        if self.descriptor.get().is_none() {
            let registry = system.borrow().poll.registry().try_clone()?;
            self.descriptor.get_or_init(|| registry);
        }
        #[cfg(not(unix))]
        let _ = system;
        Ok(())
    }

    /// Returns what a host can wait on; `None` before [`open_for_host`](Poller::open_for_host).
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<&Registry> {
        self.descriptor.get()
    }
}
