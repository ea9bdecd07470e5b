//! Tasks, what they wait for, and groups of tasks.

use std::rc::Rc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use nodeloop::promise::{self, PromiseError, Rejected};
use nodeloop::{AbortExt, time};

use super::{Subject, panic_with, pick, reason};
use crate::program::*;
use crate::value::Value;

impl Subject {
    pub(super) fn spawn(self: &Rc<Self>, task: &Task) {
        if let End::Follow(index) = task.end {
            let (promise, resolver) = promise::try_with_resolver();
            self.keep(promise.shared());
            let (me, future) = (self.clone(), self.steps(task));
            let future = async move {
                match (future.await, pick(&me.promises, index)) {
                    (Ok(_), Some(promise)) => resolver.resolve_with(promise),
                    (result, _) => resolver.settle(result),
                }
            };
            match task.lazy {
                true => nodeloop::spawn_lazy(future).detach(),
                false => nodeloop::spawn(future).detach(),
            }
            return;
        }
        let future = self.steps(task);
        let promise = match task.lazy {
            true => nodeloop::try_spawn_lazy(future),
            false => nodeloop::try_spawn(future),
        };
        self.keep(promise.shared());
    }

    fn steps(self: &Rc<Self>, task: &Task) -> LocalBoxFuture<'static, Result<Value, Value>> {
        let (me, task) = (self.clone(), task.clone());
        let label = format!("task{}", self.new_id());
        async move {
            me.log(format!("{label} at {}", me.now_ms()));
            for step in task.steps.iter() {
                if !matches!(step, Step::Do(_)) && !me.burn() {
                    continue;
                }
                if let Step::Do(op) = step {
                    me.op(op);
                } else {
                    me.wait(&label, step).await?;
                }
            }
            let id = me.new_id();
            match task.end {
                End::Panic if !me.is_calm.get() => panic_with(id),
                End::Throw => Err(Value::Int(id)),
                End::Value | End::Follow(_) | End::Panic => Ok(Value::Int(id)),
            }
        }
        .boxed_local()
    }

    async fn wait(&self, label: &str, step: &Step) -> Result<(), Value> {
        match step {
            Step::Do(_) => unreachable!("it does not wait"),
            Step::Await { promise, caught } => {
                let Some(promise) = pick(&self.promises, *promise) else {
                    return Ok(());
                };
                match promise.settled().flatten().await {
                    Ok(value) => self.log(format!("{label} awaited {value}")),
                    Err(rejected) => {
                        let value = reason(rejected);
                        if !caught {
                            return Err(value);
                        }
                        self.log(format!("{label} caught {value}"));
                    }
                }
            }
            Step::Ready => {
                promise::ready(()).await;
                self.log(format!("{label} ready"));
            }
            Step::Sleep(delay) => {
                time::sleep(delay.short().duration()).await;
                self.log(format!("{label} slept until {}", self.now_ms()));
            }
            Step::Yield => {
                nodeloop::yield_now().await;
                self.log(format!("{label} yielded until {}", self.now_ms()));
            }
            Step::Aborted(index) => {
                let Some(signal) = pick(&self.signals, *index) else {
                    return Ok(());
                };
                let aborted = signal.aborted().await;
                self.log(format!("{label} timeout {}", aborted.is_timeout()));
            }
            Step::SleepWithSignal(delay, index) => {
                let Some(signal) = pick(&self.signals, *index) else {
                    return Ok(());
                };
                let sleep = time::sleep(delay.short().duration());
                let slept = sleep.with_signal(&signal).await.is_ok();
                self.log(format!("{label} slept {slept} until {}", self.now_ms()));
            }
            Step::Join(index) => self.join(label, *index).await,
        }
        Ok(())
    }

    /// Joins the next task of a group, which belongs to this task meanwhile.
    async fn join(&self, label: &str, index: Index) {
        let Some(slot) = pick(&self.groups, index) else {
            return;
        };
        let group = slot.borrow_mut().take();
        let Some(mut group) = group else {
            return;
        };
        let joined = group.join_next().await;
        *slot.borrow_mut() = Some(group);
        self.log_joined(label, joined);
    }

    fn log_joined(&self, label: &str, joined: Option<Result<Value, PromiseError>>) {
        match joined {
            None => self.log(format!("{label} joined none")),
            Some(Ok(value)) => self.log(format!("{label} joined {value}")),
            Some(Err(failure)) => {
                let value = reason(Rejected::Failed(failure));
                self.log(format!("{label} joined {value}"));
            }
        }
    }

    pub(super) fn spawn_in(self: &Rc<Self>, index: Index, task: &Task) {
        let Some(slot) = pick(&self.groups, index) else {
            return;
        };
        // Its first part runs at once, and may act on the group.
        let group = slot.borrow_mut().take();
        let Some(mut group) = group else {
            return;
        };
        let steps = self.steps(task);
        let future = async move {
            match steps.await {
                Ok(value) => value,
                Err(value) => Value::Err(Box::new(value)),
            }
        };
        match task.lazy {
            true => group.spawn_lazy(future),
            false => group.spawn(future),
        };
        *slot.borrow_mut() = Some(group);
    }

    pub(super) fn on_group(&self, op: GroupOp, index: Index) {
        let Some(slot) = pick(&self.groups, index) else {
            return;
        };
        let group = slot.borrow_mut().take();
        let Some(mut group) = group else {
            return;
        };
        match op {
            GroupOp::TryJoin => {
                let joined = group.try_join_next();
                self.log_joined("main", joined);
            }
            GroupOp::AbortAll => group.abort_all(),
            GroupOp::DetachAll => group.detach_all(),
            GroupOp::Drop => return,
        }
        *slot.borrow_mut() = Some(group);
    }
}
