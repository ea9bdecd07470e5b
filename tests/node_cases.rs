//! Runs the programs of the case format through the public API and compares their traces with those
//! that Node printed.
//!
//! The recorded cases are in `tests/node/cases`; the format is in `tests/node/FORMAT.md`. Each is run
//! under the rules of every release of Node whose trace it has. When `NODELOOP_CASES` names directories
//! (separated by `:`), every `*.json` in them is run as well, under the rules of the release that
//! `NODELOOP_NODE` names (20, 22, 24 or 26; 20 by default), which must be the one that printed the traces.
//! It has no effect on the recorded cases; without `NODELOOP_CASES` that is printed.
//! Every case is then run again with an observer, and under some seeds of an exploration, which must not
//! change the trace. `NODELOOP_SEEDS` is their number (3 by default). An empty variable counts as unset.
//!
//! The last line is `N of M cases match`; a case that cannot be read is a failure.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::Write;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use common::limit::{limit_of_case, watch};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use nodeloop::observe::{Event, EventContext};
use nodeloop::promise::{
    self, AggregateError, Next, PromiseError, Rejected, SelfResolution, SharedTryPromise,
    TryResolver,
};
use nodeloop::{EventLoop, ImmediateHandle, NodeRelease, Seed, TimeoutHandle, time};
use serde_json::Value as Json;

#[test]
fn the_cases_print_what_node_printed() {
    let seeds = variable("NODELOOP_SEEDS").map_or(3, |count| count.parse().unwrap());
    let (mut matching, mut total) = (0, 0);
    for (file, release) in case_files() {
        let cases = match read_cases(&file, release) {
            Ok(cases) => cases,
            Err(error) => {
                println!("{}: cannot be read: {error}", file.display());
                total += 1;
                continue;
            }
        };
        for case in cases {
            total += 1;
            matching += usize::from(matches(&file, &case, seeds));
        }
    }
    println!("{matching} of {total} cases match");
    assert!(
        matching == total && total > 0,
        "{matching} of {total} cases match"
    );
}

/// How a case is run.
#[derive(Clone, Copy)]
enum How {
    Plain,
    /// With an observer, for which nothing takes a shorter way.
    Observed,
    /// Under a seed.
    Explored(u64),
}

/// Runs a case in each way. Returns whether every run prints the trace.
fn matches(file: &Path, case: &Case, seeds: u64) -> bool {
    let explored = (1..=seeds).map(How::Explored);
    let ways = [How::Plain, How::Observed].into_iter().chain(explored);
    let outcomes = ways.map(|how| {
        let (file, node) = (file.display(), case.node.major());
        let name = match how {
            How::Plain => format!("{file}, Node {node}"),
            How::Observed => format!("{file}, Node {node}, with an observer"),
            How::Explored(seed) => format!("{file}, Node {node}, seed {seed}"),
        };
        let _limit = limit_of_case(&name);
        match run_case(case, how) {
            Ok(trace) if trace == case.expect => return true,
            Ok(trace) => report(&name, &case.expect, &trace),
            Err(error) => println!("{name}: {error}"),
        }
        false
    });
    outcomes.fold(true, |all, matches| all & matches)
}

/// A program and the trace that a release prints for it.
struct Case {
    node: NodeRelease,
    main: Json,
    expect: Vec<String>,
}

/// A variable of the environment; `None` if it is empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The release that printed the traces in the directories of `NODELOOP_CASES`.
fn release_of_fresh_cases() -> NodeRelease {
    let Some(major) = variable("NODELOOP_NODE") else {
        return NodeRelease::V20;
    };
    let release = major.parse().ok().and_then(NodeRelease::from_major);
    release.unwrap_or_else(|| panic!("NODELOOP_NODE is {major}: set it to 20, 22, 24 or 26"))
}

/// The recorded cases, and those of `NODELOOP_CASES`, sorted by name within a directory, with the
/// release to run the latter under.
fn case_files() -> Vec<(PathBuf, Option<NodeRelease>)> {
    let fresh = release_of_fresh_cases();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/cases");
    let more = variable("NODELOOP_CASES");
    if more.is_none() && variable("NODELOOP_NODE").is_some() {
        let notice = "NODELOOP_NODE has no effect: it is the release of the programs in NODELOOP_CASES, which is not set\n";
        let _ = std::io::stderr().lock().write_all(notice.as_bytes()); // is not captured
    }
    let more = more.unwrap_or_default();
    let more = more
        .split(':')
        .filter(|name| !name.is_empty())
        .map(|name| (PathBuf::from(name), Some(fresh)));
    let mut files = Vec::new();
    for (directory, release) in std::iter::once((recorded, None)).chain(more) {
        let entries = std::fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("no cases in {}: {error}", directory.display()));
        let mut here: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        here.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        });
        here.sort();
        files.extend(here.into_iter().map(|file| (file, release)));
    }
    files
}

