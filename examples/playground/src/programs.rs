//! The programs that the page offers.

use serde_json::{Value, json};

/// A program: its name in the address, and its text. The first line of the text is its title.
struct Program {
    id: &'static str,
    group: &'static str,
    text: &'static str,
}

/// Returns the programs as JSON: `id`, `group`, `title`, `source` and `module` of each.
pub(crate) fn json() -> String {
    let programs: Value = PROGRAMS.iter().map(Program::json).collect();
    programs.to_string()
}

impl Program {
    fn json(&self) -> Value {
        let title = self.text.lines().next().unwrap_or_default();
        json!({
            "id": self.id,
            "group": self.group,
            "title": title.trim_start_matches("// ").trim_end_matches('.'),
            "source": self.text,
            "module": self.text.contains("\nimport "),
        })
    }
}

/// All programs, in an order to learn from.
const PROGRAMS: &[Program] = &[
    Program {
        id: "timeout",
        group: "The order of the loop",
        text: include_str!("../programs/timeout.js"),
    },
    Program {
        id: "call_stack",
        group: "The order of the loop",
        text: include_str!("../programs/call_stack.js"),
    },
    Program {
        id: "job_queue",
        group: "The order of the loop",
        text: include_str!("../programs/job_queue.js"),
    },
    Program {
        id: "phases",
        group: "The order of the loop",
        text: include_str!("../programs/phases.js"),
    },
    Program {
        id: "late_timer",
        group: "The order of the loop",
        text: include_str!("../programs/late_timer.js"),
    },
    Program {
        id: "starvation",
        group: "The order of the loop",
        text: include_str!("../programs/starvation.js"),
    },
    Program {
        id: "close",
        group: "The order of the loop",
        text: include_str!("../programs/close.js"),
    },
    Program {
        id: "tour",
        group: "The order of the loop",
        text: include_str!("../programs/tour.js"),
    },
    Program {
        id: "files",
        group: "Programs",
        text: include_str!("../programs/files.js"),
    },
    Program {
        id: "echo",
        group: "Programs",
        text: include_str!("../programs/echo.js"),
    },
    Program {
        id: "chat",
        group: "Programs",
        text: include_str!("../programs/chat.js"),
    },
    Program {
        id: "tail",
        group: "Programs",
        text: include_str!("../programs/tail.js"),
    },
    Program {
        id: "kitchen",
        group: "Programs",
        text: include_str!("../programs/kitchen.js"),
    },
    Program {
        id: "requests",
        group: "Programs",
        text: include_str!("../programs/requests.js"),
    },
    Program {
        id: "children",
        group: "Programs",
        text: include_str!("../programs/children.js"),
    },
    Program {
        id: "work_queue",
        group: "Programs",
        text: include_str!("../programs/work_queue.js"),
    },
    Program {
        id: "signals",
        group: "Programs",
        text: include_str!("../programs/signals.js"),
    },
    Program {
        id: "worker",
        group: "Programs",
        text: include_str!("../programs/worker.js"),
    },
    Program {
        id: "cluster",
        group: "Programs",
        text: include_str!("../programs/cluster.js"),
    },
    Program {
        id: "observing",
        group: "Programs",
        text: include_str!("../programs/observing.js"),
    },
    Program {
        id: "host_loop",
        group: "Programs",
        text: include_str!("../programs/host_loop.js"),
    },
    Program {
        id: "quiz_async",
        group: "Quizzes",
        text: include_str!("../programs/quiz_async.js"),
    },
    Program {
        id: "quiz_ticks",
        group: "Quizzes",
        text: include_str!("../programs/quiz_ticks.js"),
    },
    Program {
        id: "quiz_return",
        group: "Quizzes",
        text: include_str!("../programs/quiz_return.js"),
    },
    Program {
        id: "timeout_immediate",
        group: "Quizzes",
        text: include_str!("../programs/timeout_immediate.js"),
    },
    Program {
        id: "interval",
        group: "One thing at a time",
        text: include_str!("../programs/interval.js"),
    },
    Program {
        id: "unref",
        group: "One thing at a time",
        text: include_str!("../programs/unref.js"),
    },
    Program {
        id: "emitter",
        group: "One thing at a time",
        text: include_str!("../programs/emitter.js"),
    },
    Program {
        id: "abort",
        group: "One thing at a time",
        text: include_str!("../programs/abort.js"),
    },
    Program {
        id: "generators",
        group: "One thing at a time",
        text: include_str!("../programs/generators.js"),
    },
    Program {
        id: "module",
        group: "One thing at a time",
        text: include_str!("../programs/module.js"),
    },
    Program {
        id: "rejections",
        group: "One thing at a time",
        text: include_str!("../programs/rejections.js"),
    },
    Program {
        id: "uncaught",
        group: "One thing at a time",
        text: include_str!("../programs/uncaught.js"),
    },
    Program {
        id: "release_timers",
        group: "Releases of Node",
        text: include_str!("../programs/release_timers.js"),
    },
    Program {
        id: "release_errors",
        group: "Releases of Node",
        text: include_str!("../programs/release_errors.js"),
    },
    Program {
        id: "bug_perry",
        group: "Bugs of other runtimes",
        text: include_str!("../programs/bug_perry.js"),
    },
    Program {
        id: "bug_bun",
        group: "Bugs of other runtimes",
        text: include_str!("../programs/bug_bun.js"),
    },
    Program {
        id: "bug_llrt",
        group: "Bugs of other runtimes",
        text: include_str!("../programs/bug_llrt.js"),
    },
];
