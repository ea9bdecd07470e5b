//! Tasks: what waits for something and then settles a promise (R41, R45–R47); groups of tasks.

use std::collections::VecDeque;

use super::promises::{Failure, PromiseId, Reaction, SettledBy, Settlement};
use super::{Model, Panic, Work, pick};
use crate::program::End as Ending;
use crate::program::{Delay, GroupOp, Handler, Index, Step, Task, TimerKind};
use crate::value::Value;

pub(super) type TaskId = usize;

pub(super) struct Running {
    kind: Kind,
    /// What it settles.
    promise: PromiseId,
    status: Status,
    wait: Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Waiting,
    Queued,
    /// It runs, and has been woken meanwhile or not.
    Runs {
        woken: bool,
    },
    Done,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Awaits a promise and then acts on its settlement.
    Reaction(PromiseId, How),
    Steps(Steps),
}

type NamedHandler = (String, Handler);

#[derive(Debug, Clone)]
pub(super) enum How {
    PassOn,
    Then {
        on_ok: Option<NamedHandler>,
        on_err: Option<NamedHandler>,
        any: bool,
    },
    Finally(NamedHandler),
    /// The handler of `finally` has ended: the settlement that is passed on.
    Keep(Settlement),
    Observe(usize, usize),
}

#[derive(Debug, Clone)]
pub(super) struct Steps {
    label: String,
    task: Task,
    started: bool,
    next: usize,
    to: To,
}

/// Where the result of a task goes.
#[derive(Debug, Clone, Copy)]
enum To {
    Promise,
    /// It resolves another promise, with a third one if it succeeds.
    Resolver(PromiseId, Index),
    Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Nothing,
    Promise(PromiseId),
    /// The turn that a promise costs which has settled.
    Settled(PromiseId),
    /// The turn of [`Step::Ready`].
    Turn,
    Timer(usize),
    Immediate(usize),
    Signal {
        signal: usize,
        listener: Option<u32>,
        sleep: Option<usize>,
    },
    Group(usize),
}

/// What a task that has ended does to its promise.
enum End {
    Settle(Settlement),
    Follow(PromiseId),
}

enum Polled {
    Pending,
    Ready(End),
}

#[derive(Default)]
pub(super) struct Group {
    running: Vec<PromiseId>,
    finished: VecDeque<PromiseId>,
    joiner: Joiner,
    /// Something else has it at the moment, or it was dropped.
    is_away: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Joiner {
    #[default]
    NotPolled,
    Waiting(TaskId),
    TurnQueued,
}

impl Model {
    /// R46: runs it up to its first wait, unless it is lazy.
    pub(super) fn start(&mut self, promise: PromiseId, kind: Kind, lazy: bool) {
        let wait = Wait::Nothing;
        let status = Status::Queued;
        self.tasks.push(Running {
            kind,
            promise,
            status,
            wait,
        });
        let task = self.tasks.len() - 1;
        match lazy {
            true => self.microtasks.push_back(Work::Task(task)),
            false => self.run_task(task),
        }
    }

    pub(super) fn wake(&mut self, task: TaskId) {
        match &mut self.tasks[task].status {
            Status::Waiting => {
                self.tasks[task].status = Status::Queued;
                self.microtasks.push_back(Work::Task(task));
            }
            Status::Runs { woken } => *woken = true,
            Status::Queued | Status::Done => {}
        }
    }

    pub(super) fn run_task(&mut self, task: TaskId) {
        self.tasks[task].status = Status::Runs { woken: false };
        let promise = self.tasks[task].promise;
        let aborted = |model: &Model| model.promises[promise].abort_requested;
        let end = match aborted(self) {
            true => Err(Failure::Aborted),
            false => match self.poll(task) {
                Ok(Polled::Ready(end)) => Ok(end),
                Ok(Polled::Pending) if aborted(self) => Err(Failure::Aborted),
                Ok(Polled::Pending) => return self.suspend(task),
                Err(panic) => Err(Failure::Panicked(panic)),
            },
        };
        self.stop_waiting(task);
        self.tasks[task].status = Status::Done;
        self.promises[promise].settled_by = SettledBy::Nothing;
        match end {
            Ok(End::Settle(settlement)) => self.settle(promise, settlement),
            Ok(End::Follow(source)) => self.follow(promise, source),
            Err(failure) => self.settle(promise, Err(failure)),
        }
    }

    fn suspend(&mut self, task: TaskId) {
        let promise = &mut self.promises[self.tasks[task].promise];
        promise.settled_by = SettledBy::Task(task);
        let woken = self.tasks[task].status == Status::Runs { woken: true };
        self.tasks[task].status = Status::Waiting;
        if woken {
            self.wake(task);
        }
    }

