//! How the poll phase collects what has arrived: asks the operating system, waits, moves a virtual
//! clock.
//!
//! The arrivals are left in the batch, in the order that [`super`] lists.

use std::io;
use std::time::Duration;

use super::time_rules::WhenIdle;
use super::{Batched, Outstanding, PollContext, PollOutcome, PollPhase, Wait};
use crate::blocking::pool::Pool;
use crate::reactor::clock::Clock;
use crate::reactor::poller::NOTIFIER;
use crate::reactor::registrations::{Readiness, signal_of};
use crate::reactor::remote_queue::RemoteQueue;

/// How long the operating system may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeout {
    length: Duration,
    /// When it ends, if the clock was read for it.
    ends: Option<Duration>,
}

impl Timeout {
    const ZERO: Timeout = Timeout::of(Duration::ZERO);

    const fn of(length: Duration) -> Timeout {
        Timeout { length, ends: None }
    }

    fn is_zero(self) -> bool {
        self.length.is_zero()
    }
}

impl PollPhase {
    /// Returns when a wait must end: when the loop timer or the first simulated completion is due.
    pub(super) fn first_due(&self, wait: Wait) -> Option<Duration> {
        let timer = match wait {
            Wait::Until(due_ms) => Some(Duration::from_millis(due_ms)),
            Wait::Zero | Wait::Forever => None,
        };
        match self.simulated.next_due() {
            None => timer,
            due => timer.into_iter().chain(due).min(),
        }
    }

    /// Collects what has arrived, in the fixed order. If nothing has and `wait` allows it, waits, or
    /// moves a virtual clock that may move.
    pub(super) fn collect(
        &self,
        cx: &PollContext<'_>,
        wait: Wait,
        wait_now: impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        let must_wait = || wait_now() != Wait::Zero;
        if let Some(world) = &self.world {
            let outcome = self.collect_from_world(cx, world, wait, must_wait)?;
            if outcome == PollOutcome::ClockHeld {
                return Ok(outcome);
            }
        } else if cx.clock.is_virtual() {
            let outcome = self.collect_in_virtual_time(cx, wait, must_wait)?;
            if outcome == PollOutcome::ClockHeld {
                return Ok(outcome);
            }
        } else {
            self.poll_once(cx, self.timeout(cx.clock, wait), must_wait)?;
        }
        self.batch_messages(cx.remote_queue);
        Ok(PollOutcome::Arrivals)
    }

    fn collect_in_virtual_time(
        &self,
        cx: &PollContext<'_>,
        wait: Wait,
        must_wait: impl Fn() -> bool,
    ) -> io::Result<PollOutcome> {
        self.poll_once(cx, Some(Timeout::ZERO), || true)?;
        let has_arrivals = !self.batch.borrow().is_empty() || !cx.remote_queue.is_empty();
        if has_arrivals || wait == Wait::Zero {
            return Ok(PollOutcome::Arrivals);
        }
        let due = self.first_due(wait);
        let is_due = due.is_some_and(|due| due <= cx.clock.now());
        if !is_due && self.simulated.has_stalled() {
            let stalled = self.simulated.take_stalled().into_iter();
            let mut batch = self.batch.borrow_mut();
            batch.extend(stalled.map(Batched::Simulated));
            return Ok(PollOutcome::Arrivals);
        }
        match self.time.when_idle(due, self.outstanding(cx)) {
            WhenIdle::JumpTo(target) => {
                cx.clock.jump_to(target);
                self.batch_due_completions(cx.clock);
            }
            WhenIdle::Wait => self.poll_once(cx, None, must_wait)?,
            // Another thread may have sent a message and dropped its token since the check above.
            WhenIdle::ClockHeld if cx.remote_queue.is_empty() => return Ok(PollOutcome::ClockHeld),
            WhenIdle::ClockHeld => {}
        }
        Ok(PollOutcome::Arrivals)
    }

    /// Returns whether an idle loop that waits for `wait` moves a virtual clock.
    pub(super) fn will_jump(&self, cx: &PollContext<'_>, wait: Wait) -> bool {
        let due = self.first_due(wait).filter(|due| *due > cx.clock.now());
        wait != Wait::Zero
            && self.world.is_none()
            && cx.clock.is_virtual()
            && matches!(
                self.time.when_idle(due, self.outstanding(cx)),
                WhenIdle::JumpTo(_)
            )
    }

