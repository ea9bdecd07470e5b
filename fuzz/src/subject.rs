//! Runs a program on the crate.

mod listeners;
mod promises;
mod tasks;

use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use nodeloop::events::EventEmitter;
use nodeloop::promise::{self, Rejected, SelfResolution, SharedTryPromise, TryResolver};
use nodeloop::time::{self, Instant};
use nodeloop::{
    AbortController, AbortSignal, EntryMode, EventLoop, ImmediateHandle, Listener, NodeRelease,
    PanicReason, TaskGroup, TimeoutHandle,
};

use crate::program::*;
use crate::value::{FUEL, INTERVAL_CALLS, Value, panic_text};

type Promise = SharedTryPromise<Value, Value>;
type Group = Rc<RefCell<Option<TaskGroup<Value>>>>;

/// Runs the program and returns its log.
pub fn run(program: &Program) -> Vec<String> {
    let entry = match program.module {
        true => EntryMode::Module,
        false => EntryMode::CommonJs,
    };
    // The model has the rules of Node 20.
    let builder = EventLoop::builder().node(NodeRelease::V20);
    let builder = builder.virtual_time().entry(entry);
    let mut event_loop = builder.build().expect("a loop");
    let subject = Rc::new(Subject::default());
    let (running, main) = (subject.clone(), program.clone());
    let result = event_loop.run_script(move || {
        running.started.set(Some(Instant::now()));
        running.hook(&main);
        running.callback("main", &main.main)();
    });
    if let Err(error) = result {
        subject.log(format!("failed: {error}"));
    }
    drop(event_loop);
    let log = subject.log.take();
    subject.is_over.set(true);
    subject.clear();
    log
}

#[derive(Default)]
struct Subject {
    log: RefCell<Vec<String>>,
    started: Cell<Option<Instant>>,
    /// Whether the listener of uncaught errors runs, which must not panic.
    is_calm: Cell<bool>,
    /// Whether the run is over, so that no callback does anything any more.
    is_over: Cell<bool>,
    next_id: Cell<u32>,
    used: Cell<u32>,
    timers: RefCell<Vec<TimeoutHandle>>,
    immediates: RefCell<Vec<ImmediateHandle>>,
    promises: RefCell<Vec<Promise>>,
    resolvers: RefCell<Vec<TryResolver<Value, Value>>>,
    controllers: RefCell<Vec<AbortController>>,
    signals: RefCell<Vec<AbortSignal>>,
    abort_listeners: RefCell<Vec<Listener>>,
    groups: RefCell<Vec<Group>>,
    emitter: EventEmitter,
    listeners: RefCell<Vec<Listener>>,
}

/// Returns the entry of a table that an index names.
fn pick<T: Clone>(table: &RefCell<Vec<T>>, index: Index) -> Option<T> {
    let table = table.borrow();
    let count = table.len();
    (count > 0).then(|| table[usize::from(index) % count].clone())
}

fn reason(rejected: Rejected<Value>) -> Value {
    match rejected {
        Rejected::Error(value) => value,
        Rejected::Failed(promise::PromiseError::SelfResolution) => Value::SelfResolution,
        Rejected::Failed(promise::PromiseError::Aborted) => Value::Aborted,
        Rejected::Failed(promise::PromiseError::Panicked(payload)) => {
            Value::Panicked(payload.message())
        }
    }
}

fn text_of(reason: &dyn nodeloop::Reason) -> String {
    if let Some(value) = reason.downcast_ref::<Value>() {
        value.to_string()
    } else if let Some(panic) = reason.downcast_ref::<PanicReason>() {
        Value::Panicked(panic.text().to_owned()).to_string()
    } else if reason.is::<SelfResolution>() {
        Value::SelfResolution.to_string()
    } else {
        format!("{reason:?}")
    }
}

fn panic_with(id: u32) -> ! {
    resume_unwind(Box::new(panic_text(id))) // calls no hook: libFuzzer's ends the process
}

