//! Promises, their rejections and their combinators (R13–R18, R42–R50).

use super::tasks::{How, Kind, TaskId};
use super::{Model, Panic, pick};
use crate::program::*;
use crate::value::{Value, panic_text};

pub(super) type PromiseId = usize;

#[derive(Debug, Clone)]
pub(super) enum Failure {
    Error(Value),
    Panicked(Panic),
    Aborted,
    SelfResolution,
}

pub(super) type Settlement = Result<Value, Failure>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tracking {
    Untracked,
    Fresh,
    Reported,
}

/// What an abort stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettledBy {
    Nothing,
    Resolver,
    Task(TaskId),
}

pub(super) struct Promise {
    pub(super) settlement: Option<Settlement>,
    /// What is notified when it settles, in order.
    pub(super) reactions: Vec<Reaction>,
    pub(super) settled_by: SettledBy,
    pub(super) abort_requested: bool,
    pub(super) tracking: Tracking,
    is_resolved: bool,
    handled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    Wake(TaskId),
    /// The end of a task of this group.
    Group(usize),
}

pub(super) struct Combination {
    combinator: Combinator,
    result: PromiseId,
    members: Vec<PromiseId>,
    parts: Vec<Option<Value>>,
}

impl Failure {
    pub(super) fn value(&self) -> Value {
        match self {
            Failure::Error(value) => value.clone(),
            Failure::Panicked(panic) => Value::Panicked(panic_text(*panic)),
            Failure::Aborted => Value::Aborted,
            Failure::SelfResolution => Value::SelfResolution,
        }
    }
}

impl Model {
    /// A promise that a resolver settles.
    pub(super) fn new_promise(&mut self) -> PromiseId {
        self.new_promise_of(SettledBy::Resolver)
    }

    pub(super) fn new_promise_of(&mut self, settled_by: SettledBy) -> PromiseId {
        self.promises.push(Promise {
            settlement: None,
            reactions: Vec::new(),
            settled_by,
            abort_requested: false,
            tracking: Tracking::Untracked,
            is_resolved: false,
            handled: false,
        });
        self.promises.len() - 1
    }

    pub(super) fn new_settled(&mut self, is_ok: bool) {
        let promise = self.new_promise();
        let value = Value::Int(self.new_id());
        self.settle(
            promise,
            if is_ok {
                Ok(value)
            } else {
                Err(Failure::Error(value))
            },
        );
        self.promise_table.push(promise);
    }

    pub(super) fn resolve(&mut self, index: Index, is_ok: bool) {
        if let Some(promise) = pick(&self.resolver_table, index) {
            let value = Value::Int(self.new_id());
            self.conclude(
                promise,
                if is_ok {
                    Ok(value)
                } else {
                    Err(Failure::Error(value))
                },
            );
        }
    }

    /// R44: only the first call counts.
    pub(super) fn conclude(&mut self, promise: PromiseId, settlement: Settlement) {
        if !std::mem::replace(&mut self.promises[promise].is_resolved, true) {
            self.settle(promise, settlement);
        }
    }

    pub(super) fn resolve_with(&mut self, promise: PromiseId, source: PromiseId) {
        if !std::mem::replace(&mut self.promises[promise].is_resolved, true) {
            self.follow(promise, source);
        }
    }

    /// R43, R44.
    pub(super) fn follow(&mut self, promise: PromiseId, source: PromiseId) {
        if promise == source {
            return self.settle(promise, Err(Failure::SelfResolution));
        }
        self.promises[promise].settled_by = SettledBy::Nothing;
        self.start(promise, Kind::Reaction(source, How::PassOn), true);
    }

    pub(super) fn settle(&mut self, id: PromiseId, settlement: Settlement) {
        let promise = &mut self.promises[id];
        if promise.settlement.is_some() {
            return;
        }
        let is_rejected = !matches!(settlement, Ok(_) | Err(Failure::Aborted));
        promise.settlement = Some(settlement);
        promise.settled_by = SettledBy::Nothing;
        let reactions = std::mem::take(&mut promise.reactions);
        if is_rejected {
            self.track(id);
        }
        for reaction in reactions {
            match reaction {
                Reaction::Wake(task) => self.wake(task), // R13
                Reaction::Group(group) => self.task_ended(group, id),
            }
        }
    }

    pub(super) fn settlement(&self, promise: PromiseId) -> Settlement {
        let settlement = self.promises[promise].settlement.clone();
        settlement.expect("it has settled")
    }

    pub(super) fn is_settled(&self, promise: PromiseId) -> bool {
        self.promises[promise].settlement.is_some()
    }

    fn track(&mut self, id: PromiseId) {
        let promise = &mut self.promises[id];
        if !promise.handled {
            promise.tracking = Tracking::Fresh;
            self.fresh.push(id);
        }
    }

    /// R17.
    pub(super) fn mark_handled(&mut self, id: PromiseId) {
        let promise = &mut self.promises[id];
        if std::mem::replace(&mut promise.handled, true) {
            return;
        }
        match std::mem::replace(&mut promise.tracking, Tracking::Untracked) {
            Tracking::Untracked => {}
            Tracking::Fresh if self.has_fresh_rejections() => {}
            Tracking::Fresh => self.fresh.clear(),
            Tracking::Reported => self.late.push_back(id),
        }
    }

