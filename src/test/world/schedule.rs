//! The scheduler: which host runs next, and when time moves.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::super::log::short;
use super::super::report::refuse_loop;
use super::failure::Failure;
use super::machine::{Machine, Power, Running};
use super::{Inner, Stage, World};
use crate::phases::macrotask::SourceLocation;
use crate::promise::PromiseError;
use crate::reactor::world::{HostId, OnSpawn, Source, WorldHost};
use crate::runtime::{Builder, EventLoop, RunError};

/// The most rounds of turns without time passing.
const MOST_ROUNDS: u64 = 100_000;

impl World {
    /// Runs the world until every program of [`Host::run`](super::Host::run) has ended, and everything
    /// that is due at that instant has run. A program that crashes and is not restarted counts as ended.
    ///
    /// The programs of [`Host::serve`](super::Host::serve) are cancelled then: their loops are dropped. A
    /// world runs once; its log, its faults and its disks can still be read afterwards.
    ///
    /// # Panics
    ///
    /// Panics if a program fails, with its own panic or with the text of its error; if it calls
    /// [`exit`](crate::exit) with another code than 0, or a listener of its end panics; if no program can
    /// continue, with a report of what each waits for; if a program always has something to do, such as an
    /// immediate that queues the next one, so that no time passes for 100,000 rounds; if the limit of
    /// virtual time is exceeded; if there is no program of `Host::run`; if an action of the script or a
    /// fault has not happened, unless that is
    /// [permitted](super::WorldBuilder::permit_unfired_faults); if the world has run already; and if a
    /// loop is running on this thread. Each failure prints the virtual time, the seed and the log; that of
    /// a panic is printed to the standard error.
    #[track_caller]
    pub fn run(&self) {
        self.begin();
        let result = self.drive().and_then(|()| self.check_end());
        let log = result.is_err().then(|| self.inner.log.to_string());
        self.inner.finish();
        if let Err(failure) = result {
            self.report(failure, &log.unwrap_or_default());
        }
    }

    #[track_caller]
    fn begin(&self) {
        refuse_loop("World::run");
        match self.inner.stage.replace(Stage::Running) {
            Stage::New => {}
            Stage::Running => {
                panic!("the world runs already: an action of its script can't run it")
            }
            Stage::Ended => {
                self.inner.stage.set(Stage::Ended);
                panic!("the world has ended: create a new one for another run");
            }
        }
    }

    fn drive(&self) -> Result<(), Failure> {
        let mut rounds: u64 = 0;
        loop {
            rounds += 1;
            if rounds > MOST_ROUNDS {
                return Err(self.inner.failure_with_report(
                    "the hosts always have something to do, so that no time passes: wait with `sleep` \
                     instead of `yield_now`",
                ));
            }
            self.inner.switch_machines(self)?;
            let has_acted = self.run_due_actions()?;
            let has_arrived = self.inner.state.run_due_packets();
            if has_acted || has_arrived || self.run_turns()? {
                continue;
            }
            if !self.inner.is_awaited() && !self.inner.may_restart() {
                return Ok(());
            }
            self.inner.move_time()?;
            rounds = 0;
        }
    }

    /// Fails if the world has waited for nothing, or has ended before its script or without a fault that
    /// was configured.
    fn check_end(&self) -> Result<(), Failure> {
        let has_waited = self.inner.machines.borrow().iter().any(Machine::is_waited);
        if !has_waited {
            let text = "no program of `Host::run`: the world has nothing to wait for; start at least one \
                        program with `run`, because `serve` is not waited for";
            return Err(Failure::Text(text.to_owned()));
        }
        if self.inner.settings.is_explored {
            self.inner.outcomes.replace(self.inner.all_outcomes());
            return Ok(());
        }
        if self.inner.settings.permits_unfired {
            return Ok(());
        }
        if let Some(((at, _), action)) = self.inner.script.borrow().first_key_value() {
            let (now, place) = (self.now(), short(action.location));
            return Err(Failure::Text(format!(
                "the world ended at {now:?}, before the action of the script at {at:?} ({place}): let a \
                 program of `Host::run` last longer, or call `WorldBuilder::permit_unfired_faults`"
            )));
        }
        let unfired = self.inner.unfired_faults();
        if unfired.is_empty() {
            return Ok(());
        }
        Err(Failure::Text(format!(
            "faults were configured and never happened, so that the test did not test them: {}; make them \
             happen, or call `WorldBuilder::permit_unfired_faults`",
            unfired.join(", ")
        )))
    }