/// Reads the case of a file for one release, or for every release that has run it.
fn read_cases(file: &Path, release: Option<NodeRelease>) -> Result<Vec<Case>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let json: Json = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if json["format"] != 1 {
        return Err(format!("format {} is not known", json["format"]));
    }
    let releases = match release {
        Some(release) => vec![release],
        None => {
            let listed = json["releases"].as_array().ok_or("no list `releases`")?;
            let known = |major: &Json| NodeRelease::from_major(major.as_u64()? as u32);
            let releases = listed.iter().map(known).collect::<Option<Vec<_>>>();
            releases.ok_or("`releases` names an unknown release")?
        }
    };
    let cases = releases.into_iter().map(|node| {
        Ok(Case {
            node,
            main: json["main"].clone(),
            expect: trace_of(&json, node)?,
        })
    });
    cases.collect()
}

/// The trace that a release prints: that of the last release up to it with a trace of its own.
fn trace_of(case: &Json, node: NodeRelease) -> Result<Vec<String>, String> {
    let up_to = NodeRelease::ALL
        .iter()
        .rev()
        .filter(|other| **other <= node);
    let own = up_to.map(|other| &case["expectIn"][other.major().to_string()]);
    let labels = own.chain([&case["expect"]]).find_map(Json::as_array);
    let labels = labels.ok_or("no list `expect`")?.iter();
    let labels = labels.map(|label| label.as_str().map(str::to_owned));
    let labels = labels.collect::<Option<Vec<_>>>();
    labels.ok_or_else(|| "`expect` is no list of strings".to_owned())
}

fn report(name: &str, expected: &[String], actual: &[String]) {
    let first = expected
        .iter()
        .zip(actual)
        .take_while(|(a, b)| a == b)
        .count();
    println!("{name}: differs at label {}", first + 1);
    println!("  Node:     {}", marked(expected, first));
    println!("  nodeloop: {}", marked(actual, first));
}

fn marked(trace: &[String], first: usize) -> String {
    let labels = trace.iter().enumerate();
    let marked = labels.map(|(i, label)| {
        if i == first {
            format!(">>{label}<<")
        } else {
            label.clone()
        }
    });
    marked.collect::<Vec<_>>().join(" ")
}

/// Runs the case once: a new loop with a new virtual clock, the listeners, and the main script.
fn run_case(case: &Case, how: How) -> Result<Vec<String>, String> {
    let program = Rc::new(Program::default());
    let builder = EventLoop::builder().node(case.node).virtual_time();
    let builder = match how {
        How::Plain => builder,
        How::Observed => builder.observer(|_: &Event, _: &EventContext<'_>| {}),
        How::Explored(seed) => builder.seed(Seed::new(seed)),
    };
    let mut event_loop = builder.build().map_err(|e| e.to_string())?;
    watch(event_loop.handle());
    let (running, main) = (program.clone(), case.main.clone());
    let result = event_loop.run_script(move || {
        running.listen();
        throwing(running.body(&main));
    });
    result.map_err(|error| error.to_string())?;
    drop(event_loop);
    Ok(program.trace.take())
}

/// A JavaScript value of the format.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Undefined,
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Fulfilled(Box<Value>),
    Rejected(Box<Value>),
    Aggregate(Vec<Value>),
    TypeError,
}

impl Value {
    fn of(json: &Json) -> Value {
        match json {
            Json::Number(number) => Value::Int(number.as_i64().expect("an integer")),
            Json::String(text) => Value::Text(text.clone()),
            other => panic!("{other} is not a value of the format"),
        }
    }