    /// Drops what the task waits for.
    fn stop_waiting(&mut self, task: TaskId) {
        match std::mem::replace(&mut self.tasks[task].wait, Wait::Nothing) {
            Wait::Nothing | Wait::Settled(_) | Wait::Turn => {}
            Wait::Promise(promise) => {
                let own = Reaction::Wake(task);
                self.promises[promise].reactions.retain(|it| *it != own);
            }
            Wait::Timer(timer) => self.clear_timer(timer),
            Wait::Immediate(immediate) => self.clear_immediate(immediate),
            Wait::Signal {
                signal,
                listener,
                sleep,
            } => {
                if let Some(timer) = sleep {
                    self.clear_timer(timer);
                }
                if let Some(listener) = listener {
                    self.remove_abort_listener(signal, listener);
                }
            }
            Wait::Group(group) => self.drop_group(group),
        }
    }

    fn poll(&mut self, task: TaskId) -> Result<Polled, Panic> {
        match self.tasks[task].kind.clone() {
            Kind::Reaction(source, how) => {
                if self.tasks[task].wait == Wait::Nothing {
                    self.wait_for(task, source);
                    return Ok(Polled::Pending);
                }
                let settlement = self.settlement(source);
                self.react_to(settlement, how).map(Polled::Ready)
            }
            Kind::Steps(steps) => self.poll_steps(task, steps),
        }
    }

    /// R17, R45.
    fn wait_for(&mut self, task: TaskId, promise: PromiseId) {
        self.mark_handled(promise);
        if self.is_settled(promise) {
            self.tasks[task].wait = Wait::Settled(promise);
            return self.wake(task);
        }
        self.tasks[task].wait = Wait::Promise(promise);
        self.promises[promise].reactions.push(Reaction::Wake(task));
    }

    /// R42, R47.
    fn react_to(&mut self, settlement: Settlement, how: How) -> Result<End, Panic> {
        let (handler, argument) = match (how, settlement) {
            (How::PassOn, settlement) => return Ok(End::Settle(settlement)),
            (How::Keep(_), Err(failure)) => return Ok(End::Settle(Err(failure))),
            (How::Keep(original), Ok(_)) => return Ok(End::Settle(original)),
            (How::Observe(combination, index), settlement) => {
                self.observe(combination, index, settlement);
                return Ok(End::Settle(Ok(Value::Int(0))));
            }
            (How::Finally(handler), settlement) => {
                let kept = match self.handle(handler, None)? {
                    End::Settle(Err(failure)) => return Ok(End::Settle(Err(failure))),
                    End::Settle(Ok(_)) => {
                        let kept = self.new_promise_of(SettledBy::Nothing);
                        self.settle(kept, settlement);
                        kept
                    }
                    End::Follow(source) => {
                        let kept = self.new_promise_of(SettledBy::Nothing);
                        let how = How::Keep(settlement);
                        self.start(kept, Kind::Reaction(source, how), false);
                        kept
                    }
                };
                return Ok(End::Follow(kept));
            }
            (How::Then { on_ok, .. }, Ok(value)) => match on_ok {
                Some(handler) => (handler, value),
                None => return Ok(End::Settle(Ok(value))),
            },
            (How::Then { on_err, any, .. }, Err(failure)) => {
                if !any && !matches!(failure, Failure::Error(_)) {
                    return Ok(End::Settle(Err(failure)));
                }
                match on_err {
                    Some(handler) => (handler, failure.value()),
                    None => return Ok(End::Settle(Err(Failure::Error(failure.value())))),
                }
            }
        };
        self.handle(handler, Some(argument))
    }

    fn handle(&mut self, handler: NamedHandler, argument: Option<Value>) -> Result<End, Panic> {
        let (label, handler) = handler;
        match argument {
            Some(value) => self.log(format!("{label} {value}")),
            None => self.log(label),
        }
        self.body(&handler.body)?;
        if let Ending::Follow(index) = handler.end
            && let Some(promise) = pick(&self.promise_table, index)
        {
            return Ok(End::Follow(promise));
        }
        self.end_of(handler.end).map(End::Settle)
    }

    fn end_of(&mut self, end: Ending) -> Result<Settlement, Panic> {
        let id = self.new_id();
        match end {
            Ending::Value | Ending::Follow(_) => Ok(Ok(Value::Int(id))),
            Ending::Throw => Ok(Err(Failure::Error(Value::Int(id)))),
            Ending::Panic if self.is_calm => Ok(Ok(Value::Int(id))),
            Ending::Panic => Err(id),
        }
    }

    fn steps(&mut self, task: &Task, to: To) -> Kind {
        Kind::Steps(Steps {
            label: format!("task{}", self.new_id()),
            task: task.clone(),
            started: false,
            next: 0,
            to,
        })
    }

