//! The poll phase: waits for what comes from outside, and hands it out (R5, R7, R8, R61, R64).
//!
//! [`PollPhase::gather`] looks, and waits if it may; [`PollPhase::next`] then hands out what was
//! present when the wait ended, and only that: simulated completions, messages of the remote
//! door in the order of arrival, sources that were cut off at their bound, the readiness events in
//! the order in which the system tells them, and signals. Node promises no order between the
//! first kinds (SEMANTICS §8); this one is fixed so that a run can be repeated. That signals come
//! last is libuv's choice (`linux.c` `uv__io_poll`: `have_signals`).
//!
//! It makes no system call when nothing is registered and there is nothing to wait for: a
//! message rings a bell that can be read without one.
//!
//! Invariant: what arrives while the phase hands out waits for the next poll phase. If the run is
//! stopped meanwhile, the poll phase of the next run begins with what is left.

pub(crate) mod sources;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token};

use crate::clock::Clock;
use crate::macrotask::Macrotask;
use crate::remote::{Door, Message};
use sources::{Readiness, SignalNumber, Sources, signal_of};

/// How long the poll phase may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Look only.
    Zero,
    /// Until the loop timer is due, in milliseconds of the loop's clock.
    Until(u64),
    Forever,
}

/// Something that has arrived.
pub(crate) enum Arrival {
    Macrotask(Macrotask),
    Message(Message),
    /// Signals of this number. What they bring goes back to [`PollPhase::put_first`].
    Signal(SignalNumber),
}

enum Batched {
    Simulated(Macrotask),
    /// A message that is still in the door's queue.
    InDoor,
    Ready(Token, Readiness),
    Signal(SignalNumber),
    /// What a signal has brought.
    Brought(Macrotask),
}

pub(crate) struct PollPhase {
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    pub(crate) sources: RefCell<Sources>,
    batch: RefCell<VecDeque<Batched>>,
    /// Completions of the virtual world, by their time, then in the order of their making.
    simulated: RefCell<BTreeMap<(Duration, u64), Macrotask>>,
    simulated_count: Cell<u64>,
    /// Whether waits on sources hold virtual time, too.
    io_holds_time: bool,
}

/// The token of the remote door's bell; no source gets it.
const BELL: Token = Token(usize::MAX);

/// How many readiness events one look takes from the system; the rest comes with the next.
const EVENTS_PER_LOOK: usize = 1024;

