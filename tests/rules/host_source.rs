//! The job queue of an engine as a part of the microtask queue.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::common::{Log, log_uncaught, throw, trace, try_trace, virtual_loop};
use nodeloop::host::{MicrotaskSource, set_microtask_source};
use nodeloop::observe::{Event, EventContext, StepKind};
use nodeloop::{
    AsyncLocalStorage, EventLoop, RunError, next_tick, promise, queue_microtask, set_immediate,
    spawn,
};

type Job = Box<dyn FnOnce()>;

/// The job queue of an engine without anything else.
#[derive(Clone, Default)]
struct Engine {
    jobs: Rc<RefCell<VecDeque<Job>>>,
    /// How often the engine was asked whether it has a job.
    asked: Rc<Cell<usize>>,
}

impl Engine {
    /// An engine whose jobs the running loop runs.
    fn install() -> Engine {
        let engine = Engine::default();
        set_microtask_source(engine.clone());
        engine
    }

    fn queue(&self, job: impl FnOnce() + 'static) {
        self.jobs.borrow_mut().push_back(Box::new(job));
    }
}

impl MicrotaskSource for Engine {
    fn run_job(&self) -> bool {
        let job = self.jobs.borrow_mut().pop_front();
        job.map(|job| job()).is_some()
    }

    fn has_job(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        !self.jobs.borrow().is_empty()
    }
}

/// R10: `11-ticks-before-microtasks.js`, whose microtasks are jobs of an engine.
#[test]
fn all_ticks_run_before_the_jobs() {
    let log = trace(|log| {
        let engine = Engine::install();
        engine.queue(log.callback("m1"));
        next_tick(log.callback("t1"));
        engine.queue(log.callback("m2"));
        next_tick(log.callback("t2"));
    });
    log.assert(["t1", "t2", "m1", "m2"]);
}

/// R10: `12-tick-from-microtask.js`, whose microtasks are jobs of an engine.
#[test]
fn a_tick_of_a_job_waits_until_the_engine_has_none() {
    let log = trace(|log| {
        let engine = Engine::install();
        let (jobs, outer) = (engine.clone(), log.clone());
        engine.queue(move || {
            outer.add("m1");
            next_tick(outer.callback("t from m1"));
            let (inner, last) = (jobs.clone(), outer.clone());
            jobs.queue(move || {
                last.add("m3");
                inner.queue(last.callback("m4"));
            });
        });
        engine.queue(log.callback("m2"));
    });
    log.assert(["m1", "m2", "m3", "m4", "t from m1"]);
}

/// R10: `14-drain-alternates.js`, whose microtasks are jobs of an engine.
#[test]
fn ticks_and_jobs_alternate() {
    fn tick(engine: Engine, log: Log, n: usize) {
        log.add(format_args!("t {n}"));
        if n < 2 {
            let jobs = engine.clone();
            engine.queue(move || {
                log.add(format_args!("m {}", n + 1));
                next_tick(move || tick(jobs, log, n + 1));
            });
        }
    }
    let log = trace(|log| {
        let (engine, script) = (Engine::install(), log.clone());
        next_tick(move || tick(engine, script, 0));
        set_immediate(log.callback("immediate"));
    });
    log.assert(["t 0", "m 1", "t 1", "m 2", "t 2", "immediate"]);
}

#[test]
fn one_job_runs_when_the_own_queue_is_empty() {
    let log = trace(|log| {
        let engine = Engine::install();
        let first = log.clone();
        engine.queue(move || {
            first.add("job 1");
            queue_microtask(first.callback("microtask of job 1"));
            drop(spawn(async move {
                promise::ready(()).await;
                first.add("task of job 1");
            }));
        });
        engine.queue(log.callback("job 2"));
        queue_microtask(log.callback("microtask"));
    });
    log.assert([
        "microtask",
        "job 1",
        "microtask of job 1",
        "task of job 1",
        "job 2",
    ]);
}

/// R14: a rejection is reported when the engine has no job left, which might handle it.
#[test]
fn a_job_may_handle_a_rejection_in_time() {
    let log = trace(|log| {
        let engine = Engine::install();
        let rejected = crate::common::rejected("in time");
        engine.queue(move || {
            drop(spawn(async move {
                log.add(rejected.await.unwrap_err());
            }));
        });
    });
    log.assert(["in time"]);
}

/// R12, R54: jobs run after each macrotask, and a panic of one ends nothing.
#[test]
fn a_job_that_panics_is_followed_by_the_next() {
    let log = trace(|log| {
        log_uncaught(&log);
        let engine = Engine::install();
        let script = log.clone();
        set_immediate(move || {
            engine.queue(|| throw("job"));
            engine.queue(script.callback("next job"));
        });
        set_immediate(log.callback("immediate"));
    });
    log.assert(["uncaught job", "next job", "immediate"]);
}

