//! Compares the search with a search without any reduction, on generated programs.

#[path = "../../../tests/common/limit.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with `tests`")]
mod limit;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::search::{Reduction, Search, happens_before};
use super::{CheckedOrders, nothing};
use crate::blocking::queue_work;
use crate::phases::poll::delivery::footprint::{Key, hash};
use crate::phases::poll::delivery::order::{Actor, Alternatives, OrderRecord};
use crate::promise::{Resolver, spawn, with_resolver};
use crate::runtime::handle::Handle;
use crate::schedule::{set_immediate, set_timeout};
use crate::test::{Log, Shared, Test, TestBuilder};
use limit::{Limit, limit_of};

/// Hundreds of explorations, each of which starts threads.
fn long_limit() -> Limit {
    limit_of(Duration::from_secs(240), "hundreds of explorations")
}

/// What a step of a generated program does.
#[derive(Debug, Clone)]
enum Act {
    /// Adds a line to a log.
    Log(usize),
    /// Changes a cell to a value that depends on its value before.
    Change(usize),
    /// Logs the value of a cell in the log with the number of the cell.
    Read(usize),
    /// Settles a promise that a task awaits.
    Resolve(usize),
    Immediate(Vec<Act>),
    Timer(u64, Vec<Act>),
    Job(Vec<Act>),
    Operation(u64, Vec<Act>),
}

/// A generated program.
#[derive(Debug, Clone)]
struct Program {
    threads: usize,
    /// The messages of each thread, and what they do.
    messages: Vec<Vec<Vec<Act>>>,
    jobs: Vec<Vec<Act>>,
    main: Vec<Act>,
    /// What the task does that awaits a promise.
    tasks: Vec<Vec<Act>>,
}

const CELLS: usize = 3;

/// Draws the parts of a program.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 29)) % limit as u64) as usize
    }

    fn acts(&mut self, depth: usize) -> Vec<Act> {
        let count = 1 + self.below(2);
        (0..count).map(|_| self.act(depth)).collect()
    }

    fn act(&mut self, depth: usize) -> Act {
        let kinds = if depth == 0 { 6 } else { 10 };
        match self.below(kinds) {
            0 | 1 => Act::Log(self.below(CELLS)),
            2 | 3 => Act::Change(self.below(CELLS)),
            4 => Act::Read(self.below(CELLS)),
            5 => Act::Resolve(self.below(2)),
            6 => Act::Immediate(self.acts(0)),
            7 => Act::Timer(self.below(3) as u64, self.acts(0)),
            8 => Act::Job(self.acts(0)),
            _ => Act::Operation(self.below(2) as u64, self.acts(0)),
        }
    }

    fn program(&mut self) -> Program {
        let jobs = 1 + self.below(3);
        let messages = self.below(3);
        let main = self.below(2);
        Program {
            threads: 1 + self.below(4),
            jobs: (0..jobs).map(|_| self.acts(1)).collect(),
            messages: (0..messages)
                .map(|_| (0..=self.below(2)).map(|_| self.acts(0)).collect())
                .collect(),
            main: (0..main).map(|_| self.act(1)).collect(),
            tasks: (0..2).map(|_| vec![self.act(0)]).collect(),
        }
    }
}

/// The state of a running program.
#[derive(Clone)]
struct World {
    logs: Rc<Vec<Log>>,
    cells: Rc<Vec<Shared<u64>>>,
    resolvers: Rc<Vec<Shared<Option<Resolver<()>>>>>,
    /// The labels of each log, which outlive the run.
    labels: Rc<RefCell<Vec<Vec<String>>>>,
}

impl World {
    fn perform(&self, acts: &[Act], name: &str) {
        for (number, act) in acts.iter().enumerate() {
            let name = format!("{name}.{number}");
            self.act(act, name);
        }
    }

    fn act(&self, act: &Act, name: String) {
        let later = |acts: &[Act]| {
            let (world, acts, name) = (self.clone(), acts.to_vec(), name.clone());
            move || world.perform(&acts, &name)
        };
        match act {
            Act::Log(log) => self.log(*log, name),
            Act::Change(cell) => {
                let mut value = self.cells[*cell].borrow_mut();
                *value = hash(&(*value, name));
            }
            Act::Read(cell) => {
                let value = *self.cells[*cell].borrow();
                self.log(*cell, format!("{name}={value}"));
            }
            Act::Resolve(index) => {
                let resolver = self.resolvers[*index].borrow_mut().take();
                if let Some(resolver) = resolver {
                    resolver.resolve(());
                }
            }
            Act::Immediate(acts) => drop(set_immediate(later(acts))),
            Act::Timer(ms, acts) => {
                drop(set_timeout(Duration::from_millis(*ms), later(acts)));
            }
            Act::Job(acts) => {
                let then = later(acts);
                queue_work(|| (), move |()| then());
            }
            Act::Operation(ms, acts) => {
                let range = Duration::from_millis(1)..=Duration::from_millis(1 + ms);
                super::super::complete_within(range, later(acts));
            }
        }
    }