    /// `fmt` of the format.
    fn fmt(&self) -> String {
        let list = |values: &[Value]| values.iter().map(Value::fmt).collect::<Vec<_>>().join(",");
        match self {
            Value::Undefined => "undefined".into(),
            Value::Int(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::List(values) => format!("[{}]", list(values)),
            Value::Fulfilled(value) => format!("{{ok:{}}}", value.fmt()),
            Value::Rejected(reason) => format!("{{err:{}}}", reason.fmt()),
            Value::Aggregate(errors) => format!("AggregateError[{}]", list(errors)),
            Value::TypeError => "TypeError".into(),
        }
    }
}

type Promise = SharedTryPromise<Value, Value>;

/// A value that a statement has thrown.
type Thrown<T> = Result<T, Value>;

/// Turns a throw that leaves a callback into an uncaught error.
fn throwing(result: Thrown<()>) {
    if let Err(value) = result {
        resume_unwind(Box::new(Throw(value)));
    }
}

/// The payload of a thrown value.
struct Throw(Value);

fn reason(rejected: Rejected<Value>) -> Value {
    match rejected {
        Rejected::Error(value) => value,
        Rejected::Failed(PromiseError::SelfResolution) => Value::TypeError,
        Rejected::Failed(failure) => panic!("no case panics or aborts: {failure}"),
    }
}

#[derive(Default)]
struct Program {
    trace: RefCell<Vec<String>>,
    promises: RefCell<HashMap<i64, Promise>>,
    resolvers: RefCell<HashMap<i64, TryResolver<Value, Value>>>,
    timers: RefCell<HashMap<i64, TimeoutHandle>>,
    immediates: RefCell<HashMap<i64, ImmediateHandle>>,
}

/// How the steps of an async function ended.
enum Left {
    AtTheEnd,
    Return(Value),
    ReturnPromise(Promise),
}

impl Program {
    fn log(&self, label: impl Into<String>) {
        self.trace.borrow_mut().push(label.into());
    }

    fn listen(self: &Rc<Self>) {
        let program = self.clone();
        nodeloop::on_unhandled_rejection(move |rejection| {
            let text = rejection.with_reason(|reason| {
                if let Some(value) = reason.downcast_ref::<Value>() {
                    value.fmt()
                } else if reason.is::<SelfResolution>() {
                    Value::TypeError.fmt()
                } else {
                    format!("?{reason:?}")
                }
            });
            program.log(format!("unhandled:{text}"));
        });
        let program = self.clone();
        nodeloop::on_rejection_handled(move |_| program.log("handled"));
        let program = self.clone();
        nodeloop::on_uncaught(move |error| {
            error
                .payload()
                .with_payload(|payload| match payload.downcast_ref::<Throw>() {
                    Some(Throw(value)) => program.log(format!("uncaught:{}", value.fmt())),
                    None => program.log(format!("uncaught:?{error}")),
                });
        });
        let program = self.clone();
        let first = Cell::new(true);
        nodeloop::on_before_exit(move || {
            if first.replace(false) {
                program.log("beforeExit");
            }
        });
        let program = self.clone();
        nodeloop::on_exit(move |_| program.log("exit"));
    }

    /// The statements of a body, one after the other.
    fn body(self: &Rc<Self>, body: &Json) -> Thrown<()> {
        for statement in body.as_array().expect("a body is a list") {
            self.statement(statement)?;
        }
        Ok(())
    }

    /// `() => { …body… }`
    fn callback(self: &Rc<Self>, body: &Json) -> impl FnMut() + 'static {
        let (program, body) = (self.clone(), body.clone());
        move || throwing(program.body(&body))
    }

