//! The poll phase: waits for what comes from outside, and hands it out (R5, R7, R8, R61, R64).
//!
//! [`PollPhase::poll_events`] looks, and waits if it may; [`PollPhase::next`] then hands out what was
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

pub(crate) mod explorer;
pub(crate) mod held_back;
mod time_rules;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mio::{Events, Poll, Registry, Token};

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::Macrotask;
use crate::reactor::clock::Clock;
use crate::reactor::registrations::{Readiness, Registrations, SignalNumber, signal_of};
use crate::reactor::remote_queue::{Message, RemoteQueue};
use explorer::Explorer;
pub(crate) use time_rules::TimeRules;

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

/// Something that has arrived and waits to be handed out.
pub(crate) enum Batched {
    Simulated(Macrotask),
    /// A message that is still in the door's queue.
    InRemoteQueue,
    /// A message that was taken out of the door's queue, by an exploration.
    Message(Message),
    Ready(Token, Readiness),
    Signal(SignalNumber),
    /// What a signal has brought.
    SignalCallback(Macrotask),
}

pub(crate) struct PollPhase {
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    pub(crate) registrations: RefCell<Registrations>,
    batch: RefCell<VecDeque<Batched>>,
    /// Completions of the virtual world, by their time, then in the order of their making.
    simulated: RefCell<BTreeMap<(Duration, u64), Macrotask>>,
    simulated_count: Cell<u64>,
    /// When a virtual clock may jump.
    pub(crate) time: TimeRules,
    /// Who wants to go on as soon as nothing else can without time passing.
    stalled: RefCell<Vec<Macrotask>>,
    /// The longest real wait of one look, while somebody wants to be back soon.
    pub(crate) longest_wait: Cell<Option<Duration>>,
    /// A host waits on the descriptor: what the system has for it must be taken.
    pub(crate) must_poll_os: Cell<bool>,
    /// Another handle to what the system watches for this loop, for a host to wait on.
    pub(crate) registry: Rc<Registry>,
}

/// What is out in the real world and is no source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExternalWork {
    /// Jobs of the pool.
    pub(crate) jobs: bool,
    /// Signals and children that keep the loop alive.
    pub(crate) signals: bool,
}

/// What became of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PollOutcome {
    Arrivals,
    /// Nothing can run unless a clock moves that is held by hand.
    ClockHeld,
}

/// The token of the remote door's bell; no source gets it.
const NOTIFIER: Token = Token(usize::MAX);

/// How many readiness events one look takes from the system; the rest comes with the next.
const EVENTS_PER_LOOK: usize = 1024;