    /// Waits until something arrives while no clock moves, for `limit` of real time at most.
    pub(crate) fn wait_for_external_event(
        &self,
        cx: &PollContext<'_>,
        limit: Option<Duration>,
    ) -> io::Result<()> {
        let longest = self.longest_wait.replace(limit);
        let polled = self.poll_once(cx, None, || true);
        self.longest_wait.set(longest);
        self.batch_messages(cx.remote_queue);
        polled
    }

    /// Waits until another thread has sent a message, for `limit` at most, and asks for nothing else.
    pub(super) fn wait_for_message(&self, cx: &PollContext<'_>, limit: Duration) -> io::Result<()> {
        let timeout = self.prepare_wait(cx, Some(Timeout::of(limit)), || true);
        let polled = self.poll_os(cx, timeout);
        cx.remote_queue.unpark();
        if let Some(system) = self.poller.system() {
            system.borrow_mut().events.clear();
        }
        polled
    }

    /// Polls the operating system once if it can have anything to report, even if a timer is
    /// overdue (R8). Waits for up to `timeout`, or forever without one, if nothing has arrived and
    /// `must_wait` still returns `true`.
    pub(super) fn poll_once(
        &self,
        cx: &PollContext<'_>,
        timeout: Option<Timeout>,
        must_wait: impl Fn() -> bool,
    ) -> io::Result<()> {
        self.batch_due_completions(cx.clock);
        let timeout = self.prepare_wait(cx, timeout, must_wait);
        let must_poll_os = self.must_poll_os.take() || !self.registrations.borrow().is_empty();
        let polled = if must_poll_os || !timeout.is_some_and(Timeout::is_zero) {
            self.poll_os(cx, timeout)
        } else {
            Ok(())
        };
        cx.remote_queue.unpark();
        self.batch_due_completions(cx.clock);
        self.batch_readiness();
        polled
    }

    /// Returns how long the operating system may wait: `timeout`, or zero if something has arrived.
    fn prepare_wait(
        &self,
        cx: &PollContext<'_>,
        timeout: Option<Timeout>,
        must_wait: impl Fn() -> bool,
    ) -> Option<Timeout> {
        let remote_queue = cx.remote_queue;
        let has_arrivals = timeout.is_some_and(Timeout::is_zero)
            || !self.batch.borrow().is_empty()
            || !remote_queue.is_empty()
            || self.registrations.borrow().has_source_to_serve();
        if has_arrivals || (self.expects_results(cx.pool) && remote_queue.has_message_soon()) {
            return Some(Timeout::ZERO);
        }
        remote_queue.prepare_park();
        // Another thread may have sent a message or dropped a token before it could see the parked
        // loop.
        if !remote_queue.is_empty() || !must_wait() {
            return Some(Timeout::ZERO);
        }
        timeout
    }

    /// Returns whether the next wait is for the results of jobs, and not for the operating system. A short job
    /// ends before the loop could sleep, and then needs no system call on either side. Other threads are not
    /// expected that soon: to wait for them here would only delay them.
    fn expects_results(&self, pool: &Pool) -> bool {
        self.poller.system().is_none() && pool.has_outstanding()
    }