    fn statement(self: &Rc<Self>, statement: &Json) -> Thrown<()> {
        let at = |index: usize| &statement[index];
        let id = |index: usize| statement[index].as_i64().expect("an id");
        match statement[0]
            .as_str()
            .expect("a statement begins with its name")
        {
            "log" => self.log(at(1).as_str().expect("a label")),
            "tick" => nodeloop::next_tick(self.callback(at(1))),
            "micro" => nodeloop::queue_microtask(self.callback(at(1))),
            "timeout" => {
                let timer = nodeloop::set_timeout_mut(delay(at(2)), self.callback(at(3)));
                self.timers.borrow_mut().insert(id(1), timer);
            }
            "interval" => self.interval(id(1), delay(at(2)), id(3), at(4)),
            "clearTimeout" | "clearInterval" => self.with_timer(id(1), |timer| timer.clear()),
            "refresh" => self.with_timer(id(1), |timer| _ = timer.refresh()),
            "ref" => self.with_timer(id(1), |timer| _ = timer.ref_()),
            "unref" => self.with_timer(id(1), |timer| _ = timer.unref()),
            "immediate" => {
                let immediate = nodeloop::set_immediate(self.callback(at(2)));
                self.immediates.borrow_mut().insert(id(1), immediate);
            }
            "clearImmediate" => self.with_immediate(id(1), |immediate| immediate.clear()),
            "refImmediate" => self.with_immediate(id(1), |immediate| _ = immediate.ref_()),
            "unrefImmediate" => self.with_immediate(id(1), |immediate| _ = immediate.unref()),
            "spin" => time::block_for(Duration::from_millis(id(1) as u64)),
            "io" => time::simulate_completion(Duration::ZERO, self.callback(at(1))),
            "throw" => return Err(Value::of(at(1))),
            "defer" => {
                let (promise, resolvers) = promise::try_with_resolver();
                self.resolvers.borrow_mut().insert(id(1), resolvers);
                self.put(id(1), promise.shared());
            }
            "resolve" => {
                self.try_with_resolver(id(1), |resolvers| resolvers.resolve(Value::of(at(2))))
            }
            "reject" => {
                self.try_with_resolver(id(1), |resolvers| resolvers.reject(Value::of(at(2))))
            }
            "adopt" => {
                self.try_with_resolver(id(1), |resolvers| resolvers.resolve_with(self.get(id(2))));
            }
            "resolved" => self.put(id(1), promise::resolve(Value::of(at(2))).shared()),
            "rejected" => self.put(id(1), promise::reject(Value::of(at(2))).shared()),
            "then" => self.then(id(1), id(2), at(3), at(4)),
            "finally" if at(3).is_null() => self.then(id(1), id(2), at(3), at(3)),
            "finally" => {
                let handler = self.handler(at(3), false);
                let handler = move || handler(Value::Undefined);
                self.put(id(1), self.get(id(2)).finally(handler).shared());
            }
            "all" => {
                let all = promise::all(self.members(at(2)));
                self.put(id(1), all.map(|result| result.map(Value::List)).shared());
            }
            "allSettled" => {
                let settled = promise::all_settled(self.members(at(2))).map(|entries| {
                    let entry = |entry| match entry {
                        Ok(value) => Value::Fulfilled(Box::new(value)),
                        Err(rejected) => Value::Rejected(Box::new(reason(rejected))),
                    };
                    Ok(Value::List(entries.into_iter().map(entry).collect()))
                });
                self.put(id(1), settled.tracked().shared());
            }
            "race" => self.put(id(1), promise::race(self.members(at(2))).shared()),
            "any" => {
                let any = promise::any(self.members(at(2))).map(|result| {
                    result.map_err(|AggregateError { errors }| {
                        Value::Aggregate(errors.into_iter().map(reason).collect())
                    })
                });
                self.put(id(1), any.shared());
            }
            "async" => self.call_async(id(1), at(2)),
            other => panic!("`{other}` is not a statement of the format"),
        }
        Ok(())
    }

    fn interval(self: &Rc<Self>, id: i64, period: Duration, times: i64, body: &Json) {
        let timer: Rc<RefCell<Option<TimeoutHandle>>> = Rc::default();
        let own = timer.clone();
        let mut callback = self.callback(body);
        let mut calls = 0;
        let interval = nodeloop::set_interval(period, move || {
            calls += 1;
            if calls == times {
                own.borrow().as_ref().expect("it is running").clear();
            }
            callback();
        });
        *timer.borrow_mut() = Some(interval.clone());
        self.timers.borrow_mut().insert(id, interval);
    }

    fn then(self: &Rc<Self>, id: i64, source: i64, on_ok: &Json, on_err: &Json) {
        let on_ok = (!on_ok.is_null()).then(|| self.handler(on_ok, true));
        let on_err = (!on_err.is_null()).then(|| self.handler(on_err, true));
        let fulfilled = move |value| match on_ok {
            Some(handler) => handler(value),
            None => Next::Fulfil(value),
        };
        let rejected = move |rejected| match on_err {
            Some(handler) => handler(reason(rejected)),
            None => Next::Reject(reason(rejected)),
        };
        self.put(
            id,
            self.get(source)
                .then_or_else_any(fulfilled, rejected)
                .shared(),
        );
    }