    fn log(&self, log: usize, label: String) {
        self.labels.borrow_mut()[log].push(label.clone());
        self.logs[log].add(label);
    }
}

/// The body of the test of a program. `labels` receives what it logs.
async fn run(program: &Program, t: Test, labels: Rc<RefCell<Vec<Vec<String>>>>) {
    labels.replace(vec![Vec::new(); CELLS]);
    let mut resolvers = Vec::new();
    let mut awaited = Vec::new();
    for _ in &program.tasks {
        let (promise, resolver) = with_resolver::<()>();
        resolvers.push(Shared::new(Some(resolver)));
        awaited.push(promise);
    }
    let world = World {
        logs: Rc::new((0..CELLS).map(|_| Log::new()).collect()),
        cells: Rc::new((0..CELLS).map(|_| Shared::new(0)).collect()),
        resolvers: Rc::new(resolvers),
        labels,
    };
    for (number, (promise, acts)) in awaited.into_iter().zip(&program.tasks).enumerate() {
        let (world, acts) = (world.clone(), acts.clone());
        let task = async move {
            promise.await;
            world.perform(&acts, &format!("task{number}"));
        };
        spawn(task).detach();
    }
    for (number, messages) in program.messages.iter().enumerate() {
        let handle = Handle::current();
        // The messages run on this thread: they find the world by a number.
        let names: Vec<usize> = (0..messages.len()).collect();
        let key = WORLDS.with_borrow_mut(|worlds| {
            worlds.push((world.clone(), messages.clone()));
            worlds.len() - 1
        });
        let thread = std::thread::spawn(move || {
            for index in names {
                let post = move || {
                    let (world, messages) = WORLDS.with_borrow(|worlds| worlds[key].clone());
                    world.perform(&messages[index], &format!("message{number}.{index}"));
                };
                handle.post(post).expect("the loop runs");
            }
        });
        thread.join().expect("it posts");
    }
    for (number, acts) in program.jobs.iter().enumerate() {
        let (world, acts) = (world.clone(), acts.clone());
        queue_work(
            || (),
            move |()| world.perform(&acts, &format!("job{number}")),
        );
    }
    world.perform(&program.main, "main");
    t.until_idle().await;
    for resolver in &*world.resolvers {
        let resolver = resolver.borrow_mut().take();
        if let Some(resolver) = resolver {
            resolver.resolve(());
        }
    }
    WORLDS.with_borrow_mut(Vec::clear);
}

thread_local! {
    static WORLDS: RefCell<Vec<(World, Vec<Vec<Act>>)>> = const { RefCell::new(Vec::new()) };
}

/// What a search has found.
struct Found {
    checked: CheckedOrders,
    /// The logs of each order.
    logs: BTreeSet<Vec<Vec<String>>>,
    /// The equivalence classes of the orders.
    traces: BTreeSet<u64>,
}

fn search(program: &Program, reduction: Reduction, is_ignored: fn(Key) -> bool) -> Found {
    let (mut logs, mut traces) = (BTreeSet::new(), BTreeSet::new());
    let labels = Rc::new(RefCell::new(Vec::new()));
    let builder = TestBuilder::new()
        .declared_state()
        .blocking_threads(program.threads)
        .max_runs(MOST_RUNS);
    let search = Search::new(reduction, is_ignored);
    let body = async |t: Test| run(program, t, labels.clone()).await;
    let checked = builder.search_all(search, body, |record| {
        if record.cut_after.is_none() {
            logs.insert(labels.borrow().clone());
            traces.insert(trace(record));
        }
    });
    Found {
        checked,
        logs,
        traces,
    }
}

/// Returns a hash of the order that is the same for equivalent orders: of its events with their causes
/// and values.
fn trace(record: &OrderRecord) -> u64 {
    let mut counts: Vec<(Actor, u64)> = Vec::new();
    let mut names = Vec::new();
    for event in &record.events {
        let known = counts.iter_mut().find(|(actor, _)| *actor == event.actor);
        let number = match known {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                counts.push((event.actor, 0));
                0
            }
        };
        names.push((event.actor, number));
    }
    let causes = happens_before(&record.events, nothing);
    let mut events: Vec<u64> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let before = (0..index).filter(|earlier| causes[index][*earlier]);
        let mut before: Vec<_> = before.map(|earlier| names[earlier]).collect();
        before.sort_unstable();
        events.push(hash(&(name, before)));
    }
    events.sort_unstable();
    let values = record
        .points
        .iter()
        .filter_map(|point| match point.alternatives {
            Alternatives::Values(_) => Some((names[point.begun - 1], point.answer)),
            Alternatives::Events(_) => None,
        });
    let mut values: Vec<_> = values.collect();
    values.sort_by_key(|(name, _)| *name); // by their events, keeping the order within each
    hash(&(events, values))
}

/// The most runs of a program without the reduction; larger programs are left out.
const MOST_RUNS: u64 = 100;

