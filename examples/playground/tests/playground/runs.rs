//! What runs answer: the output, and the data of the replay.

use serde_json::{Value, json};

use super::limit::limit;
use super::{Playground, Run};

const PROGRAM: &str = "console.log('start');
setTimeout(() => console.log('timer'), 5);
process.nextTick(() => console.log('tick'));
Promise.resolve().then(() => console.log('then 1'))
  .then(() => console.log('then 2'));
(async () => {
  await null;
  console.log('after await');
})();
queueMicrotask(() => console.log('microtask'));
function inner() { console.log('in a function'); }
inner();
";

/// The events as short texts: what happens, to what, in which line.
fn story(run: &Run) -> Vec<String> {
    let locations = &run.0["recording"]["locations"];
    let line = |index: &Value| {
        let at = index
            .as_u64()
            .map(|index| locations[index as usize][1].clone());
        at.map_or(String::new(), |line| format!(" {line}"))
    };
    let events = run.events().iter().filter_map(|event| {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        match event["e"].as_str()? {
            "add" => Some(format!("add {}{}", text("k"), line(&event["loc"]))),
            "call" => Some(format!("call {}{}", text("as"), line(&event["at"]))),
            "log" => Some(format!("log {}{}", text("text"), line(&event["loc"]))),
            _ => None,
        }
    });
    events.collect()
}

#[test]
fn the_replay_has_both_queues_and_the_lines_of_the_program() {
    let _limit = limit();
    let run = Playground::start().run(PROGRAM);
    assert_eq!(
        story(&run),
        [
            "call main 1",
            "log start 1",
            "add set_timeout 2",
            "add next_tick 3",
            "add reaction 4",
            "add reaction 9", // the `await`, at the call of the async function
            "add queue_microtask 10",
            "log in a function 11",
            "call tick 3",
            "log tick 3",
            "call microtask 4",
            "log then 1 4",
            "add reaction 5", // the second `then`, when the first has returned
            "call microtask 8",
            "log after await 8",
            "call microtask 10",
            "log microtask 10",
            "call microtask 5",
            "log then 2 5",
            "call macrotask 2",
            "log timer 2",
        ]
    );
    let in_function = run
        .events()
        .iter()
        .find(|event| event["text"] == "in a function");
    assert_eq!(in_function.unwrap()["calls"][0][0], "inner");
    assert_eq!(run.0["recording"]["sources"]["program.js"][10][0], 11);
    let last = run.events().last().unwrap();
    assert_eq!((&last["e"], &last["code"]), (&json!("end"), &json!(0)));
}

#[test]
fn every_job_that_runs_was_queued_once_before() {
    let _limit = limit();
    let run = Playground::start().run(
        "const all = []; for (let at = 0; at < 20; at += 1) all.push((async () => { \
           await null; await new Promise((resolve) => setTimeout(resolve, at % 3)); \
           await Promise.reject(at).catch(() => {}); return Promise.resolve(at); })()); \
         Promise.all(all).then(console.log); Promise.race(all).finally(() => process.nextTick(() => {}));",
    );
    let mut waiting = Vec::new();
    for event in run.events() {
        match event["e"].as_str() {
            Some("add") => waiting.push(event["id"].clone()),
            Some("call") if event["as"] != "main" => {
                let at = waiting.iter().position(|id| *id == event["id"]);
                assert!(at.is_some(), "{event} was not queued");
                waiting.remove(at.unwrap());
            }
            _ => {}
        }
    }
    assert_eq!(
        waiting,
        Vec::<Value>::new(),
        "something was queued and did not run"
    );
    assert!(run.events().len() > 300);
}

#[test]
fn releases_modules_and_errors_are_as_in_node() {
    let _limit = limit();
    let playground = Playground::start();
    let program = include_str!("../../programs/release_timers.js");
    let of = |node: u64| {
        playground
            .run_with(program, &[("node", json!(node))])
            .text(1)
    };
    assert_eq!(of(20), "A\ntick\nB\nimmediate\nC\n");
    assert_eq!(of(22), "A\ntick\nimmediate\nB\nC\n");
    assert_eq!(of(26), of(22));
    let module = "const sleep = await import('timers/promises'); await sleep.setTimeout(5); console.log('done');";
    let run = playground.run_with(module, &[("module", json!(true))]);
    assert_eq!((run.text(1).as_str(), run.exit_code()), ("done\n", 0));
    let unsettled = playground.run_with("await new Promise(() => {});", &[("module", json!(true))]);
    assert_eq!(unsettled.exit_code(), 13);
    let failed = playground.run("process.on('exit', (code) => console.log(code)); null.x;");
    assert_eq!((failed.text(1).as_str(), failed.exit_code()), ("1\n", 1));
    let left = playground.run("console.log('a'); process.exit(3); console.log('b');");
    assert_eq!((left.text(1).as_str(), left.exit_code()), ("a\n", 3));
    assert_eq!(left.events().last().unwrap()["early"], true);
    let empty = playground.run("");
    assert_eq!((empty.text(1).as_str(), empty.exit_code()), ("", 0));
}

#[test]
fn what_is_printed_on_standard_error_is_told_apart() {
    let _limit = limit();
    let run = Playground::start().run("console.log('out'); console.error('err');");
    assert_eq!(
        (run.text(1).as_str(), run.text(2).as_str()),
        ("out\n", "err\n")
    );
    let lines: Vec<_> = run
        .events()
        .iter()
        .filter(|event| event["e"] == "log")
        .collect();
    assert_eq!(
        (&lines[0]["err"], &lines[1]["err"]),
        (&Value::Null, &json!(true))
    );
}
