//! A naive model of the loop: `src/guide/rules.md`, written down as simply as possible.
//!
//! Everything that was ever made stays in a table, and is found by searching. Nothing here is taken
//! from the crate. [`run`] executes a program on the model and returns the log that the crate must
//! write for it.

mod emitter;
mod phases;
mod promises;
mod signals;
mod tasks;
mod timers;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::program::*;
use crate::value::{FUEL, panic_text};
use emitter::Emitter;
use phases::{Completion, Immediate};
use promises::{Combination, Promise, Tracking};

use signals::Signal;
use tasks::{Group, Running, TaskId};
use timers::Timers;

/// Runs the program and returns its log.
pub fn run(program: &Program) -> Vec<String> {
    let mut model = Model {
        on_uncaught: program.on_uncaught.clone(),
        on_unhandled: program.on_unhandled.clone(),
        on_handled: program.on_handled.clone(),
        ..Model::default()
    };
    model.run(program);
    model.log
}

/// The number of a panic that leaves a callback.
type Panic = u32;
type Outcome<T> = Result<T, Panic>;

#[derive(Default)]
struct Model {
    log: Vec<String>,
    next_id: u32,
    used: u32,
    /// Whether the listener of uncaught errors runs, which must not panic.
    is_calm: bool,
    now_ms: u64,
    on_uncaught: Body,
    on_unhandled: Body,
    on_handled: Body,
    ticks: VecDeque<Work>,
    microtasks: VecDeque<Work>,
    timers: Timers,
    immediates: Vec<Immediate>,
    completions: Vec<Completion>,
    promises: Vec<Promise>,
    fresh: Vec<usize>,
    late: VecDeque<usize>,
    tasks: Vec<Running>,
    combinations: Vec<Combination>,
    signals: Vec<Signal>,
    groups: Vec<Group>,
    emitter: Emitter,
    // What operations name by an index.
    timer_table: Vec<usize>,
    immediate_table: Vec<usize>,
    promise_table: Vec<usize>,
    resolver_table: Vec<usize>,
    controller_table: Vec<usize>,
    abort_listener_table: Vec<(usize, Option<u32>)>,
    listener_table: Vec<(Name, i64)>,
}

/// A callback with its label.
#[derive(Debug, Clone)]
struct Callback {
    label: Rc<str>,
    body: Body,
}

/// What the loop calls.
#[derive(Debug, Clone)]
enum Work {
    Call(Callback),
    Body(Body),
    /// Polls a task.
    Task(TaskId),
    /// Wakes a task.
    Wake(TaskId),
    AbortSignal(usize),
    Warning,
    Resume(Panic),
    Nothing,
}

fn pick<T: Clone>(table: &[T], index: Index) -> Option<T> {
    let count = table.len();
    (count > 0).then(|| table[usize::from(index) % count].clone())
}

impl Model {
    fn log(&mut self, label: impl Into<String>) {
        self.log.push(label.into());
    }

    fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }

    fn burn(&mut self) -> bool {
        self.used += 1;
        self.used <= FUEL
    }

    fn callback(&mut self, label: &str, body: &Body) -> Callback {
        Callback {
            label: format!("{label}{}", self.new_id()).into(),
            body: body.clone(),
        }
    }

    fn call(&mut self, callback: &Callback) -> Outcome<()> {
        self.log(format!("{} at {}", callback.label, self.now_ms));
        self.body(&callback.body)
    }

    fn perform(&mut self, work: Work) -> Outcome<()> {
        match work {
            Work::Call(callback) => return self.call(&callback),
            Work::Body(body) => return self.body(&body),
            Work::Task(task) => self.run_task(task),
            Work::Wake(task) => self.wake(task),
            Work::AbortSignal(signal) => self.abort_signal(signal, true),
            Work::Warning => self.log("warning"),
            Work::Resume(panic) => return Err(panic),
            Work::Nothing => {}
        }
        Ok(())
    }

    /// Calls it. Returns whether it did not panic (R51).
    fn guarded(&mut self, work: Work) -> bool {
        match self.perform(work) {
            Ok(()) => true,
            Err(panic) => {
                self.uncaught(panic);
                false
            }
        }
    }

    fn uncaught(&mut self, panic: Panic) {
        self.log(format!("uncaught {}", panic_text(panic)));
        self.is_calm = true;
        let body = self.on_uncaught.clone();
        self.body(&body).expect("it is calm");
        self.is_calm = false;
        self.push_immediate(Work::Nothing); // R51
    }

    fn body(&mut self, body: &Body) -> Outcome<()> {
        body.iter().try_for_each(|op| self.op(op))
    }

    fn op(&mut self, op: &Op) -> Outcome<()> {
        if !self.burn() {
            return Ok(());
        }
        match op {
            Op::Tick(body) => {
                let callback = self.callback("tick", body);
                self.ticks.push_back(Work::Call(callback));
            }
            Op::Microtask(body) => {
                let callback = self.callback("micro", body);
                self.microtasks.push_back(Work::Call(callback));
            }
            Op::Timer(kind, delay, body) => self.set_timer(*kind, *delay, body),
            Op::TwoTimers(delay, first, second) => {
                self.set_timer(TimerKind::Refreshable, *delay, first);
                self.set_timer(TimerKind::Refreshable, *delay, second);
            }
            Op::OnTimer(op, index) => self.on_timer(*op, *index),
            Op::Completion(ms, body) => self.complete_after(u64::from(ms % 8), body),
            Op::Immediate(body) => {
                let callback = self.callback("immediate", body);
                let immediate = self.push_immediate(Work::Call(callback));
                self.immediate_table.push(immediate);
            }
            Op::OnImmediate(op, index) => self.on_immediate(*op, *index),
            Op::Block(ms) => self.now_ms += u64::from(ms % 8),
            Op::Panic if self.is_calm => {}
            Op::Panic => return Err(self.new_id()),
            Op::Task(task) => self.spawn(task),
            Op::Defer => {
                let promise = self.new_promise();
                self.resolver_table.push(promise);
                self.promise_table.push(promise);
            }
            Op::Resolve(index) => self.resolve(*index, true),
            Op::Reject(index) => self.resolve(*index, false),
            Op::Adopt(index, source) => {
                if let (Some(promise), Some(source)) = (
                    pick(&self.resolver_table, *index),
                    pick(&self.promise_table, *source),
                ) {
                    self.resolve_with(promise, source);
                }
            }
            Op::Resolved => self.new_settled(true),
            Op::Rejected => self.new_settled(false),
            Op::Then {
                source,
                on_ok,
                on_err,
                any,
            } => {
                if let Some(source) = pick(&self.promise_table, *source) {
                    self.then(source, on_ok.as_ref(), on_err.as_ref(), *any);
                }
            }
            Op::Finally(source, handler) => {
                if let Some(source) = pick(&self.promise_table, *source) {
                    self.finally(source, handler);
                }
            }
            Op::Combine(combinator, members) => self.combine(*combinator, members),
            Op::AbortPromise(index) => {
                if let Some(promise) = pick(&self.promise_table, *index) {
                    self.abort_promise(promise);
                }
            }
            Op::Group => self.groups.push(Group::default()),
            Op::SpawnIn(index, task) => self.spawn_in(*index, task),
            Op::OnGroup(op, index) => self.on_group(*op, *index),
            Op::Listen {
                name,
                prepend,
                once,
                body,
            } => return self.listen(*name, *prepend, *once, body),
            Op::Unlisten(index) => {
                if let Some((name, id)) = pick(&self.listener_table, *index) {
                    let removed = self.unlisten(name, id)?;
                    self.log(format!("removed {removed}"));
                }
            }
            Op::Emit(name) => return self.emit(*name),
            Op::RemoveAll(name) => return self.remove_all(*name),
            Op::ClearEmitter => return self.clear_emitter(),
            _ => self.signal_op(op),
        }
        Ok(())
    }

    /// R10, R53, R54. Returns whether no tick has panicked.
    fn drain(&mut self) -> bool {
        loop {
            while let Some(tick) = self.ticks.pop_front() {
                if !self.guarded(tick) {
                    return false;
                }
            }
            while let Some(microtask) = self.microtasks.pop_front() {
                self.guarded(microtask);
            }
            if !self.ticks.is_empty() {
                continue;
            }
            if self.late.is_empty() && !self.has_fresh_rejections() {
                return true;
            }
            if !self.rejection_round() {
                return false;
            }
        }
    }

    /// R14. Returns whether no listener has panicked.
    fn rejection_round(&mut self) -> bool {
        while self.late.pop_front().is_some() {
            self.log("handled");
            let body = self.on_handled.clone();
            if !self.guarded(Work::Body(body)) {
                return false;
            }
        }
        for promise in self.take_rejections() {
            self.promises[promise].tracking = Tracking::Reported;
            let text = self.reason_of(promise);
            self.log(format!("unhandled {text}"));
            let body = self.on_unhandled.clone();
            if !self.guarded(Work::Body(body)) {
                return false;
            }
        }
        true
    }
}
