//! The scheduler: which host runs next, and when time moves.

use std::fmt::Write as _;
use std::panic::resume_unwind;
use std::time::Duration;

use super::super::log::short;
use super::machine::{Machine, Power, Running};
use super::{Inner, World};
use crate::promise::PromiseError;
use crate::reactor::world::{HostId, WorldHost};
use crate::runtime::{Builder, EventLoop, RunError};

/// The most rounds of turns without time passing.
const MOST_ROUNDS: u64 = 100_000;

impl World {
    /// Runs the world until every program of [`Host::run`](super::Host::run) has ended, and everything
    /// that is due at that instant has run.
    ///
    /// # Panics
    ///
    /// Panics if a program fails, with its own panic or with the text of its error; if no program can
    /// continue, with a report of what each waits for; if a program always has something to do, such as an
    /// immediate that queues the next one, so that no time passes for 100,000 rounds; if the limit of virtual time is exceeded; and if a
    /// loop is running on this thread.
    #[track_caller]
    pub fn run(&self) {
        let mut rounds: u64 = 0;
        loop {
            rounds += 1;
            if rounds > MOST_ROUNDS {
                self.inner.fail_with_report(
                    "the hosts always have something to do, so that no time passes: wait with `sleep` instead of \
                     `yield_now`",
                );
            }
            self.inner.switch_machines(self);
            let has_acted = self.run_due_actions();
            let has_arrived = self.inner.state.run_due_packets();
            if has_acted || has_arrived || self.run_turns() {
                continue;
            }
            if !self.inner.is_awaited() && !self.inner.may_restart() {
                break;
            }
            self.inner.move_time();
            rounds = 0;
        }
        self.check_end();
    }

    /// Fails if the world has waited for nothing, or has ended before its script.
    #[track_caller]
    fn check_end(&self) {
        let has_waited = self.inner.machines.borrow().iter().any(Machine::is_waited);
        if !has_waited {
            self.inner
                .fail("no program of `Host::run`: the world has nothing to wait for");
        }
        if self.inner.settings.permits_unfired {
            return;
        }
        let script = self.inner.script.borrow();
        let unrun = script.first_key_value();
        let unrun = unrun.map(|((at, _), action)| (*at, short(action.location)));
        drop(script);
        if let Some((at, place)) = unrun {
            self.inner.fail(&format!(
                "the world ended at {:?}, before the action of the script at {at:?} ({place}): let a program of \
                 `Host::run` last longer, or call `WorldBuilder::permit_unfired_faults`",
                self.now()
            ));
        }
        self.check_faults();
    }

    /// Fails if a fault that was configured has never happened.
    #[track_caller]
    fn check_faults(&self) {
        let unfired = self.faults().into_iter().filter(|fault| fault.count() == 0);
        let unfired: Vec<String> = unfired.map(|fault| fault.to_string()).collect();
        if !unfired.is_empty() {
            self.inner.fail(&format!(
                "faults were configured and never happened, so that the test did not test them: {}; \
                 make them happen, or call `WorldBuilder::permit_unfired_faults`",
                unfired.join(", ")
            ));
        }
    }

    /// Calls the actions of the script that are due. Returns whether there were any.
    fn run_due_actions(&self) -> bool {
        let mut has_run = false;
        let next = || {
            let mut script = self.inner.script.borrow_mut();
            let first = script.first_entry()?;
            (first.key().0 <= self.now()).then(|| first.remove())
        };
        while let Some(action) = next() {
            (action.call)(self);
            self.inner.switch_machines(self);
            has_run = true;
        }
        has_run
    }

    /// Runs one turn of each host that has something to do, in order. Returns whether there were any.
    #[track_caller]
    fn run_turns(&self) -> bool {
        let (mut has_run, now) = (false, self.now());
        for number in 0..self.inner.state.host_count() {
            let id = HostId(number);
            let running = self.inner.with(id, |machine| {
                machine.running.take_if(|running| running.has_work(now))
            });
            let Some(mut running) = running else {
                continue;
            };
            has_run = true;
            let result = running.turn();
            self.after(id, running, result);
            self.inner.switch_machines(self);
        }
        has_run
    }

    /// Puts the loop of a host back, or ends its program.
    #[track_caller]
    fn after(&self, id: HostId, mut running: Running, result: Result<(), RunError>) {
        let name = self.inner.name(id);
        let has_ended = match result {
            Ok(()) => match running.outcome() {
                None => false,
                Some(Ok(Ok(()))) => running.is_idle(),
                Some(_) => true,
            },
            Err(RunError::Uncaught(error)) => resume_unwind(error.into_payload()),
            Err(RunError::Exit(0)) => true,
            Err(error) => self.inner.fail(&format!("host \"{name}\": {error}")),
        };
        if !has_ended {
            self.inner
                .with(id, |machine| machine.running = Some(running));
            return;
        }
        match running.outcome.take() {
            Some(Ok(Err(error))) => {
                self.inner.fail(&format!(
                    "the program of host \"{name}\" has failed: {error}"
                ));
            }
            Some(Err(PromiseError::Panicked(payload))) => resume_unwind(payload.into_inner()),
            _ => {}
        }
        running.emit_exit();
        self.inner.with(id, Machine::end);
    }
}

impl Running {
    /// Returns whether the loop has something to do at `now`. A callback that blocks lasts until the clock
    /// of its host is no longer ahead.
    fn has_work(&self, now: Duration) -> bool {
        !self.has_turned || self.next_at().is_some_and(|at| at <= now)
    }