impl Subject {
    fn log(&self, label: impl Into<String>) {
        self.log.borrow_mut().push(label.into());
    }

    fn new_id(&self) -> u32 {
        self.next_id.replace(self.next_id.get() + 1)
    }

    /// Uses a unit of fuel. Returns false if none is left.
    fn burn(&self) -> bool {
        let used = self.used.get();
        self.used.set(used + 1);
        used < FUEL
    }

    fn now_ms(&self) -> u128 {
        let started = self.started.get().expect("it has started");
        started.elapsed().as_millis()
    }

    fn clear(&self) {
        self.timers.take();
        self.immediates.take();
        self.promises.take();
        self.resolvers.take();
        self.controllers.take();
        self.signals.take();
        self.abort_listeners.take();
        self.groups.take();
        self.listeners.take();
        self.emitter.clear();
        self.emitter.clear(); // listeners of removals may have added some
    }

    fn hook(self: &Rc<Self>, program: &Program) {
        self.emitter.set_max_listeners(3);
        let me = self.clone();
        nodeloop::on_warning(move |_| me.log("warning"));
        let (me, body) = (self.clone(), program.on_uncaught.clone());
        nodeloop::on_uncaught(move |error| {
            me.log(format!("uncaught {}", error.message()));
            me.is_calm.set(true);
            me.body(&body);
            me.is_calm.set(false);
        });
        let (me, body) = (self.clone(), program.on_unhandled.clone());
        nodeloop::on_unhandled_rejection(move |rejection| {
            let text = rejection.with_reason(text_of);
            me.log(format!("unhandled {text}"));
            me.body(&body);
        });
        let (me, body) = (self.clone(), program.on_handled.clone());
        nodeloop::on_rejection_handled(move |_| {
            me.log("handled");
            me.body(&body);
        });
        let (me, body) = (self.clone(), program.before_exit.clone());
        let mut is_first = true;
        nodeloop::on_before_exit(move || {
            me.log("before exit");
            if std::mem::replace(&mut is_first, false) {
                me.body(&body);
            }
        });
        let me = self.clone();
        nodeloop::on_exit(move |_| me.log("exit"));
    }