/// Calls `check` with `count` generated programs, the runs of all of their orders, and their numbers.
fn generated(count: usize, mut check: impl FnMut(usize, &Program, &Found)) {
    let mut draw = Draw(1);
    let mut checked = 0;
    for number in 0.. {
        let program = draw.program();
        let all = search(&program, Reduction::Off, nothing);
        if all.checked.is_complete() {
            check(number, &program, &all);
            checked += 1;
        }
        if checked == count {
            return;
        }
    }
}

#[test]
fn the_reduction_finds_the_same_logs_and_runs_each_equivalence_class_once() {
    let _limit = long_limit();
    let (mut runs, mut reduced_runs) = (0, 0);
    generated(200, |number, program, all| {
        let reduced = search(program, Reduction::On, nothing);
        let name = format!("program {number}: {program:?}");
        assert!(reduced.checked.is_complete(), "{name}");
        assert_eq!(reduced.logs, all.logs, "the logs of {name}");
        assert_eq!(reduced.traces, all.traces, "the classes of {name}");
        let count = reduced.checked.count();
        assert_eq!(count, all.traces.len() as u64, "the orders of {name}");
        runs += all.checked.runs();
        reduced_runs += reduced.checked.runs();
    });
    assert!(reduced_runs < runs);
}

/// What is taken as independent, and its keys.
type Planted = (&'static str, fn(Key) -> bool);

/// Ignores each kind of key in turn: the comparison above must notice it.
#[test]
fn an_unsound_independence_is_noticed() {
    let _limit = long_limit();
    let planted: [Planted; 6] = [
        ("logs", |key| matches!(key, Key::Log(_))),
        ("declared state", |key| matches!(key, Key::Declared(_))),
        ("the rest of a turn", |key| key == Key::Turn),
        ("timers", |key| key == Key::Timers),
        ("simulated completions", |key| key == Key::Simulated),
        ("threads of the pool", |key| key == Key::Pool),
    ];
    let mut noticed = [false; 6];
    generated(60, |_, program, all| {
        for (noticed, (_, is_ignored)) in noticed.iter_mut().zip(planted) {
            *noticed = *noticed || {
                let reduced = search(program, Reduction::On, is_ignored);
                reduced.logs != all.logs || reduced.traces != all.traces
            };
        }
    });
    for (noticed, (name, _)) in noticed.iter().zip(planted) {
        assert!(
            noticed,
            "nothing notices that {name} are taken as independent"
        );
    }
}

/// What the jobs of a program use, by which they depend on each other.
#[derive(Debug, Clone, Copy)]
enum Uses {
    /// Each job has a cell of its own.
    OwnCell,
    /// Two jobs share a cell.
    CellOfTwo,
    /// The first job changes a cell that the others read.
    ReadOfOne,
    /// Each job starts another one, with a cell for both.
    OwnChain,
}

/// The number of runs for `count` jobs.
fn runs_of_jobs(uses: Uses, count: usize, reduction: Reduction) -> u64 {
    let body = async |t: Test| {
        let cells: Vec<Shared<usize>> = (0..count).map(Shared::new).collect();
        for job in 0..count {
            let cell = match uses {
                Uses::OwnCell | Uses::OwnChain => cells[job].clone(),
                Uses::CellOfTwo => cells[job / 2].clone(),
                Uses::ReadOfOne => cells[0].clone(),
            };
            queue_work(
                || (),
                move |()| match uses {
                    Uses::ReadOfOne if job > 0 => assert!(*cell.borrow() < 2),
                    Uses::OwnChain => drop(queue_work(|| (), move |()| *cell.borrow_mut() += 1)),
                    _ => *cell.borrow_mut() += 1,
                },
            );
        }
        t.until_idle().await;
    };
    let builder = TestBuilder::new()
        .declared_state()
        .blocking_threads(2 * count);
    let search = Search::new(reduction, nothing);
    let checked = builder.search_all(search, body, |_| ());
    checked.assert_complete();
    checked.runs()
}

#[test]
fn jobs_that_share_little_need_at_least_ten_times_fewer_runs() {
    let _limit = long_limit();
    let expected = [
        (Uses::OwnCell, 5, 120, 1),
        (Uses::CellOfTwo, 6, 720, 8),
        (Uses::ReadOfOne, 6, 720, 32),
    ];
    for (uses, count, all, classes) in expected {
        let runs = runs_of_jobs(uses, count, Reduction::Off);
        assert_eq!(runs, all, "{uses:?} without the reduction");
        let reduced = runs_of_jobs(uses, count, Reduction::On);
        assert!(
            reduced >= classes && 10 * reduced <= all,
            "{uses:?}: {reduced}"
        );
    }
    // Jobs that are submitted keep their order, because the pool starts them in it.
    let chains = runs_of_jobs(Uses::OwnChain, 3, Reduction::Off);
    assert_eq!(chains, 90);
    assert!(runs_of_jobs(Uses::OwnChain, 3, Reduction::On) < chains);
}