    /// Calls the actions of the script that are due. Returns whether there were any.
    fn run_due_actions(&self) -> Result<bool, Failure> {
        let mut has_run = false;
        let next = || {
            let mut script = self.inner.script.borrow_mut();
            let first = script.first_entry()?;
            (first.key().0 <= self.now()).then(|| first.remove())
        };
        while let Some(action) = next() {
            let location = action.location;
            let acted = (action.when, location);
            self.inner.acted.borrow_mut().push(acted);
            let call = AssertUnwindSafe(|| (action.call)(self));
            catch_unwind(call).map_err(|payload| {
                let who = format!("the action of the script ({})", short(location));
                Failure::Panic(who, payload)
            })?;
            self.inner.switch_machines(self)?;
            has_run = true;
        }
        Ok(has_run)
    }

    /// Runs one turn of each host that has something to do, in order. Returns whether there were any.
    fn run_turns(&self) -> Result<bool, Failure> {
        let (mut has_run, now) = (false, self.now());
        let mut left: Vec<HostId> = (0..self.inner.state.host_count()).map(HostId).collect();
        while let Some(id) = self.inner.next_host(&mut left, now) {
            let Some(mut running) = self.inner.with(id, |machine| machine.running.take()) else {
                continue;
            };
            has_run = true;
            let result = running.turn();
            self.after(id, running, result)?;
            self.inner.switch_machines(self)?;
        }
        Ok(has_run)
    }

    /// Puts the loop of a host back, or ends its program.
    fn after(
        &self,
        id: HostId,
        mut running: Running,
        result: Result<(), RunError>,
    ) -> Result<(), Failure> {
        let name = self.inner.name(id);
        let has_exited = match result.and_then(|()| running.has_ended()) {
            Ok(false) => {
                self.inner
                    .with(id, |machine| machine.running = Some(running));
                return Ok(());
            }
            Ok(true) => false,
            Err(RunError::Exit(0)) => true,
            Err(error) => return Err(Failure::of_loop(&name, error)),
        };
        match running.outcome.take() {
            Some(Ok(Err(error))) => {
                let text = format!("the program of host \"{name}\" has failed: {error}");
                return Err(Failure::Text(text));
            }
            Some(Err(PromiseError::Panicked(payload))) => {
                let who = format!("host \"{name}\"");
                return Err(Failure::Panic(who, payload.into_inner()));
            }
            _ => {}
        }
        // `exit` has called the listeners itself.
        match running.emit_exit(has_exited) {
            Ok(()) | Err(RunError::Exit(0)) => {}
            Err(error) => return Err(Failure::of_loop(&name, error)),
        }
        self.inner.with(id, Machine::end);
        Ok(())
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

    /// Returns whether the program has failed, or has finished and nothing keeps the loop alive, even after
    /// the `before_exit` listeners (R2).
    #[track_caller]
    fn has_ended(&mut self) -> Result<bool, RunError> {
        let has_failed = match self.outcome() {
            None => return Ok(false),
            Some(outcome) => !matches!(outcome, Ok(Ok(()))),
        };
        if has_failed || self.event_loop.state().is_alive() {
            return Ok(has_failed);
        }
        let before_exit = |event_loop: &mut EventLoop| event_loop.runner().emit_before_exit();
        self.event_loop.hosted("World::run", before_exit)?;
        Ok(!self.event_loop.state().is_alive())
    }

    /// Calls the `exit` listeners (R9), unless the program `has_exited`.
    #[track_caller]
    fn emit_exit(&mut self, has_exited: bool) -> Result<(), RunError> {
        if has_exited {
            return Ok(());
        }
        let emit = |event_loop: &mut EventLoop| {
            let runner = event_loop.runner();
            runner.emit_exit(runner.final_exit_code());
        };
        self.event_loop.hosted("World::run", emit)
    }
}

impl Inner {
    /// Removes the host that runs next from those that are left in this round: the first one that has
    /// something to do, unless a seed chooses another.
    fn next_host(&self, left: &mut Vec<HostId>, now: Duration) -> Option<HostId> {
        let has_work = |id: &HostId| {
            self.with(*id, |machine| {
                let running = machine.running.as_ref();
                running.is_some_and(|running| running.has_work(now))
            })
        };
        let first = left.iter().position(has_work)?;
        left.drain(..first); // their turn has passed
        if self.settings.seed.is_none() {
            return Some(left.remove(0));
        }
        let others = (1..left.len()).filter(|index| has_work(&left[*index]));
        let ready: Vec<usize> = std::iter::once(0).chain(others).collect();
        let name = |chosen: usize| self.name(left[ready[chosen]]);
        let turns = self.state.choices(Source::Turns);
        let chosen = turns.choose(ready.len(), |chosen| {
            format!("{} ran before {}", name(chosen), name(0))
        });
        Some(left.remove(ready[chosen]))
    }

    pub(super) fn with<R>(&self, id: HostId, call: impl FnOnce(&mut Machine) -> R) -> R {
        call(&mut self.machines.borrow_mut()[id.0])
    }

    pub(super) fn name(&self, id: HostId) -> String {
        self.state.with_host(id, |host| host.name.clone())
    }