    /// Returns when the loop has something to do next, unless something arrives before.
    fn next_at(&self) -> Option<Duration> {
        let state = self.event_loop.state();
        let has_ready = state.world().is_some_and(WorldHost::has_ready);
        let wait = match has_ready {
            true => Duration::ZERO,
            false => state.host_timeout()?,
        };
        Some(state.clock.now().saturating_add(wait))
    }

    #[track_caller]
    fn turn(&mut self) -> Result<(), RunError> {
        self.has_turned = true;
        self.event_loop.turn().map(drop)
    }

    /// Returns whether nothing keeps the loop alive, even after the `before_exit` listeners (R2).
    #[track_caller]
    fn is_idle(&mut self) -> bool {
        if self.event_loop.state().is_alive() {
            return false;
        }
        let before_exit = |event_loop: &mut EventLoop| event_loop.runner().emit_before_exit();
        let called = self.event_loop.hosted("World::run", before_exit);
        called.is_err() || !self.event_loop.state().is_alive()
    }

    /// Calls the `exit` listeners (R9).
    #[track_caller]
    fn emit_exit(&mut self) {
        let emit = |event_loop: &mut EventLoop| {
            let runner = event_loop.runner();
            runner.emit_exit(runner.final_exit_code());
        };
        // An error in a listener changes only the code.
        let _ = self.event_loop.hosted("World::run", emit);
    }
}

impl Inner {
    pub(super) fn with<R>(&self, id: HostId, call: impl FnOnce(&mut Machine) -> R) -> R {
        call(&mut self.machines.borrow_mut()[id.0])
    }

    fn name(&self, id: HostId) -> String {
        self.state.with_host(id, |host| host.name.clone())
    }

    /// Crashes and starts the machines that have to be, in order.
    #[track_caller]
    fn switch_machines(&self, world: &World) {
        for number in 0..self.state.host_count() {
            let id = HostId(number);
            if let Power::Crashing { restarts } = self.with(id, |machine| machine.power) {
                let crashed = self.with(id, |machine| {
                    machine.power = match restarts {
                        true => Power::Starting,
                        false => Power::Off,
                    };
                    machine.running.take()
                });
                drop(crashed);
                self.state.with_host(id, |host| host.crash_disk());
            }
            if self.with(id, |machine| machine.power) == Power::Starting {
                self.start(id, world);
            }
        }
    }

    #[track_caller]
    fn start(&self, id: HostId, world: &World) {
        let program = self.with(id, |machine| {
            machine.power = Power::On;
            machine.program.clone()
        });
        let Some((_, program, location)) = program else {
            return;
        };
        self.state.with_network(|network| network.start(id));
        let event_loop = match self.loop_settings(id).host_of_world(self.host(id)).build() {
            Ok(event_loop) => event_loop,
            Err(error) => panic!("the loop of a host could not be built: {error}"),
        };
        match Running::start(event_loop, &program, location) {
            Ok(running) => world.after(id, running, Ok(())),
            Err(RunError::Uncaught(error)) => resume_unwind(error.into_payload()),
            Err(error) => self.fail(&format!("host \"{}\": {error}", self.name(id))),
        }
    }

    pub(super) fn host(&self, id: HostId) -> WorldHost {
        WorldHost {
            world: self.state.clone(),
            id,
        }
    }

    /// Returns the settings of the loop of a host.
    pub(super) fn loop_settings(&self, id: HostId) -> Builder {
        let mut builder = Builder::default().drain_limit(super::super::DRAIN_LIMIT);
        if let Some(seed) = &self.settings.seed {
            builder = builder.seed(seed.clone());
        }
        if let Some(trace) = &self.settings.trace {
            builder = builder.observer(trace.observer(self.name(id)));
        }
        builder
    }

    fn is_awaited(&self) -> bool {
        self.machines.borrow().iter().any(Machine::is_awaited)
    }

    /// Returns whether a host whose program the world waits for has crashed, and the script may restart it.
    fn may_restart(&self) -> bool {
        !self.script.borrow().is_empty() && self.machines.borrow().iter().any(Machine::has_crashed)
    }

    /// Moves time to the next instant at which something happens.
    #[track_caller]
    fn move_time(&self) {
        let machines = self.machines.borrow();
        let running = machines.iter().filter_map(|it| it.running.as_ref());
        let timers = running.filter_map(Running::next_at);
        let script = self.script.borrow();
        let actions = script.first_key_value().map(|((at, _), _)| *at);
        let packets = self.state.next_packet();
        let Some(next) = timers.chain(actions).chain(packets).min() else {
            drop(script);
            drop(machines);
            self.fail_with_report("no program can continue: see what each waits for");
        };
        if next > self.settings.time_limit {
            drop(script);
            drop(machines);
            let limit = self.settings.time_limit;
            self.fail_with_report(&format!(
                "the limit of {limit:?} of virtual time is exceeded: end the program, or raise \
                 `WorldBuilder::time_limit`"
            ));
        }
        self.state.move_time(next);
    }

    #[track_caller]
    fn fail_with_report(&self, what: &str) -> ! {
        let mut text = what.to_owned();
        let machines = self.machines.borrow();
        for (number, machine) in machines.iter().enumerate() {
            if let Some(running) = &machine.running {
                let (name, report) = (self.name(HostId(number)), running.event_loop.why_alive());
                let _ = write!(text, "\nhost \"{name}\": {report}");
            }
        }
        drop(machines);
        self.fail(&text)
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!(
            "at {:?} of the world: {what}\n{}",
            self.state.now(),
            self.log
        )
    }
}
