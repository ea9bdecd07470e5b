//! Recordings of runs, and the page and the trace that are written from them.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit;
use nodeloop::host::set_step_label;
use nodeloop::recording::{self, Recording, print_line};
use nodeloop::{EventLoop, RunError, next_tick, on_uncaught, set_immediate, set_timeout, spawn};
use serde_json::Value;

mod program;

use program::run;

/// Runs `script` in virtual time and returns its recording.
fn record(recording: Recording, script: impl FnOnce() + 'static) -> Recording {
    let result = run(&recording, script);
    result.expect("the script succeeds");
    recording
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("writing to a vector cannot fail");
    String::from_utf8(bytes).expect("it is UTF-8")
}

fn data(recording: &Recording) -> Value {
    let json = text(|out| recording.write_json(out));
    serde_json::from_str(&json).expect("it is JSON")
}

fn page(recording: &Recording) -> String {
    text(|out| recording.write_html(out))
}

/// The events of the trace.
fn trace(recording: &Recording) -> Vec<Value> {
    let json = text(|out| recording.write_trace(out));
    let mut trace: Value = serde_json::from_str(&json).expect("it is JSON");
    match trace["traceEvents"].take() {
        Value::Array(events) => events,
        other => panic!("no array: {other}"),
    }
}

/// The values of `field` in the events that have it.
fn all<'a>(events: &'a Value, field: &str) -> Vec<&'a str> {
    let events = events["events"].as_array().expect("events");
    events
        .iter()
        .filter_map(|event| event[field].as_str())
        .collect()
}

#[test]
fn the_data_of_a_small_program_is_as_recorded() {
    let _limit = limit();
    let recording = Recording::new("a small program").without_sources();
    let json = text(|out| record(recording, program::script).write_json(out));
    let expected = include_str!("expected.json");
    if json != expected {
        let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recording.json");
        std::fs::write(&actual, &json).unwrap();
        panic!(
            "the recording differs: diff tests/kit/recording/expected.json {}",
            actual.display()
        );
    }
}

#[test]
fn what_is_queued_is_called_or_cleared_once() {
    let _limit = limit();
    let data = data(&record(Recording::new("queues"), program::script));
    let mut waiting: HashMap<i64, &Value> = HashMap::new();
    let mut stack = Vec::new();
    for event in data["events"].as_array().unwrap() {
        let id = event["id"].as_i64();
        match event["e"].as_str().unwrap() {
            "add" => assert!(waiting.insert(id.unwrap(), event).is_none(), "{event}"),
            "cancel" => assert!(waiting.remove(&id.unwrap()).is_some(), "{event}"),
            "call" => {
                waiting.remove(&id.unwrap());
                stack.push(id);
            }
            "return" => assert_eq!(stack.pop(), Some(id), "{event}"),
            "drain" | "drained" | "phase" | "sleep" => assert!(stack.is_empty(), "{event}"),
            _ => {}
        }
    }
    assert!(waiting.is_empty() && stack.is_empty());
    assert_eq!(
        all(&data, "text"),
        ["script", "microtask", "task", "immediate", "timer"]
    );
}

#[test]
fn the_page_is_one_file_that_refers_to_nothing() {
    let _limit = limit();
    let recording = record(Recording::new("<i>title</i>"), program::script);
    let page = page(&recording);
    for reference in [
        "http:",
        "https:",
        "src=",
        "href=",
        "url(",
        "@import",
        "<link",
        "<img",
        "<iframe",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "import(",
    ] {
        assert!(!page.contains(reference), "the page has `{reference}`");
    }
    assert!(
        page.contains("default-src 'none'"),
        "the policy forbids all other sources"
    );
    assert!(page.contains("<title>&lt;i&gt;title&lt;/i&gt;</title>"));
    assert!(!page.contains("{{"), "every placeholder is replaced");
    let own = page.len() - text(|out| recording.write_json(out)).len();
    assert!(own < 60_000, "the page without its data has {own} bytes");
}