    /// Crashes and starts the machines that have to be, in order.
    fn switch_machines(&self, world: &World) -> Result<(), Failure> {
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
                self.state.with_host(id, |host| host.disk.crash_in_world());
            }
            if self.with(id, |machine| machine.power) == Power::Starting {
                self.start(id, world)?;
            }
        }
        Ok(())
    }

    fn start(&self, id: HostId, world: &World) -> Result<(), Failure> {
        let program = self.with(id, |machine| {
            machine.power = Power::On;
            machine.program.clone()
        });
        let Some((_, program, location)) = program else {
            return Ok(());
        };
        self.state.with_network(|network| network.start(id));

        let event_loop = self
            .loop_settings(id)
            .host_of_world(self.host(id))
            .build_unhosted();
        let event_loop = event_loop.map_err(|error| {
            Failure::Text(format!("the loop of a host could not be built: {error}"))
        })?;
        match Running::start(event_loop, &program, location) {
            Ok(running) => world.after(id, running, Ok(())),
            Err(RunError::Exit(0)) => {
                self.with(id, Machine::end);
                Ok(())
            }
            Err(error) => Err(Failure::of_loop(&self.name(id), error)),
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

    /// Returns the faults that have never happened.
    fn unfired_faults(&self) -> Vec<String> {
        let faults = self
            .state
            .with_network(|network| network.faults.all().to_vec());
        let unfired = faults.iter().filter(|fault| fault.count == 0);
        let mut texts: Vec<String> = unfired.map(ToString::to_string).collect();
        for number in 0..self.state.host_count() {
            let id = HostId(number);
            let (name, disk) = (self.name(id), self.host(id).disk());
            let of_disk = disk.unfired_faults().into_iter();
            texts.extend(of_disk.map(|text| format!("the fault of the disk of {name}: {text}")));
            let of_children = self.children_outcomes(id).into_iter();
            texts.extend(of_children.filter_map(|(text, is_asked)| (!is_asked).then_some(text)));
        }
        texts
    }

    /// Returns each fault and each action of the script, without the time of a fault, with whether it has
    /// happened.
    fn all_outcomes(&self) -> Vec<(String, bool)> {
        let mut outcomes: Vec<(String, bool)> = self.state.with_network(|network| {
            let faults = network.faults.all().iter();
            faults.map(|it| (it.text.clone(), it.count > 0)).collect()
        });
        for number in 0..self.state.host_count() {
            let id = HostId(number);
            let of_disk = self.host(id).disk().fault_outcomes().into_iter();
            outcomes.extend(of_disk.map(|(text, has_happened)| {
                let text = format!("the fault of the disk of {}: {text}", self.name(id));
                (text, has_happened)
            }));
            outcomes.extend(self.children_outcomes(id));
        }
        let describe = |when: &str, place: SourceLocation| {
            format!("the action of the script {when} ({})", short(place))
        };
        for (when, place) in self.acted.borrow().iter() {
            outcomes.push((describe(when, place), true));
        }
        for action in self.script.borrow().values() {
            outcomes.push((describe(&action.when, action.location), false));
        }
        outcomes
    }

    /// Returns the functions of `on_spawn`, and whether each has been called.
    fn children_outcomes(&self, id: HostId) -> Vec<(String, bool)> {
        self.state.with_host(id, |host| {
            let describe = |it: &OnSpawn| {
                let place = short(it.location);
                let text = format!("a child of {}, for `on_spawn` ({place})", host.name);
                (text, it.is_asked)
            };
            host.on_spawn.iter().map(describe).collect()
        })
    }

    /// Drops what the programs have left, so that one that refers to its world does not keep it.
    fn finish(&self) {
        self.stage.set(Stage::Ended);
        for number in 0..self.state.host_count() {
            // Dropped after the borrow, because it calls user code.
            drop(self.with(HostId(number), std::mem::take));
        }
        drop(self.script.take());
    }

    /// Moves time to the next instant at which something happens.
    fn move_time(&self) -> Result<(), Failure> {
        let machines = self.machines.borrow();
        let running = machines.iter().filter_map(|it| it.running.as_ref());
        let timers = running.filter_map(Running::next_at);
        let script = self.script.borrow();
        let actions = script.first_key_value().map(|((at, _), _)| *at);
        let packets = self.state.next_packet();
        let Some(next) = timers.chain(actions).chain(packets).min() else {
            return Err(
                self.failure_with_report("no program can continue: see what each waits for")
            );
        };
        if next > self.settings.time_limit {
            let limit = self.settings.time_limit;
            return Err(self.failure_with_report(&format!(
                "the limit of {limit:?} of virtual time is exceeded: end the program, or raise \
                 `WorldBuilder::time_limit`"
            )));
        }
        self.state.move_time(next);
        Ok(())
    }
}