impl PollPhase {
    pub(crate) fn new(
        time: TimeRules,
        explorer: Rc<Explorer>,
    ) -> io::Result<(PollPhase, mio::Waker)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), NOTIFIER)?;
        let registry = Rc::new(poll.registry().try_clone()?);
        let phase = PollPhase {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS_PER_LOOK)),
            registrations: RefCell::new(Registrations::new(registry.clone(), explorer)),
            batch: RefCell::default(),
            simulated: RefCell::default(),
            simulated_count: Cell::new(0),
            time,
            stalled: RefCell::default(),
            longest_wait: Cell::new(None),
            must_poll_os: Cell::new(false),
            registry,
        };
        Ok((phase, waker))
    }

    /// Queues a completion for the first poll phase at `due` or later.
    pub(crate) fn simulate(&self, due: Duration, macrotask: Macrotask) {
        let count = self.simulated_count.get();
        self.simulated_count.set(count + 1);
        self.simulated.borrow_mut().insert((due, count), macrotask);
    }

    /// Calls `macrotask` in the first poll phase that would have to wait: nothing else can run
    /// then unless time passes or the world answers.
    pub(crate) fn when_stalled(&self, macrotask: Macrotask) {
        self.stalled.borrow_mut().push(macrotask);
    }

    /// When the first simulated completion is due.
    pub(crate) fn next_simulated(&self) -> Option<Duration> {
        let simulated = self.simulated.borrow();
        simulated.first_key_value().map(|((due, _), _)| *due)
    }

    /// Whether somebody waits for the moment at which nothing else can run.
    pub(crate) fn has_stalled(&self) -> bool {
        !self.stalled.borrow().is_empty()
    }

    /// Whether something waits to be handed out.
    pub(crate) fn has_batch(&self) -> bool {
        !self.batch.borrow().is_empty()
    }

    /// Takes out the messages of an exploration, for the end of the loop.
    pub(crate) fn take_messages(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut batch = self.batch.borrow_mut();
        for one in std::mem::take(&mut *batch) {
            match one {
                Batched::Message(message) => messages.push(message),
                other => batch.push_back(other),
            }
        }
        messages
    }

    /// Takes what is to be handed out, for an exploration to reorder.
    pub(crate) fn take_batch(&self) -> VecDeque<Batched> {
        std::mem::take(&mut *self.batch.borrow_mut())
    }

    /// Gives it back.
    pub(crate) fn set_batch(&self, batch: VecDeque<Batched>) {
        *self.batch.borrow_mut() = batch;
    }

    /// Waits until something arrives, and no clock jumps; for `limit` of real time at most.
    pub(crate) fn wait_for_external_event(
        &self,
        clock: &Clock,
        remote_queue: &RemoteQueue,
        limit: Option<Duration>,
    ) -> io::Result<()> {
        let longest = self.longest_wait.replace(limit);
        let polled = self.poll_once(clock, remote_queue, None, || true);
        self.longest_wait.set(longest);
        let messages = (0..remote_queue.len()).map(|_| Batched::InRemoteQueue);
        self.batch.borrow_mut().extend(messages);
        polled
    }

    /// Whether something is here that needs no look at the system.
    pub(crate) fn has_arrivals(&self, now: Duration) -> bool {
        !self.batch.borrow().is_empty()
            || self.next_simulated().is_some_and(|due| due <= now)
            || self.registrations.borrow().has_pending_sources()
    }

    /// Whether anything in here keeps the loop alive (R6).
    pub(crate) fn has_refed(&self) -> bool {
        let left_behind = |one: &Batched| !matches!(one, Batched::InRemoteQueue);
        self.registrations.borrow().has_refed_waiters()
            || !self.simulated.borrow().is_empty()
            || !self.stalled.borrow().is_empty()
            || self.batch.borrow().iter().any(left_behind) // by a run that was stopped
    }

    /// Looks at what is there and waits if `wait` says so and nothing is. `external` says who
    /// else is waited for, and may hold virtual time; `must_wait` is asked once more when the door
    /// has been told that the loop sleeps.
    pub(crate) fn poll_events(
        &self,
        clock: &Clock,
        remote_queue: &RemoteQueue,
        wait: Wait,
        external: ExternalWork,
        must_wait: impl Fn() -> bool,
    ) -> io::Result<PollOutcome> {
        if !self.batch.borrow().is_empty() {
            return Ok(PollOutcome::Arrivals); // a run was stopped in the middle of its poll phase
        }
        if wait == Wait::Zero && self.has_nothing_to_poll(remote_queue) {
            return Ok(PollOutcome::Arrivals); // the turn of a loop that runs on immediates alone
        }
        if clock.is_virtual() || !self.stalled.borrow().is_empty() {
            self.poll_once(clock, remote_queue, Some(Duration::ZERO), || true)?;
            let idle = self.batch.borrow().is_empty() && remote_queue.is_empty();
            let now = clock.now();
            let is_due = self.first_due(wait).is_some_and(|due| due <= now);
            if idle && wait != Wait::Zero && (is_due || !self.take_stalled()) {
                let frozen =
                    self.wait_in_virtual_time(clock, remote_queue, wait, external, must_wait)?;
                if frozen {
                    return Ok(PollOutcome::ClockHeld);
                }
            }
        } else {
            let timeout = match (wait, self.first_due(wait)) {
                (Wait::Zero, _) => Some(Duration::ZERO),
                (_, Some(due)) => Some(due.saturating_sub(floor_to_ms(clock.now()))),
                (_, None) => None,
            };
            self.poll_once(clock, remote_queue, timeout, must_wait)?;
        }
        let messages = (0..remote_queue.len()).map(|_| Batched::InRemoteQueue);
        if messages.len() == 0 {
            return Ok(PollOutcome::Arrivals);
        }
        let mut batch = self.batch.borrow_mut();
        let simulated = batch
            .iter()
            .take_while(|one| matches!(one, Batched::Simulated(_)))
            .count();
        let rest = batch.split_off(simulated);
        batch.extend(messages);
        batch.extend(rest);
        Ok(PollOutcome::Arrivals)
    }

    /// Nothing has arrived, and nothing can run: the clock jumps, or the world has to answer.
    /// True if neither can be: the clock is held by hand, and nobody is out there.
    fn wait_in_virtual_time(
        &self,
        clock: &Clock,
        remote_queue: &RemoteQueue,
        wait: Wait,
        external: ExternalWork,
        must_wait: impl Fn() -> bool,
    ) -> io::Result<bool> {
        let sources_wait = self.registrations.borrow().has_refed_waiters();
        let io_waits = sources_wait || external.signals;
        let is_held = (external.jobs && self.time.jobs_hold) || (io_waits && self.time.io_holds);
        let somebody_is_out = external.jobs || io_waits || remote_queue.has_tokens();
        match self.first_due(wait) {
            Some(target) if !is_held && self.time.allow(target) => {
                clock.jump_to(target);
                self.take_simulated(clock);
            }
            Some(_) if !somebody_is_out => return Ok(true),
            _ => self.poll_once(clock, remote_queue, None, must_wait)?,
        }
        Ok(false)
    }

    /// Hands out those who wait for this moment; false if there are none.
    fn take_stalled(&self) -> bool {
        let stalled = std::mem::take(&mut *self.stalled.borrow_mut());
        let any = !stalled.is_empty();
        let mut batch = self.batch.borrow_mut();
        batch.extend(stalled.into_iter().map(Batched::Simulated));
        any
    }

    /// The next of what was present when the wait ended.
    pub(crate) fn next(&self, remote_queue: &RemoteQueue) -> Option<Arrival> {
        loop {
            let batched = self.batch.borrow_mut().pop_front()?;
            match batched {
                Batched::Simulated(macrotask) => return Some(Arrival::Macrotask(macrotask)),
                Batched::InRemoteQueue => {
                    if let Some(message) = remote_queue.pop() {
                        return Some(Arrival::Message(message));
                    }
                }
                Batched::Message(message) => return Some(Arrival::Message(message)),
                Batched::Ready(token, readiness) => {
                    let waiting = self.deliver(token, readiness);
                    if let Some(macrotask) = waiting {
                        return Some(Arrival::Macrotask(macrotask));
                    }
                }
                Batched::Signal(number) => return Some(Arrival::Signal(number)),
                Batched::SignalCallback(macrotask) => return Some(Arrival::Macrotask(macrotask)),
            }
        }
    }

    /// Completions to come and waits on sources, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let completion = |macrotask: &Macrotask| {
            ResourceEntry::new(ResourceKind::Completion, Some(macrotask.origin.location))
        };
        let mut resources = Vec::new();
        let registrations = self.registrations.borrow();
        for one in self.batch.borrow().iter() {
            match one {
                Batched::Simulated(macrotask) => resources.push(completion(macrotask)),
                Batched::Ready(token, _) => {
                    resources.push(ResourceEntry::new(
                        ResourceKind::Read,
                        registrations.location(*token),
                    ));
                }
                Batched::InRemoteQueue => {} // is counted there
                Batched::Message(_) | Batched::Signal(_) | Batched::SignalCallback(_) => {
                    resources.push(ResourceEntry::new(ResourceKind::Message, None));
                }
            }
        }
        for macrotask in self.stalled.borrow().iter() {
            resources.push(ResourceEntry::new(
                ResourceKind::Stall,
                Some(macrotask.origin.location),
            ));
        }
        for ((due, _), macrotask) in self.simulated.borrow().iter() {
            resources.push(ResourceEntry {
                due: Some(*due),
                ..completion(macrotask)
            });
        }
        resources.append(&mut registrations.active_resources());
        resources
    }

    /// What a signal has brought comes next, in this order.
    pub(crate) fn put_first(&self, callbacks: Vec<Macrotask>) {
        let mut batch = self.batch.borrow_mut();
        for macrotask in callbacks.into_iter().rev() {
            batch.push_front(Batched::SignalCallback(macrotask));
        }
    }

    /// Takes everything out, to be dropped by the caller outside of any borrow.
    pub(crate) fn take_all(&self) -> Vec<Macrotask> {
        let mut taken = Vec::new();
        let next = || self.batch.borrow_mut().pop_front();
        while let Some(one) = next() {
            match one {
                Batched::Simulated(macrotask) | Batched::SignalCallback(macrotask) => {
                    taken.push(macrotask);
                }
                // With a signal go its listeners; the messages were taken out before.
                Batched::InRemoteQueue | Batched::Message(_) | Batched::Signal(_) => {}
                // The system won't tell it again, and the source may outlive this run.
                Batched::Ready(token, readiness) => taken.extend(self.deliver(token, readiness)),
            }
        }
        let simulated = std::mem::take(&mut *self.simulated.borrow_mut());
        taken.extend(simulated.into_values());
        taken.append(&mut *self.stalled.borrow_mut());
        taken
    }

    /// An event reaches its source. What it says to a writer behind a reader stays in the batch.
    fn deliver(&self, token: Token, readiness: Readiness) -> Option<Macrotask> {
        let (waiting, rest) = self.registrations.borrow_mut().deliver(token, readiness);
        if let Some(rest) = rest {
            let mut batch = self.batch.borrow_mut();
            batch.push_front(Batched::Ready(token, rest));
        }
        waiting
    }

    /// Whether a look that does not wait would find nothing, whatever the system says.
    fn has_nothing_to_poll(&self, remote_queue: &RemoteQueue) -> bool {
        !self.must_poll_os.get()
            && self.registrations.borrow().has_nothing_to_poll()
            && self.simulated.borrow().is_empty()
            && remote_queue.is_empty()
    }

    /// Asks the system once, if it can have anything to say.
    fn poll_once(
        &self,
        clock: &Clock,
        remote_queue: &RemoteQueue,
        timeout: Option<Duration>,
        must_wait: impl Fn() -> bool,
    ) -> io::Result<()> {
        self.take_simulated(clock);
        let budget_exhausted = self.registrations.borrow_mut().take_budget_exhausted();
        for token in self.registrations.borrow_mut().take_deferred() {
            let ready = Batched::Ready(token, Readiness::writable());
            self.batch.borrow_mut().push_back(ready);
        }
        let mut timeout = timeout;
        if !budget_exhausted.is_empty()
            || !self.batch.borrow().is_empty()
            || !remote_queue.is_empty()
        {
            timeout = Some(Duration::ZERO);
        }
        if timeout != Some(Duration::ZERO) {
            remote_queue.prepare_park();
            if !remote_queue.is_empty() || !must_wait() {
                timeout = Some(Duration::ZERO);
            }
        }
        let must_poll_os = self.must_poll_os.take() || !self.registrations.borrow().is_empty();
        let asked = if timeout == Some(Duration::ZERO) && !must_poll_os {
            Ok(())
        } else {
            self.poll_os(clock, timeout)
        };
        remote_queue.unpark();
        self.take_simulated(clock);
        let mut batch = self.batch.borrow_mut();
        let mut events = self.events.borrow_mut();
        let told = events.iter().filter(|event| event.token() != NOTIFIER);
        let told = told.map(|event| (event.token(), Readiness::of(event)));
        for token in &budget_exhausted {
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
            let served = budget_exhausted.contains(&token);
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
    fn poll_os(&self, clock: &Clock, timeout: Option<Duration>) -> io::Result<()> {
        let mut timeout = match (timeout, self.longest_wait.get()) {
            (Some(timeout), Some(longest)) => Some(timeout.min(longest)),
            (timeout, longest) => timeout.or(longest),
        };
        let until = timeout.map(|timeout| clock.now().saturating_add(timeout));
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
    pub(crate) fn first_due(&self, wait: Wait) -> Option<Duration> {
        let timer = match wait {
            Wait::Until(due_ms) => Some(Duration::from_millis(due_ms)),
            Wait::Zero | Wait::Forever => None,
        };
        timer.into_iter().chain(self.next_simulated()).min()
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