impl PollPhase {
    pub(crate) fn new(io_holds_time: bool) -> io::Result<(PollPhase, mio::Waker)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), BELL)?;
        let registry = poll.registry().try_clone()?;
        let phase = PollPhase {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS_PER_LOOK)),
            sources: RefCell::new(Sources::new(registry)),
            batch: RefCell::default(),
            simulated: RefCell::default(),
            simulated_count: Cell::new(0),
            io_holds_time,
        };
        Ok((phase, waker))
    }

    /// Queues a completion for the first poll phase at `due` or later.
    pub(crate) fn simulate(&self, due: Duration, macrotask: Macrotask) {
        let count = self.simulated_count.get();
        self.simulated_count.set(count + 1);
        self.simulated.borrow_mut().insert((due, count), macrotask);
    }

    /// Whether anything in here keeps the loop alive (R6).
    pub(crate) fn has_refed(&self) -> bool {
        let left_behind = |one: &Batched| !matches!(one, Batched::InDoor);
        self.sources.borrow().has_refed_waiters()
            || !self.simulated.borrow().is_empty()
            || self.batch.borrow().iter().any(left_behind) // by a run that was stopped
    }

    /// Looks at what is there and waits if `wait` says so and nothing is. `jobs_out` says that
    /// jobs of the pool hold virtual time; `must_wait` is asked once more when the door has been
    /// told that the loop sleeps.
    pub(crate) fn gather(
        &self,
        clock: &Clock,
        door: &Door,
        wait: Wait,
        jobs_out: bool,
        must_wait: impl Fn() -> bool,
    ) -> io::Result<()> {
        if !self.batch.borrow().is_empty() {
            return Ok(()); // a run was stopped in the middle of its poll phase
        }
        if wait == Wait::Zero && self.has_nothing_to_ask(door) {
            return Ok(()); // the turn of a loop that runs on immediates alone
        }
        if clock.is_virtual() {
            self.look(clock, door, Some(Duration::ZERO), || true)?;
            let idle = self.batch.borrow().is_empty() && door.is_empty();
            let sources_hold = self.io_holds_time && self.sources.borrow().has_refed_waiters();
            let target = self.first_due(wait);
            match target {
                _ if !idle || wait == Wait::Zero => {}
                Some(target) if !jobs_out && !sources_hold => {
                    clock.jump_to(target);
                    self.take_simulated(clock);
                }
                _ => self.look(clock, door, None, must_wait)?,
            }
        } else {
            let timeout = match (wait, self.first_due(wait)) {
                (Wait::Zero, _) => Some(Duration::ZERO),
                (_, Some(due)) => Some(due.saturating_sub(floor_to_ms(clock.now()))),
                (_, None) => None,
            };
            self.look(clock, door, timeout, must_wait)?;
        }
        let messages = (0..door.len()).map(|_| Batched::InDoor);
        if messages.len() == 0 {
            return Ok(());
        }
        let mut batch = self.batch.borrow_mut();
        let simulated = batch
            .iter()
            .take_while(|one| matches!(one, Batched::Simulated(_)))
            .count();
        let rest = batch.split_off(simulated);
        batch.extend(messages);
        batch.extend(rest);
        Ok(())
    }

    /// The next of what was present when the wait ended.
    pub(crate) fn next(&self, door: &Door) -> Option<Arrival> {
        loop {
            let batched = self.batch.borrow_mut().pop_front()?;
            match batched {
                Batched::Simulated(macrotask) => return Some(Arrival::Macrotask(macrotask)),
                Batched::InDoor => {
                    if let Some(message) = door.pop() {
                        return Some(Arrival::Message(message));
                    }
                }
                Batched::Ready(token, readiness) => {
                    let waiting = self.deliver(token, readiness);
                    if let Some(macrotask) = waiting {
                        return Some(Arrival::Macrotask(macrotask));
                    }
                }
                Batched::Signal(number) => return Some(Arrival::Signal(number)),
                Batched::Brought(macrotask) => return Some(Arrival::Macrotask(macrotask)),
            }
        }
    }

    /// What a signal has brought comes next, in this order.
    pub(crate) fn put_first(&self, brought: Vec<Macrotask>) {
        let mut batch = self.batch.borrow_mut();
        for macrotask in brought.into_iter().rev() {
            batch.push_front(Batched::Brought(macrotask));
        }
    }

    /// Takes everything out, to be dropped by the caller outside of any borrow.
    pub(crate) fn take_all(&self) -> Vec<Macrotask> {
        let mut taken = Vec::new();
        let next = || self.batch.borrow_mut().pop_front();
        while let Some(one) = next() {
            match one {
                Batched::Simulated(macrotask) | Batched::Brought(macrotask) => {
                    taken.push(macrotask);
                }
                Batched::InDoor | Batched::Signal(_) => {} // with these go their listeners
                // The system won't tell it again, and the source may outlive this run.
                Batched::Ready(token, readiness) => taken.extend(self.deliver(token, readiness)),
            }
        }
        let simulated = std::mem::take(&mut *self.simulated.borrow_mut());
        taken.extend(simulated.into_values());
        taken
    }

    /// An event reaches its source. What it says to a writer behind a reader stays in the batch.
    fn deliver(&self, token: Token, readiness: Readiness) -> Option<Macrotask> {
        let (waiting, rest) = self.sources.borrow_mut().deliver(token, readiness);
        if let Some(rest) = rest {
            let mut batch = self.batch.borrow_mut();
            batch.push_front(Batched::Ready(token, rest));
        }
        waiting
    }

    /// Whether a look that does not wait would find nothing, whatever the system says.
    fn has_nothing_to_ask(&self, door: &Door) -> bool {
        self.sources.borrow().has_nothing_to_ask()
            && self.simulated.borrow().is_empty()
            && door.is_empty()
    }

    /// Asks the system once, if it can have anything to say.
    fn look(
        &self,
        clock: &Clock,
        door: &Door,
        timeout: Option<Duration>,
        must_wait: impl Fn() -> bool,
    ) -> io::Result<()> {
        self.take_simulated(clock);
        let cut_off = self.sources.borrow_mut().take_cut_off();
        let mut timeout = timeout;
        if !cut_off.is_empty() || !self.batch.borrow().is_empty() || !door.is_empty() {
            timeout = Some(Duration::ZERO);
        }
        if timeout != Some(Duration::ZERO) {
            door.lie_down();
            if !door.is_empty() || !must_wait() {
                timeout = Some(Duration::ZERO);
            }
        }
        let asked = if timeout == Some(Duration::ZERO) && self.sources.borrow().is_empty() {
            Ok(())
        } else {
            self.ask(clock, timeout)
        };
        door.get_up();
        self.take_simulated(clock);
        let mut batch = self.batch.borrow_mut();
        let mut events = self.events.borrow_mut();
        let told = events.iter().filter(|event| event.token() != BELL);
        let told = told.map(|event| (event.token(), Readiness::of(event)));
        for token in &cut_off {
            let event = told.clone().find(|(of, _)| of == token);
            let readiness = Readiness::served_again(event.map(|(_, readiness)| readiness));
            batch.push_back(Batched::Ready(*token, readiness));
        }
        let mut signals = Vec::new();
        for (token, readiness) in told {
            if let Some(number) = signal_of(token) {
                signals.push(Batched::Signal(number));
                continue;
            }
            // A source that was cut off is served already, and once is enough for one phase.
            let served = cut_off.contains(&token);
            let fresh = if served {
                readiness.write_half()
            } else {
                Some(readiness)
            };
            batch.extend(fresh.map(|fresh| Batched::Ready(token, fresh)));
        }
        batch.extend(signals);
        events.clear();
        asked
    }

    /// One wait. A signal that interrupts it does not end it early.
    fn ask(&self, clock: &Clock, timeout: Option<Duration>) -> io::Result<()> {
        let until = timeout.map(|timeout| clock.now().saturating_add(timeout));
        let mut timeout = timeout;
        loop {
            match self
                .poll
                .borrow_mut()
                .poll(&mut self.events.borrow_mut(), timeout)
            {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    timeout = until.map(|until| until.saturating_sub(clock.now()));
                }
                result => return result,
            }
        }
    }

    /// The end of the wait: the loop timer or a simulated completion.
    fn first_due(&self, wait: Wait) -> Option<Duration> {
        let timer = match wait {
            Wait::Until(due_ms) => Some(Duration::from_millis(due_ms)),
            Wait::Zero | Wait::Forever => None,
        };
        let simulated = self
            .simulated
            .borrow()
            .first_key_value()
            .map(|((due, _), _)| *due);
        timer.into_iter().chain(simulated).min()
    }

    fn take_simulated(&self, clock: &Clock) {
        let mut simulated = self.simulated.borrow_mut();
        if simulated.is_empty() {
            return; // the common case costs no reading of the clock
        }
        let now = clock.now();
        let mut batch = self.batch.borrow_mut();
        while let Some(first) = simulated.first_entry().filter(|first| first.key().0 <= now) {
            batch.push_back(Batched::Simulated(first.remove()));
        }
    }
}

/// Timers count whole milliseconds, so the rest of the running one belongs to the wait.
fn floor_to_ms(now: Duration) -> Duration {
    Duration::new(now.as_secs(), now.subsec_millis() * 1_000_000)
}