#[test]
fn a_job_begins_in_an_empty_context() {
    static REQUEST: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
    let log = trace(|log| {
        let engine = Engine::install();
        let (jobs, script) = (engine.clone(), log.clone());
        REQUEST.run(7, || {
            queue_microtask(move || {
                script.add(format_args!("microtask {:?}", REQUEST.get()));
                let snapshot = AsyncLocalStorage::snapshot(); // as an engine keeps it for a reaction
                let (first, second) = (script.clone(), script);
                jobs.queue(move || {
                    snapshot.run(|| first.add(format_args!("job 1 {:?}", REQUEST.get())));
                    REQUEST.enter_with(8);
                });
                jobs.queue(move || second.add(format_args!("job 2 {:?}", REQUEST.get())));
            });
        });
        drop(engine);
    });
    log.assert(["microtask Some(7)", "job 1 Some(7)", "job 2 None"]);
}

#[test]
fn jobs_count_for_the_limit_of_a_drain() {
    fn again(engine: &Engine) {
        let next = engine.clone();
        engine.queue(move || again(&next));
    }
    let built = EventLoop::builder().virtual_time().drain_limit(100).build();
    let engine = Engine::default();
    let jobs = engine.jobs.clone();
    let result = built.unwrap().run_script(move || {
        set_microtask_source(engine.clone());
        again(&engine);
    });
    jobs.borrow_mut().clear(); // the job that is left owns the queue
    let Err(RunError::Starvation(starvation)) = result else {
        panic!("{result:?}");
    };
    assert_eq!((starvation.ticks, starvation.microtasks), (0, 101));
    assert_eq!(starvation.links[0].location.file(), file!());
}

#[test]
fn observers_see_each_job_and_no_other_step() {
    let steps = Rc::new(RefCell::new(Vec::new()));
    let seen = steps.clone();
    let observer = move |event: &Event, _: &EventContext<'_>| {
        if let Event::StepBegin(step) = event {
            seen.borrow_mut().push(step.kind);
        }
    };
    let builder = EventLoop::builder().virtual_time().observer(observer);
    let result = builder.build().unwrap().run_script(|| {
        let engine = Engine::install();
        engine.queue(|| {});
        queue_microtask(|| {});
        let jobs = engine.clone();
        set_immediate(move || jobs.queue(|| {}));
    });
    result.unwrap();
    let (script, job) = (StepKind::MainScript, StepKind::Microtask);
    let expected = [
        script,
        job,
        job,
        StepKind::Immediate,
        job,
        StepKind::BeforeExit,
        StepKind::Exit,
    ];
    assert_eq!(*steps.borrow(), expected);
}

#[test]
fn an_exit_ends_the_jobs() {
    let (result, log) = try_trace(|log| {
        let engine = Engine::install();
        engine.queue(log.callback("job 1"));
        engine.queue(|| nodeloop::exit(3));
        engine.queue(log.callback("job 3"));
    });
    assert!(matches!(result, Err(RunError::Exit(3))), "{result:?}");
    log.assert(["job 1"]);
}

/// The loop owns the source, and the engine may own handles of the loop.
#[test]
fn the_source_is_dropped_with_the_loop() {
    let engine = Engine::default();
    let mut event_loop = virtual_loop();
    let source = engine.clone();
    let timer = event_loop.block_on(async move {
        set_microtask_source(source);
        nodeloop::set_interval(std::time::Duration::from_secs(1), || {})
    });
    assert_eq!(Rc::strong_count(&engine.jobs), 2);
    drop(event_loop);
    assert_eq!(Rc::strong_count(&engine.jobs), 1);
    drop(timer);
}

/// Jobs that were queued before the run begins run in its first drain, and the source stays for the next run.
#[test]
fn a_source_can_be_set_before_the_first_run() {
    let log = Log::new();
    let mut event_loop = virtual_loop();
    let engine = event_loop.with_current(Engine::install);
    engine.queue(log.callback("job before the run"));
    for run in ["first", "second"] {
        let (engine, script) = (engine.clone(), log.clone());
        event_loop
            .run_script(move || {
                engine.queue(script.callback(format!("job of the {run} run")));
                script.add(format!("{run} run"));
            })
            .unwrap();
    }
    log.assert([
        "first run",
        "job before the run",
        "job of the first run",
        "second run",
        "job of the second run",
    ]);
}

#[test]
#[should_panic(expected = "has a microtask source already")]
fn a_second_source_is_refused() {
    virtual_loop()
        .block_on(async {
            Engine::install();
            Engine::install();
        })
        .map_err(|error| match error {
            RunError::Uncaught(error) => std::panic::resume_unwind(error.into_payload()),
            error => panic!("{error}"),
        })
        .unwrap();
}
