//! Planned panics and rejections. Each must be reported exactly once, and nothing else may end.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use nodeloop::events::{Event, EventEmitter};
use nodeloop::net::UnixStream;
use nodeloop::process::Command;
use nodeloop::promise::try_with_resolver;
use nodeloop::signal::{SignalKind, on_signal};
use nodeloop::{
    AbortController, Handle, emit_warning, next_tick, on_warning, promise, queue_microtask,
    queue_work, set_immediate, set_interval, set_timeout, spawn, spawn_blocking, try_spawn,
    yield_now,
};

use rustix::process::{Signal, getpid, kill_process};

use super::short;
use crate::account::{Item, Ledger};
use crate::hooks::{Planned, plan, plan_late_handling, unreported};

/// Panics when it is dropped.
struct PanicsOnDrop(Planned);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        self.0.panic();
    }
}

/// The kinds of callbacks that can panic.
pub const KINDS: [&str; 20] = [
    "timeout",
    "immediate",
    "tick",
    "microtask",
    "interval",
    "abort listener",
    "event listener",
    "end of a job",
    "job with a callback",
    "callback from a handle",
    "task",
    "job",
    "reaction",
    "destructor of an output",
    "destructor of a cleared timer",
    "warning listener",
    "task from a handle",
    // From here on they need a descriptor, or belong to the process.
    "close callback",
    "signal listener",
    "exit of a child",
];

/// The kinds that every loop has, and that need no descriptor.
pub const PORTABLE_KINDS: usize = 17;

/// Lets a callback of this kind panic as planned.
pub fn panic_in_a_callback(kind: usize, planned: Planned) {
    match KINDS[kind] {
        "timeout" => drop(set_timeout(Duration::from_millis(1), move || {
            planned.panic()
        })),
        "immediate" => drop(set_immediate(move || planned.panic())),
        "tick" => next_tick(move || planned.panic()),
        "microtask" => queue_microtask(move || planned.panic()),
        "interval" => panic_in_an_interval(planned),
        "abort listener" => {
            let controller = AbortController::new();
            controller.signal().on_abort(move || planned.panic());
            set_immediate(move || controller.abort());
        }
        "event listener" => {
            const EVENT: Event<()> = Event::new("event");
            let emitter = EventEmitter::new();
            emitter.on(EVENT, move |()| planned.panic());
            set_immediate(move || assert!(emitter.emit(EVENT, &())));
        }
        "end of a job" => drop(queue_work(|| (), move |()| planned.panic())),
        "job with a callback" => drop(queue_work(move || planned.panic(), |()| ())),
        "callback from a handle" => {
            let posted = Handle::current().post(move || planned.panic());
            posted.expect("the loop is running");
        }
        "task" => drop(spawn(async move {
            yield_now().await;
            planned.panic()
        })),
        "job" => drop(spawn_blocking(move || planned.panic())),
        "reaction" => drop(promise::ready(()).then(move |()| planned.panic())),
        "destructor of an output" => spawn(async move {
            yield_now().await;
            PanicsOnDrop(planned)
        })
        .detach(),
        "destructor of a cleared timer" => {
            let held = PanicsOnDrop(planned);
            let timer = set_timeout(Duration::from_secs(3600), move || drop(held));
            timer.clear();
        }
        "warning listener" => panic_in_a_listener(planned, |listener| {
            let added = on_warning(move |_| listener());
            emit_warning("planned");
            Box::new(move || assert!(added.remove()))
        }),
        "task from a handle" => Handle::current()
            .spawn(move || async move { drop(spawn(async move { planned.panic() })) })
            .detach(),
        "close callback" => {
            let (left, _right) = UnixStream::pair().expect("a pair");
            left.close_with(move || planned.panic());
        }
        "signal listener" => panic_in_a_listener(planned, |listener| {
            let added = on_signal(SignalKind::window_change(), listener).expect("it exists");
            kill_process(getpid(), Signal::WINCH).expect("this process");
            Box::new(move || assert!(added.remove()))
        }),
        "exit of a child" => {
            let child = Command::new("true").spawn().expect("`true`");
            child.on_exit(move |_| planned.panic());
        }
        other => unreachable!("{other}"),
    }
}

/// An interval that panics the first time, and must fire once more.
fn panic_in_an_interval(planned: Planned) {
    let handle = Rc::new(Cell::new(None));
    let (own, is_first) = (handle.clone(), Cell::new(true));
    let interval = set_interval(Duration::from_millis(1), move || {
        if is_first.replace(false) {
            planned.panic();
        }
        if let Some(interval) = own.take() {
            let interval: nodeloop::TimeoutHandle = interval;
            interval.clear();
        }
    });
    handle.set(Some(interval));
}

/// Removes a listener.
type Removal = Box<dyn FnOnce()>;

/// A listener that panics once, and is removed by itself. `add` returns what removes it.
fn panic_in_a_listener(planned: Planned, add: impl FnOnce(Box<dyn Fn()>) -> Removal) {
    let removal: Rc<Cell<Option<Removal>>> = Rc::default();
    let own = removal.clone();
    let listener = move || {
        if let Some(remove) = own.take() {
            remove();
            planned.panic();
        }
    };
    removal.set(Some(add(Box::new(listener))));
}

/// A panic in a callback of any kind is an uncaught error or an unhandled rejection.
pub async fn panics_of_callbacks(ledger: Ledger, mut rng: Rng) {
    let mut reports = Vec::new();
    for _ in 0..rng.usize(1..8) {
        let (planned, reported) = plan(&ledger, Item::Panic);
        panic_in_a_callback(rng.usize(..PORTABLE_KINDS), planned);
        reports.push(reported);
    }
    for reported in reports {
        reported.await;
    }
}

/// A panic of a task is the error of its promise, once that is awaited.
pub async fn panics_of_tasks(ledger: Ledger, mut rng: Rng) {
    for _ in 0..rng.usize(1..6) {
        ledger.owe(Item::Panic, 1);
        let (planned, delay) = (unreported(), short(&mut rng, 2));
        let settled = match rng.bool() {
            true => ledger.spawn(async move {
                nodeloop::time::sleep(delay).await;
                planned.panic()
            }),
            false => spawn_blocking(move || planned.panic()),
        }
        .settled();
        let error: nodeloop::promise::PromiseError = match settled.await {
            Ok(()) => unreachable!("it panics"),
            Err(error) => error,
        };
        assert!(
            error.is_panic() && planned.is_text(&error.to_string()),
            "{error}"
        );
        ledger.back(Item::Panic, 1);
    }
}

/// Rejections that nothing handles, that are handled in time, and that are handled too late.
pub async fn rejections(ledger: Ledger, mut rng: Rng) {
    let delay = short(&mut rng, 2);
    let (planned, reported) = plan(&ledger, Item::Rejection);
    drop(try_spawn(async move {
        nodeloop::time::sleep(delay).await;
        Err::<(), _>(planned)
    }));
    reported.await;

    let handled = unreported();
    let (promise, resolver) = try_with_resolver::<(), Planned>();
    set_immediate(move || resolver.reject(handled));
    assert_eq!(promise.await, Err(handled));

    let (late, reported) = plan(&ledger, Item::Rejection);
    let promise = promise::reject::<(), _>(late);
    reported.await;
    let reported = plan_late_handling(&ledger);
    assert_eq!(promise.await, Err(late));
    reported.await;

    let ignored = unreported();
    drop(promise::reject::<(), _>(ignored).untracked());
    yield_now().await;
}