    /// `H` (with its argument in the label) and `F` of the format.
    fn handler(
        self: &Rc<Self>,
        handler: &Json,
        with_argument: bool,
    ) -> impl FnOnce(Value) -> Next<Value, Value> + 'static {
        let (program, handler) = (self.clone(), handler.clone());
        move |argument| {
            let label = handler["label"].as_str().expect("a label");
            if with_argument {
                program.log(format!("{label}:{}", argument.fmt()));
            } else {
                program.log(label);
            }
            if let Err(value) = program.body(&handler["body"]) {
                return Next::Reject(value);
            }
            let ret = &handler["ret"];
            match ret[0].as_str() {
                Some("value") => Next::Fulfil(Value::of(&ret[1])),
                Some("promise") => Next::follow(program.get(ret[1].as_i64().expect("an id"))),
                Some("throw") => Next::Reject(Value::of(&ret[1])),
                _ => panic!("`{ret}` is not an ending of a handler"),
            }
        }
    }

    /// `P[id] = (async () => { …steps… })()`
    fn call_async(self: &Rc<Self>, id: i64, steps: &Json) {
        let (promise, resolvers) = promise::try_with_resolver();
        let (program, steps) = (self.clone(), steps.clone());
        drop(nodeloop::spawn(async move {
            match program.steps(&steps).await {
                Ok(Left::AtTheEnd) => resolvers.resolve(Value::Undefined),
                Ok(Left::Return(value)) => resolvers.resolve(value),
                Ok(Left::ReturnPromise(promise)) => resolvers.resolve_with(promise),
                Err(reason) => resolvers.reject(reason),
            }
        }));
        self.put(id, promise.shared());
    }

    fn steps<'a>(self: &'a Rc<Self>, steps: &'a Json) -> LocalBoxFuture<'a, Thrown<Left>> {
        async move {
            for step in steps.as_array().expect("steps are a list") {
                let id = |index: usize| step[index].as_i64().expect("an id");
                let label = || step[1].as_str().expect("a label");
                match step[0].as_str().expect("a step begins with its name") {
                    "await" => {
                        let value = match self.get(id(2)).settled().await {
                            Ok(result) => result?,
                            Err(failure) => return Err(reason(Rejected::Failed(failure))),
                        };
                        self.log(format!("{}:{}", label(), value.fmt()));
                    }
                    "awaitValue" => {
                        let value = promise::ready(Value::of(&step[2])).await;
                        self.log(format!("{}:{}", label(), value.fmt()));
                    }
                    "sleep" => {
                        time::sleep(delay(&step[2])).await;
                        self.log(label());
                    }
                    "yieldImmediate" => {
                        nodeloop::yield_now().await;
                        self.log(label());
                    }
                    "try" => {
                        let left = match self.steps(&step[2]).await {
                            Ok(left) => left,
                            Err(value) => {
                                self.log(format!("{}:{}", label(), value.fmt()));
                                self.steps(&step[3]).await?
                            }
                        };
                        if !matches!(left, Left::AtTheEnd) {
                            return Ok(left);
                        }
                    }
                    "return" => return Ok(Left::Return(Value::of(&step[1]))),
                    "returnPromise" => return Ok(Left::ReturnPromise(self.get(id(1)))),
                    _ => self.statement(step)?,
                }
            }
            Ok(Left::AtTheEnd)
        }
        .boxed_local()
    }

    fn get(&self, id: i64) -> Promise {
        self.promises
            .borrow()
            .get(&id)
            .expect("a promise is made before it is used")
            .clone()
    }

    fn put(&self, id: i64, promise: Promise) {
        let before = self.promises.borrow_mut().insert(id, promise);
        drop(before);
    }

    fn members(&self, ids: &Json) -> Vec<Promise> {
        let ids = ids.as_array().expect("a list of ids").iter();
        ids.map(|id| self.get(id.as_i64().expect("an id")))
            .collect()
    }

    fn with_timer(&self, id: i64, act: impl FnOnce(&TimeoutHandle)) {
        let timer = self.timers.borrow().get(&id).cloned();
        if let Some(timer) = timer {
            act(&timer);
        }
    }

    fn with_immediate(&self, id: i64, act: impl FnOnce(&ImmediateHandle)) {
        let immediate = self.immediates.borrow().get(&id).cloned();
        if let Some(immediate) = immediate {
            act(&immediate);
        }
    }

    fn try_with_resolver(&self, id: i64, act: impl FnOnce(&TryResolver<Value, Value>)) {
        let resolvers = self.resolvers.borrow().get(&id).cloned();
        if let Some(resolvers) = resolvers {
            act(&resolvers);
        }
    }
}

/// Milliseconds of the format: fractional, zero or negative.
fn delay(ms: &Json) -> Duration {
    Duration::from_millis(ms.as_f64().expect("milliseconds").trunc().max(0.0) as u64)
}