    pub(super) fn spawn(&mut self, task: &Task) {
        if let Ending::Follow(index) = task.end {
            let resolved = self.new_promise();
            self.promise_table.push(resolved);
            let steps = self.steps(task, To::Resolver(resolved, index));
            let promise = self.new_promise_of(SettledBy::Nothing);
            return self.start(promise, steps, task.lazy);
        }
        let steps = self.steps(task, To::Promise);
        let promise = self.new_promise_of(SettledBy::Nothing);
        self.start(promise, steps, task.lazy);
        self.promise_table.push(promise);
    }

    fn poll_steps(&mut self, task: TaskId, mut steps: Steps) -> Result<Polled, Panic> {
        if !std::mem::replace(&mut steps.started, true) {
            self.log(format!("{} at {}", steps.label, self.now_ms));
        }
        let mut result = Ok(());
        while let Some(step) = steps.task.steps.get(steps.next).cloned() {
            if let Step::Do(op) = step {
                self.op(&op)?;
            } else if self.tasks[task].wait != Wait::Nothing {
                match self.end_wait(task, &steps.label, &step) {
                    None => return Ok(Polled::Pending),
                    Some(ended) => result = ended,
                }
            } else if self.burn() && self.begin_wait(task, &steps.label, &step) {
                self.tasks[task].kind = Kind::Steps(steps);
                return Ok(Polled::Pending);
            }
            if result.is_err() {
                break;
            }
            steps.next += 1;
        }
        let settlement = match result {
            Ok(()) => self.end_of(steps.task.end)?,
            Err(value) => Err(Failure::Error(value)),
        };
        Ok(Polled::Ready(End::Settle(match steps.to {
            To::Promise => settlement,
            To::Group => Ok(match settlement {
                Ok(value) => value,
                Err(failure) => Value::Err(Box::new(failure.value())),
            }),
            To::Resolver(promise, index) => {
                match pick(&self.promise_table, index) {
                    Some(source) if settlement.is_ok() => self.resolve_with(promise, source),
                    _ => self.conclude(promise, settlement),
                }
                Ok(Value::Int(0))
            }
        })))
    }

    /// Begins a step that waits. Returns false if there is nothing to wait for.
    fn begin_wait(&mut self, task: TaskId, label: &str, step: &Step) -> bool {
        match step {
            Step::Do(_) => unreachable!("it does not wait"),
            Step::Await { promise, .. } => match pick(&self.promise_table, *promise) {
                Some(promise) => self.wait_for(task, promise),
                None => return false,
            },
            Step::Ready => {
                self.tasks[task].wait = Wait::Turn;
                self.wake(task);
            }
            Step::Sleep(delay) => {
                let timer = self.arm(TimerKind::Once, delay.short().ms(), Work::Wake(task));
                self.tasks[task].wait = Wait::Timer(timer);
            }
            Step::Yield => {
                let immediate = self.push_immediate(Work::Wake(task));
                self.tasks[task].wait = Wait::Immediate(immediate);
            }
            Step::Aborted(index) => return self.wait_for_abort(task, *index, None),
            Step::SleepWithSignal(delay, index) => {
                return self.wait_for_abort(task, *index, Some(*delay));
            }
            Step::Join(index) => {
                let Some(group) = self.take_group(*index) else {
                    return false;
                };
                if !self.poll_group(task, group) {
                    self.tasks[task].wait = Wait::Group(group);
                    return true;
                }
                self.joined(label, group);
                return false;
            }
        }
        true
    }

    fn wait_for_abort(&mut self, task: TaskId, index: Index, sleep: Option<Delay>) -> bool {
        if self.signals.is_empty() {
            return false;
        }
        let signal = usize::from(index) % self.signals.len();
        let mut sleep =
            sleep.map(|delay| self.arm(TimerKind::Once, delay.short().ms(), Work::Wake(task)));
        let mut listener = None;
        if self.signals[signal].is_aborted() {
            sleep
                .take()
                .into_iter()
                .for_each(|timer| self.clear_timer(timer));
            self.wake(task);
        } else {
            listener = Some(self.add_abort_listener(signal, super::signals::OnAbort::Wake(task)));
        }
        self.tasks[task].wait = Wait::Signal {
            signal,
            listener,
            sleep,
        };
        true
    }