    /// The group that would have returned a panic does not return it.
    pub(super) fn mark_unhandled(&mut self, id: PromiseId) {
        let promise = &mut self.promises[id];
        promise.handled = false;
        let panicked = matches!(promise.settlement, Some(Err(Failure::Panicked(_))));
        if panicked && promise.tracking == Tracking::Untracked {
            self.track(id);
        }
    }

    pub(super) fn has_fresh_rejections(&self) -> bool {
        let is_fresh = |id: &PromiseId| self.promises[*id].tracking == Tracking::Fresh;
        self.fresh.iter().any(is_fresh)
    }

    /// Takes the rejections of a round, each once.
    pub(super) fn take_rejections(&mut self) -> Vec<PromiseId> {
        let mut round = std::mem::take(&mut self.fresh);
        round.retain(|id| {
            let tracking = &mut self.promises[*id].tracking;
            std::mem::replace(tracking, Tracking::Untracked) == Tracking::Fresh
        });
        round
    }

    pub(super) fn reason_of(&self, promise: PromiseId) -> Value {
        match self.settlement(promise) {
            Err(failure) => failure.value(),
            Ok(_) => unreachable!("it was rejected"),
        }
    }

    pub(super) fn abort_promise(&mut self, id: PromiseId) {
        let promise = &mut self.promises[id];
        if promise.settlement.is_some() || std::mem::replace(&mut promise.abort_requested, true) {
            return;
        }
        match promise.settled_by {
            SettledBy::Nothing => {}
            SettledBy::Resolver => self.settle(id, Err(Failure::Aborted)),
            SettledBy::Task(task) => self.wake(task),
        }
    }

    pub(super) fn then(
        &mut self,
        source: PromiseId,
        on_ok: Option<&Handler>,
        on_err: Option<&Handler>,
        any: bool,
    ) {
        let on_ok = on_ok.map(|handler| self.handler("then", handler));
        let on_err = on_err.map(|handler| self.handler("catch", handler));
        self.react(source, How::Then { on_ok, on_err, any });
    }

    pub(super) fn finally(&mut self, source: PromiseId, handler: &Handler) {
        let handler = self.handler("finally", handler);
        self.react(source, How::Finally(handler));
    }

    fn handler(&mut self, label: &str, handler: &Handler) -> (String, Handler) {
        (format!("{label}{}", self.new_id()), handler.clone())
    }

    fn react(&mut self, source: PromiseId, how: How) {
        let derived = self.new_promise_of(SettledBy::Nothing);
        self.start(derived, Kind::Reaction(source, how), false);
        self.promise_table.push(derived);
    }

    /// R48, R49.
    pub(super) fn combine(&mut self, combinator: Combinator, members: &[Index]) {
        let members = members.iter().take(4);
        let members: Vec<PromiseId> = members
            .filter_map(|index| pick(&self.promise_table, *index))
            .collect();
        let result = self.new_promise();
        self.combinations.push(Combination {
            combinator,
            result,
            parts: vec![None; members.len()],
            members: members.clone(),
        });
        let combination = self.combinations.len() - 1;
        if members.is_empty() {
            self.complete(combination);
        }
        for (index, member) in members.into_iter().enumerate() {
            let observer = self.new_promise_of(SettledBy::Nothing);
            let how = How::Observe(combination, index);
            self.start(observer, Kind::Reaction(member, how), false);
        }
        self.promise_table.push(result);
    }

    /// A member of a combination has settled.
    pub(super) fn observe(&mut self, combination: usize, index: usize, settlement: Settlement) {
        let this = &mut self.combinations[combination];
        let result = this.result;
        let part = match (this.combinator, settlement) {
            (Combinator::All, Ok(value)) => value,
            (Combinator::AllSettled, Ok(value)) => Value::Ok(Box::new(value)),
            (Combinator::AllSettled, Err(failure)) => Value::Err(Box::new(failure.value())),
            (Combinator::Any | Combinator::AnyAndAbort, Err(failure)) => failure.value(),
            (combinator, settlement) => {
                self.conclude(result, settlement);
                if matches!(
                    combinator,
                    Combinator::RaceAndAbort | Combinator::AnyAndAbort
                ) {
                    for member in self.combinations[combination].members.clone() {
                        self.abort_promise(member);
                    }
                }
                return;
            }
        };
        this.parts[index] = Some(part);
        if this.parts.iter().all(Option::is_some) {
            self.complete(combination);
        }
    }

    fn complete(&mut self, combination: usize) {
        let this = &self.combinations[combination];
        let parts = this.parts.iter().flatten().cloned().collect();
        let settlement = match this.combinator {
            Combinator::All | Combinator::AllSettled => Ok(Value::list(parts)),
            Combinator::Any | Combinator::AnyAndAbort => {
                Err(Failure::Error(Value::aggregate(parts)))
            }
            Combinator::Race | Combinator::RaceAndAbort => return, // R49: pending forever
        };
        self.conclude(this.result, settlement);
    }
}