#[test]
fn printed_text_cannot_end_the_data() {
    let _limit = limit();
    let evil = "</script><script>alert('{{title}}')</script><!--";
    let recording = record(Recording::new(evil), move || print_line(evil));
    let page = page(&recording);
    assert_eq!(page.matches("</script>").count(), 2, "the page's own");
    let (_, rest) = page.split_once("id=\"recording\">").unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    let data: Value = serde_json::from_str(json).expect("it is JSON");
    assert_eq!(all(&data, "text"), [evil]);
    assert_eq!(data["title"], evil);
}

#[test]
fn the_lines_of_the_program_are_in_the_page_unless_they_are_omitted() {
    let _limit = limit();
    let recording = record(Recording::new("sources"), program::script);
    let lines = |data: &Value| -> Vec<String> {
        let files = data["sources"].as_object().unwrap();
        let lines = files.values().flat_map(|file| file.as_array().unwrap());
        lines
            .map(|line| line[1].as_str().unwrap().to_owned())
            .collect()
    };
    let wanted = r#"    println!("script");"#;
    assert!(lines(&data(&recording)).iter().any(|line| line == wanted));
    assert!(lines(&data(&recording.without_sources())).is_empty());
}

#[test]
fn labels_are_the_places_of_a_script() {
    let _limit = limit();
    let recording = Recording::new("labels");
    recording.add_source("app.js", "first line\nsecond line\n");
    let log = recording.clone();
    let recording = record(recording, move || {
        set_timeout(Duration::from_millis(5), || ()).set_label("app.js:1:7");
        next_tick(move || {
            set_step_label("app.js:2:3");
            log.log_labeled("printed", "app.js:2:9");
        });
        set_immediate(|| ()).set_label("a name");
    });
    let with_host = data(&recording);
    let immediate = |page: &Value| {
        let mut events = page["events"].as_array().unwrap().iter();
        events
            .find(|event| event["k"] == "set_immediate")
            .cloned()
            .unwrap()
    };
    assert!(
        immediate(&with_host)["loc"].is_u64(),
        "the label is no place"
    );
    assert_eq!(with_host["sources"].as_object().unwrap().len(), 3); // two of this test, and the script
    let again = recording.labels_only();
    let page = data(&again);
    assert!(immediate(&page)["loc"].is_null());
    let place = |event: &Value| {
        page["locations"][event["loc"].as_u64()? as usize]
            .as_array()
            .cloned()
    };
    let of_kind = |kind: &str| -> Vec<String> {
        let events = page["events"].as_array().unwrap().iter();
        let events = events.filter(|event| event["k"] == kind || event["e"] == kind);
        let places = events.map(|event| place(event).expect("it has a place"));
        places.map(|place| Value::from(place).to_string()).collect()
    };
    let both = |place: &str| vec![place.to_owned(), place.to_owned()];
    assert_eq!(of_kind("set_timeout"), both(r#"["app.js",1,7]"#));
    assert_eq!(of_kind("next_tick"), both(r#"["app.js",2,3]"#));
    assert_eq!(of_kind("log"), [r#"["app.js",2,9]"#]);
    assert_eq!(page["sources"]["app.js"][1][1], "second line");
    assert_eq!(page["sources"].as_object().unwrap().len(), 1);
    let spans = trace(&again);
    let names: Vec<_> = spans
        .iter()
        .filter_map(|event| event["name"].as_str())
        .collect();
    assert!(names.contains(&"set_timeout app.js:1"), "{names:?}");
    assert!(names.contains(&"next_tick app.js:2"), "{names:?}");
}

#[test]
fn a_trace_nests_and_its_times_increase() {
    let _limit = limit();
    let recording = record(Recording::new("trace"), program::script);
    let events = trace(&recording);
    let (mut open, mut last) = (Vec::new(), -1.0);
    let mut arrows: HashMap<i64, &str> = HashMap::new();
    let mut begun = Vec::new();
    for event in &events {
        let phase = event["ph"].as_str().unwrap();
        let time = event["ts"].as_f64().expect("a time in microseconds");
        assert!(time >= last, "{event}");
        last = time;
        assert_eq!((&event["pid"], &event["tid"]), (&1.into(), &1.into()));
        match phase {
            "B" => {
                // The name of a callback contains its location: `next_tick program.rs:31`.
                open.push(event["name"].as_str().unwrap().split(' ').next().unwrap());
                begun.push(*open.last().unwrap());
            }
            "E" => drop(open.pop().expect("each end has a begin")),
            "s" => assert_eq!(arrows.insert(event["id"].as_i64().unwrap(), "s"), None),
            "f" => assert_eq!(arrows.insert(event["id"].as_i64().unwrap(), "f"), Some("s")),
            "i" | "C" | "M" => {}
            other => panic!("an unknown phase: {other}"),
        }
    }
    assert!(open.is_empty(), "each begin has an end: {open:?}");
    let callbacks = [
        "main",
        "next_tick",
        "queue_microtask",
        "task",
        "set_immediate",
        "set_timeout",
    ];
    let order: Vec<&str> = begun
        .iter()
        .copied()
        .filter(|name| callbacks.contains(name))
        .collect();
    assert_eq!(order, callbacks);
    let unfinished = arrows.values().filter(|end| **end == "s").count();
    assert_eq!(unfinished, 1, "the timer that was cleared");
}

#[test]
fn a_recording_stops_at_its_limit_and_reports_it() {
    let _limit = limit();
    let chain = || {
        fn link(left: u32) {
            if left > 0 {
                next_tick(move || link(left - 1));
            }
        }
        link(1_000);
    };
    let recording = record(Recording::new("long").limit(100), chain);
    assert_eq!(recording.len(), 100);
    assert!(recording.omitted() > 2_000, "{}", recording.omitted());
    assert_eq!(data(&recording)["omitted"], recording.omitted());
    let begins = |phase: &str| {
        trace(&recording)
            .iter()
            .filter(|e| e["ph"] == phase)
            .count()
    };
    assert_eq!(begins("B"), begins("E"), "a truncated trace still nests");
    assert!(page(&recording).contains("\"omitted\""));
}

#[test]
fn a_panic_is_recorded_and_open_spans_are_closed() {
    let _limit = limit();
    let recording = Recording::new("panic");
    let result = run(&recording, || {
        set_timeout(Duration::from_millis(1), || panic!("as planned"));
        set_timeout(Duration::from_secs(9), || unreachable!("the run is over"));
    });
    assert!(matches!(result, Err(RunError::Uncaught(_))));
    assert!(all(&data(&recording), "how").contains(&"panicked"));
    assert_eq!(*all(&data(&recording), "e").last().unwrap(), "end");
    let begins = |phase: &str| {
        trace(&recording)
            .iter()
            .filter(|e| e["ph"] == phase)
            .count()
    };
    assert_eq!(begins("B"), begins("E"));

    let recording = record(Recording::new("handled"), || {
        on_uncaught(|_| {});
        set_immediate(|| panic!("as planned, and handled"));
    });
    assert!(all(&data(&recording), "how").contains(&"panicked"));
}

#[test]
fn a_task_returns_as_done_or_to_wait() {
    let _limit = limit();
    let recording = record(Recording::new("tasks"), || {
        spawn(async {}).detach();
        spawn(async { nodeloop::yield_now().await }).detach();
    });
    let data = data(&recording);
    let how: Vec<&str> = data["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["e"] == "return" && event["id"].as_i64() < Some(0))
        .map(|event| event["how"].as_str().unwrap())
        .collect();
    assert_eq!(how, ["done", "waits"]);
}

#[test]
fn only_the_output_of_the_recorded_loop_is_in_its_recording() {
    let _limit = limit();
    let (first, second) = (Recording::new("first"), Recording::new("second"));
    print_line("before any loop");
    record(first.clone(), || print_line("in the first"));
    record(second.clone(), || {
        print_line("in the second");
        std::thread::spawn(|| print_line("on a thread"))
            .join()
            .unwrap();
    });
    second.log("after its run");
    assert_eq!(all(&data(&first), "text"), ["in the first"]);
    assert_eq!(
        all(&data(&second), "text"),
        ["in the second", "after its run"]
    );
}

#[test]
fn a_recording_goes_on_with_the_next_run() {
    let _limit = limit();
    let recording = Recording::new("two runs");
    let event_loop = EventLoop::builder().observer(recording.clone());
    let mut event_loop = event_loop.build().unwrap();
    event_loop.run_script(|| print_line("one")).unwrap();
    event_loop.run_script(|| print_line("two")).unwrap();
    let data = data(&recording);
    assert_eq!(all(&data, "text"), ["one", "two"]);
    let ends = all(&data, "e");
    assert_eq!(ends.iter().filter(|kind| **kind == "begin").count(), 2);
    assert_eq!(ends.iter().filter(|kind| **kind == "end").count(), 2);
}

/// Formatting calls code of the program, which may spawn, print or panic.
#[test]
fn nothing_is_borrowed_while_a_text_is_formatted() {
    let _limit = limit();
    struct Nested(Rc<Cell<u32>>);
    impl std::fmt::Display for Nested {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.set(self.0.get() + 1);
            print_line("inside");
            f.write_str("outside")
        }
    }
    let formatted = Rc::new(Cell::new(0));
    let nested = Nested(formatted.clone());
    let recording = record(Recording::new("nested"), move || print_line(nested));
    assert_eq!(all(&data(&recording), "text"), ["inside", "outside"]);
    assert_eq!(formatted.get(), 1);
}

#[test]
fn files_are_written() {
    let _limit = limit();
    let folder = tempfile::tempdir().unwrap();
    let (html, json) = (folder.path().join("a.html"), folder.path().join("a.json"));
    let recording = record(Recording::new("files"), program::script);
    recording.save_html(&html).unwrap();
    recording.save_trace(&json).unwrap();
    assert_eq!(std::fs::read_to_string(html).unwrap(), page(&recording));
    assert!(
        std::fs::read_to_string(json)
            .unwrap()
            .contains("traceEvents")
    );
    assert!(
        recording
            .save_html(folder.path().join("no/folder"))
            .is_err()
    );
}

#[test]
fn each_run_of_this_thread_is_saved_while_the_guard_lives() {
    let _limit = limit();
    let folder = tempfile::tempdir().unwrap();
    let (html, json) = (folder.path().join("a.html"), folder.path().join("a.json"));
    let nothing = recording::record_to_files("nothing", None, None);
    nodeloop::run_script(|| {});
    assert!(nothing.recording().is_none());
    drop(nothing);

    let guard = recording::record_to_files("title", Some(&html), Some(&json));
    let recording = guard.recording().expect("there are files").clone();
    nodeloop::run_script(|| print_line("seen"));
    assert!(std::fs::read_to_string(&html).unwrap().contains("\"seen\""));
    assert!(std::fs::read_to_string(&json).unwrap().contains("\"seen\""));
    std::fs::remove_file(&html).unwrap();
    drop(guard);
    assert!(!html.exists(), "there are no new events");
    let events = recording.len();
    nodeloop::run_script(|| print_line("not seen"));
    assert_eq!(recording.len(), events);
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_the_run() {
    let _limit = limit();
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/a.html");
    for (html, trace) in [(Some(&*nowhere), None), (None, Some(folder.path()))] {
        let refused = std::panic::catch_unwind(|| recording::record_to_files("no", html, trace));
        let message = *refused.unwrap_err().downcast::<String>().unwrap();
        assert!(
            message.contains(" can't be written: ")
                && message.ends_with("; pass a file in a directory that can be written to"),
            "{message}"
        );
    }
    let html = folder.path().join("a.html");
    let twice =
        std::panic::catch_unwind(|| recording::record_to_files("no", Some(&html), Some(&html)));
    let message = *twice.unwrap_err().downcast::<String>().unwrap();
    let expected = format!(
        "the page and the trace have the same file, {}; pass one for each",
        html.display()
    );
    assert_eq!(message, expected);
    std::fs::write(&html, "old").unwrap();
    drop(recording::record_to_files("yes", Some(&html), None));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "the check leaves no file");
}

#[test]
fn events_before_the_process_exits_are_saved() {
    let _limit = limit();
    let folder = tempfile::tempdir().unwrap();
    let html = folder.path().join("a.html");
    let guard = recording::record_to_files("exit", Some(&html), None);
    let result = EventLoop::builder().build().unwrap().run_script(|| {
        print_line("the last line");
        nodeloop::exit(3);
    });
    assert!(matches!(result, Err(RunError::Exit(3))));
    // `std::process::exit` drops no guard.
    assert!(
        std::fs::read_to_string(&html)
            .unwrap()
            .contains("the last line")
    );
    drop(guard);
}