    /// Polls the operating system, or waits for other threads if it has nothing for the loop. A signal that
    /// interrupts the wait does not end it early.
    fn poll_os(&self, cx: &PollContext<'_>, timeout: Option<Timeout>) -> io::Result<()> {
        let timeout = match (timeout, self.longest_wait.get()) {
            (Some(timeout), Some(longest)) if timeout.length <= longest => Some(timeout),
            (timeout, longest) => longest.map(Timeout::of).or(timeout),
        };
        let mut length = timeout.map(|timeout| timeout.length);
        let Some(system) = self.poller.system() else {
            if length != Some(Duration::ZERO) {
                cx.remote_queue.wait(length);
            }
            return Ok(());
        };
        let now = || cx.clock.unrecorded_now();
        let until = timeout.map(|timeout| match timeout.ends {
            Some(ends) => ends,
            None if timeout.is_zero() => Duration::ZERO, // it has passed, whatever the clock says
            None => now().saturating_add(timeout.length),
        });
        let system = &mut *system.borrow_mut();
        loop {
            match system.poll.poll(&mut system.events, length) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    length = until.map(|until| until.saturating_sub(now()));
                }
                result => return result,
            }
        }
    }

    /// Appends the events of the operating system to the batch, signals last (R64).
    fn batch_readiness(&self) {
        let Some(system) = self.poller.system() else {
            return; // without it there is no source
        };
        let (mut batch, mut system) = (self.batch.borrow_mut(), system.borrow_mut());
        let events = &mut system.events;
        let mut has_signals = false;
        let reported = || events.iter().filter(|event| event.token() != NOTIFIER);
        let sources = reported().map(|event| (event.token(), Readiness::of(event)));
        let mut registrations = self.registrations.borrow_mut();
        registrations.merge_events(sources, |token, readiness| match signal_of(token) {
            Some(_) => has_signals = true,
            None => batch.push_back(Batched::Ready(token, readiness)),
        });
        if has_signals {
            let numbers = reported().filter_map(|event| signal_of(event.token()));
            batch.extend(numbers.map(Batched::Signal));
        }
        events.clear();
    }

    /// Inserts the messages that are in the remote queue now after the completions of the batch.
    pub(super) fn batch_messages(&self, remote_queue: &RemoteQueue) {
        if remote_queue.is_empty() {
            return; // cheaper than to count them
        }
        let messages = Batched::InRemoteQueue(remote_queue.len());
        let mut batch = self.batch.borrow_mut();
        let is_simulated = |batched: &&Batched| matches!(batched, Batched::Simulated(_));
        let simulated = batch.iter().take_while(is_simulated).count();
        if simulated == batch.len() {
            return batch.push_back(messages);
        }
        let after_completions = batch.split_off(simulated);
        batch.push_back(messages);
        batch.extend(after_completions);
    }

    #[inline]
    pub(super) fn batch_due_completions(&self, clock: &Clock) {
        if self.simulated.has_completions() {
            self.batch_completions(clock);
        }
    }

    #[cold]
    fn batch_completions(&self, clock: &Clock) {
        let mut batch = self.batch.borrow_mut();
        self.simulated.take_due(
            || clock.unrecorded_now(),
            |macrotask| batch.push_back(Batched::Simulated(macrotask)),
        );
    }

    /// Returns how long a loop on the real clock may wait: until something is due, no matter how
    /// long the previous callbacks took (R7).
    fn timeout(&self, clock: &Clock, wait: Wait) -> Option<Timeout> {
        match (wait, self.first_due(wait)) {
            (Wait::Zero, _) => Some(Timeout::ZERO),
            (_, Some(due)) => {
                let now = clock.unrecorded_now();
                let length = due.saturating_sub(floor_to_ms(now));
                Some(Timeout {
                    length,
                    ends: Some(now.saturating_add(length)),
                })
            }
            (_, None) => None,
        }
    }

    /// Returns whether a poll that does not wait would find nothing.
    pub(super) fn has_nothing_to_poll(&self, remote_queue: &RemoteQueue) -> bool {
        let registrations = self.registrations.borrow();
        !self.must_poll_os.get()
            && registrations.is_empty()
            && !registrations.has_source_to_serve()
            && !self.simulated.has_completions()
            && remote_queue.is_empty()
    }

    pub(super) fn outstanding(&self, cx: &PollContext<'_>) -> Outstanding {
        Outstanding {
            // The jobs of a host take virtual time.
            jobs: cx.pool.has_outstanding() && self.world.is_none(),
            io: self.registrations.borrow().has_refed_waiters() || cx.has_refed_signals,
            tokens: cx.remote_queue.has_tokens(),
        }
    }
}

/// Rounds down to whole milliseconds. Timers count these, so a wait includes the elapsed part of the
/// current one.
fn floor_to_ms(now: Duration) -> Duration {
    Duration::new(now.as_secs(), now.subsec_millis() * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_a_millisecond_is_cut_off() {
        let now = Duration::new(3, 4_567_890);
        assert_eq!(floor_to_ms(now), Duration::from_millis(3_004));
    }
}