    /// Returns a callback that logs its label and runs the body.
    fn callback(self: &Rc<Self>, label: &str, body: &Body) -> impl Fn() + 'static {
        let (me, body) = (self.clone(), body.clone());
        let label = format!("{label}{}", self.new_id());
        move || {
            if !me.is_over.get() {
                me.log(format!("{label} at {}", me.now_ms()));
                me.body(&body);
            }
        }
    }

    fn body(self: &Rc<Self>, body: &Body) {
        body.iter().for_each(|op| self.op(op));
    }

    fn op(self: &Rc<Self>, op: &Op) {
        if !self.burn() {
            return;
        }
        match op {
            Op::Tick(body) => nodeloop::next_tick(self.callback("tick", body)),
            Op::Microtask(body) => nodeloop::queue_microtask(self.callback("micro", body)),
            Op::Timer(kind, delay, body) => self.set_timer(*kind, *delay, body),
            Op::TwoTimers(delay, first, second) => {
                self.set_timer(TimerKind::Refreshable, *delay, first);
                self.set_timer(TimerKind::Refreshable, *delay, second);
            }
            Op::OnTimer(op, index) => self.on_timer(*op, *index),
            Op::Completion(ms, body) => {
                let duration = Duration::from_millis(u64::from(ms % 8));
                time::simulate_completion(duration, self.callback("completion", body));
            }
            Op::Immediate(body) => {
                let immediate = nodeloop::set_immediate(self.callback("immediate", body));
                self.immediates.borrow_mut().push(immediate);
            }
            Op::OnImmediate(op, index) => self.on_immediate(*op, *index),
            Op::Block(ms) => time::block_for(Duration::from_millis(u64::from(ms % 8))),
            Op::Panic if self.is_calm.get() => {}
            Op::Panic => panic_with(self.new_id()),
            Op::Task(task) => self.spawn(task),
            Op::Defer
            | Op::Resolve(_)
            | Op::Reject(_)
            | Op::Adopt(..)
            | Op::Resolved
            | Op::Rejected
            | Op::Then { .. }
            | Op::Finally(..)
            | Op::Combine(..)
            | Op::AbortPromise(_) => self.promise_op(op),
            Op::Controller
            | Op::AnySignal(_)
            | Op::TimeoutSignal(_)
            | Op::OnAbort(..)
            | Op::OffAbort(_)
            | Op::Abort(_)
            | Op::AbortTimerOn(..)
            | Op::AbortImmediateOn(..)
            | Op::AbortPromiseOn(..) => self.signal_op(op),
            Op::Group => {
                let group = Rc::new(RefCell::new(Some(TaskGroup::new())));
                self.groups.borrow_mut().push(group);
            }
            Op::SpawnIn(index, task) => self.spawn_in(*index, task),
            Op::OnGroup(op, index) => self.on_group(*op, *index),
            Op::Listen {
                name,
                prepend,
                once,
                body,
            } => self.listen(*name, *prepend, *once, body),
            Op::Unlisten(index) => {
                if let Some(listener) = pick(&self.listeners, *index) {
                    let removed = listener.remove();
                    self.log(format!("removed {removed}"));
                }
            }
            Op::Emit(name) => self.emit(*name),
            Op::RemoveAll(name) => self.emitter.remove_all(listeners::event_name(*name)),
            Op::ClearEmitter => self.emitter.clear(),
        }
    }

    fn set_timer(self: &Rc<Self>, kind: TimerKind, delay: Delay, body: &Body) {
        let delay = delay.duration();
        let timer = match kind {
            TimerKind::Once => nodeloop::set_timeout(delay, self.callback("timeout", body)),
            TimerKind::Refreshable => {
                nodeloop::set_timeout_mut(delay, self.callback("timeout", body))
            }
            TimerKind::Interval => {
                let own: Rc<RefCell<Option<TimeoutHandle>>> = Rc::default();
                let (handle, callback) = (own.clone(), self.callback("interval", body));
                let mut calls = 0;
                let timer = nodeloop::set_interval(delay, move || {
                    calls += 1;
                    if calls >= INTERVAL_CALLS {
                        handle.take().into_iter().for_each(|own| own.clear());
                    }
                    callback();
                });
                *own.borrow_mut() = Some(timer.clone());
                timer
            }
        };
        self.timers.borrow_mut().push(timer);
    }

    fn on_timer(&self, op: TimerOp, index: Index) {
        let Some(timer) = pick(&self.timers, index) else {
            return;
        };
        match op {
            TimerOp::Clear => timer.clear(),
            TimerOp::Refresh => _ = timer.refresh(),
            TimerOp::Ref => _ = timer.ref_(),
            TimerOp::Unref => _ = timer.unref(),
            TimerOp::Inspect => self.log(format!("pending {}", timer.is_pending())),
            TimerOp::Drop => {
                let mut timers = self.timers.borrow_mut();
                let index = usize::from(index) % timers.len();
                let dropped = timers.remove(index);
                drop(timers);
                drop(dropped);
            }
        }
    }

    fn on_immediate(&self, op: ImmediateOp, index: Index) {
        let Some(immediate) = pick(&self.immediates, index) else {
            return;
        };
        match op {
            ImmediateOp::Clear => immediate.clear(),
            ImmediateOp::Ref => _ = immediate.ref_(),
            ImmediateOp::Unref => _ = immediate.unref(),
            ImmediateOp::Inspect => {
                let (pending, refed) = (immediate.is_pending(), immediate.has_ref());
                self.log(format!("pending {pending} ref {refed}"));
            }
        }
    }
}
