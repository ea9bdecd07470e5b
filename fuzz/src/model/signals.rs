//! Abort signals: listeners in order, then the signals that depend on the aborted one.

use super::promises::PromiseId;
use super::tasks::TaskId;
use super::{Callback, Model, Work, pick};
use crate::program::*;

#[derive(Default)]
pub(super) struct Signal {
    /// Whether the reason is a timeout, once it is aborted.
    reason: Option<bool>,
    listeners: Vec<(u32, OnAbort)>,
    next_listener: u32,
    dependants: Vec<usize>,
    sources: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum OnAbort {
    Call(Callback),
    Wake(TaskId),
    Timer(usize),
    Immediate(usize),
    Promise(PromiseId),
}

impl Signal {
    pub(super) fn is_aborted(&self) -> bool {
        self.reason.is_some()
    }

    pub(super) fn is_timeout(&self) -> bool {
        self.reason == Some(true)
    }
}

impl Model {
    pub(super) fn signal_op(&mut self, op: &Op) {
        match op {
            Op::Controller => {
                self.signals.push(Signal::default());
                self.controller_table.push(self.signals.len() - 1);
            }
            Op::AnySignal(sources) => self.any_signal(sources),
            Op::TimeoutSignal(delay) => {
                self.signals.push(Signal::default());
                let signal = self.signals.len() - 1;
                let timer = self.arm(TimerKind::Once, delay.ms(), Work::AbortSignal(signal));
                self.unref_timer(timer);
            }
            Op::OnAbort(index, body) => {
                if let Some(signal) = self.signal(*index) {
                    let callback = self.callback("abort", body);
                    let is_late = self.signals[signal].is_aborted();
                    let listener = (!is_late)
                        .then(|| self.add_abort_listener(signal, OnAbort::Call(callback)));
                    self.abort_listener_table.push((signal, listener));
                }
            }
            Op::OffAbort(index) => {
                if let Some((signal, listener)) = pick(&self.abort_listener_table, *index) {
                    let removed = listener.is_some_and(|id| self.remove_abort_listener(signal, id));
                    self.log(format!("removed {removed}"));
                }
            }
            Op::Abort(index) => {
                if let Some(signal) = pick(&self.controller_table, *index) {
                    self.abort_signal(signal, false);
                }
            }
            Op::AbortTimerOn(timer, signal) => {
                let timer = pick(&self.timer_table, *timer);
                self.abort_on(*signal, timer.map(OnAbort::Timer));
            }
            Op::AbortImmediateOn(immediate, signal) => {
                let immediate = pick(&self.immediate_table, *immediate);
                self.abort_on(*signal, immediate.map(OnAbort::Immediate));
            }
            Op::AbortPromiseOn(promise, signal) => {
                let promise = pick(&self.promise_table, *promise);
                self.abort_on(*signal, promise.map(OnAbort::Promise));
            }
            _ => unreachable!("no operation of signals"),
        }
    }

    fn signal(&self, index: Index) -> Option<usize> {
        let count = self.signals.len();
        (count > 0).then(|| usize::from(index) % count)
    }

    fn abort_on(&mut self, index: Index, operation: Option<OnAbort>) {
        let (Some(signal), Some(operation)) = (self.signal(index), operation) else {
            return;
        };
        match self.signals[signal].is_aborted() {
            true => self.call_listener(operation),
            false => _ = self.add_abort_listener(signal, operation),
        }
    }

    pub(super) fn add_abort_listener(&mut self, signal: usize, listener: OnAbort) -> u32 {
        let signal = &mut self.signals[signal];
        let id = signal.next_listener;
        signal.next_listener += 1;
        signal.listeners.push((id, listener));
        id
    }

    /// Returns whether it was there.
    pub(super) fn remove_abort_listener(&mut self, signal: usize, id: u32) -> bool {
        let listeners = &mut self.signals[signal].listeners;
        let before = listeners.len();
        listeners.retain(|(listener, _)| *listener != id);
        listeners.len() < before
    }

    fn any_signal(&mut self, sources: &[Index]) {
        let sources = sources.iter().take(4);
        let sources: Vec<usize> = sources.filter_map(|index| self.signal(*index)).collect();
        self.signals.push(Signal::default());
        let any = self.signals.len() - 1;
        for signal in sources {
            let own = vec![signal];
            let indirect = self.signals[signal].sources.clone();
            let is_direct = indirect.is_empty() || self.signals[signal].is_aborted();
            for source in if is_direct { own } else { indirect } {
                if let Some(is_timeout) = self.signals[source].reason {
                    return self.abort_signal(any, is_timeout);
                }
                self.signals[source].dependants.push(any);
                self.signals[any].sources.push(source);
            }
        }
    }

    pub(super) fn abort_signal(&mut self, id: usize, is_timeout: bool) {
        let signal = &mut self.signals[id];
        if signal.reason.is_some() {
            return;
        }
        signal.reason = Some(is_timeout);
        while !self.signals[id].listeners.is_empty() {
            let (_, listener) = self.signals[id].listeners.remove(0);
            self.call_listener(listener);
        }
        for dependant in std::mem::take(&mut self.signals[id].dependants) {
            self.abort_signal(dependant, is_timeout);
        }
    }

    fn call_listener(&mut self, listener: OnAbort) {
        match listener {
            OnAbort::Call(callback) => {
                if let Err(panic) = self.call(&callback) {
                    self.ticks.push_back(Work::Resume(panic));
                }
            }
            OnAbort::Wake(task) => self.wake(task),
            OnAbort::Timer(timer) => self.clear_timer(timer),
            OnAbort::Immediate(immediate) => self.clear_immediate(immediate),
            OnAbort::Promise(promise) => self.abort_promise(promise),
        }
    }
}