    /// Ends a step that waited. Returns `None` if it still waits.
    fn end_wait(&mut self, task: TaskId, label: &str, step: &Step) -> Option<Result<(), Value>> {
        let wait = self.tasks[task].wait;
        match (step, wait) {
            (Step::Await { caught, .. }, Wait::Promise(promise) | Wait::Settled(promise)) => {
                self.tasks[task].wait = Wait::Nothing;
                match self.settlement(promise) {
                    Ok(value) => self.log(format!("{label} awaited {value}")),
                    Err(failure) if *caught => {
                        self.log(format!("{label} caught {}", failure.value()));
                    }
                    Err(failure) => return Some(Err(failure.value())),
                }
            }
            (Step::Sleep(_), _) => self.log(format!("{label} slept until {}", self.now_ms)),
            (Step::Yield, _) => self.log(format!("{label} yielded until {}", self.now_ms)),
            (Step::Ready, _) => self.log(format!("{label} ready")),
            (Step::Aborted(_), Wait::Signal { signal, .. }) => {
                let is_timeout = self.signals[signal].is_timeout();
                self.log(format!("{label} timeout {is_timeout}"));
            }
            (Step::SleepWithSignal(..), Wait::Signal { signal, .. }) => {
                let slept = !self.signals[signal].is_aborted();
                self.stop_waiting(task);
                self.log(format!("{label} slept {slept} until {}", self.now_ms));
            }
            (Step::Join(_), Wait::Group(group)) => {
                if !self.poll_group(task, group) {
                    return None;
                }
                self.joined(label, group);
            }
            _ => unreachable!("{step:?} does not wait like this"),
        }
        self.tasks[task].wait = Wait::Nothing;
        Some(Ok(()))
    }

    fn take_group(&mut self, index: Index) -> Option<usize> {
        let count = self.groups.len();
        let group = (count > 0).then(|| usize::from(index) % count)?;
        (!std::mem::replace(&mut self.groups[group].is_away, true)).then_some(group)
    }

    pub(super) fn spawn_in(&mut self, index: Index, task: &Task) {
        let Some(group) = self.take_group(index) else {
            return;
        };
        let steps = self.steps(task, To::Group);
        let promise = self.new_promise_of(SettledBy::Nothing);
        self.start(promise, steps, task.lazy);
        self.groups[group].running.push(promise);
        match self.is_settled(promise) {
            true => self.task_ended(group, promise),
            false => self.promises[promise]
                .reactions
                .push(Reaction::Group(group)),
        }
        self.groups[group].is_away = false;
    }

    pub(super) fn task_ended(&mut self, group: usize, promise: PromiseId) {
        let running = &mut self.groups[group].running;
        let Some(index) = running.iter().position(|id| *id == promise) else {
            return; // detached
        };
        running.remove(index);
        self.mark_handled(promise);
        let group = &mut self.groups[group];
        group.finished.push_back(promise);
        if let Joiner::Waiting(task) = group.joiner {
            group.joiner = Joiner::TurnQueued;
            self.wake(task);
        }
    }

    /// Returns whether the next join is ready: one turn after a task has ended.
    fn poll_group(&mut self, task: TaskId, id: usize) -> bool {
        let group = &mut self.groups[id];
        let is_ready = match (group.finished.is_empty(), group.joiner) {
            (false, Joiner::NotPolled) => {
                group.joiner = Joiner::TurnQueued;
                self.wake(task);
                return false;
            }
            (false, _) => true,
            (true, _) => group.running.is_empty(),
        };
        group.joiner = match is_ready {
            true => Joiner::NotPolled,
            false => Joiner::Waiting(task),
        };
        is_ready
    }

    fn joined(&mut self, label: &str, id: usize) {
        self.groups[id].is_away = false;
        let value = match self.groups[id].finished.pop_front() {
            None => "none".to_owned(),
            Some(promise) => match self.settlement(promise) {
                Ok(value) => value.to_string(),
                Err(failure) => failure.value().to_string(),
            },
        };
        self.log(format!("{label} joined {value}"));
    }

    pub(super) fn on_group(&mut self, op: GroupOp, index: Index) {
        let Some(group) = self.take_group(index) else {
            return;
        };
        match op {
            GroupOp::TryJoin => self.joined("main", group),
            GroupOp::AbortAll => self.abort_group(group),
            GroupOp::DetachAll => {
                self.groups[group].running.clear();
                self.drop_finished(group);
            }
            GroupOp::Drop => return self.drop_group(group),
        }
        self.groups[group].is_away = false;
    }

    fn abort_group(&mut self, group: usize) {
        for promise in self.groups[group].running.clone() {
            self.abort_promise(promise);
        }
    }

    fn drop_group(&mut self, group: usize) {
        let running = std::mem::take(&mut self.groups[group].running);
        for promise in running {
            self.abort_promise(promise);
        }
        self.drop_finished(group);
    }

    fn drop_finished(&mut self, group: usize) {
        for promise in std::mem::take(&mut self.groups[group].finished) {
            self.mark_unhandled(promise);
        }
    }
}
