//! The workloads, in the order of the tables.

/// How a workload is measured.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// A side runs it and prints the cost.
    Run,
    /// A side echoes, and this program is the client of this number of connections, beside a number of
    /// idle ones. The cost is the server's processor time for a message.
    Echo { connections: usize, idle: usize },
    /// A side accepts connections that are closed at once. The cost is its processor time for each.
    Accept,
    /// The growth of a server's memory by an idle connection.
    Connections,
}

pub struct Workload {
    /// The name by which the sides know it.
    pub name: &'static str,
    /// The name in the tables.
    pub title: &'static str,
    pub kind: Kind,
    /// The number of operations.
    pub size: u64,
    /// How often a process repeats it. The least of its results counts, so the first ones are warm-ups.
    pub times: u32,
}

impl Workload {
    pub fn unit(&self) -> &'static str {
        match self.name.starts_with("memory") {
            true => "bytes",
            false => "ns",
        }
    }
}

/// The size for a check of the answers. A multiple of the number of tasks in a batch.
pub const QUICK_SIZE: u64 = 2_000;

const fn run(name: &'static str, title: &'static str, size: u64, times: u32) -> Workload {
    Workload {
        name,
        title,
        kind: Kind::Run,
        size,
        times,
    }
}

const fn serve(name: &'static str, title: &'static str, kind: Kind, size: u64) -> Workload {
    Workload {
        name,
        title,
        kind,
        size,
        times: 1,
    }
}

const ECHO: Kind = Kind::Echo {
    connections: 64,
    idle: 0,
};
const ONE_BESIDE_IDLE: Kind = Kind::Echo {
    connections: 1,
    idle: 1_000,
};

pub const WORKLOADS: &[Workload] = &[
    run(
        "spawn-ready",
        "spawn 1,000 ready tasks, await each",
        100_000,
        5,
    ),
    run(
        "spawn-waits",
        "spawn 1,000 tasks that wait one turn, await each",
        100_000,
        5,
    ),
    run(
        "spawn-one",
        "spawn a ready task and await it, one after another",
        100_000,
        5,
    ),
    run(
        "join-10k",
        "join 10,000 tasks that wait one turn",
        10_000,
        10,
    ),
    run("wake-self", "a task wakes itself, 1 task", 200_000, 5),
    run(
        "wake-self-1k",
        "a task wakes itself, 1,000 tasks",
        200_000,
        5,
    ),
    run(
        "ping-pong",
        "ping-pong over `futures::channel::mpsc`",
        100_000,
        5,
    ),
    run(
        "oneshot",
        "resolve what a task awaits, `futures` oneshot",
        100_000,
        5,
    ),
    run(
        "resolver",
        "resolve what a task awaits, promise",
        100_000,
        5,
    ),
    run("sleep-drop", "sleep: poll once and drop", 100_000, 5),
    run(
        "sleep-drop-200k",
        "sleep: poll once and drop, 200,000 pending",
        100_000,
        3,
    ),
    run("timeout-clear", "set a timeout and clear it", 100_000, 5),
    run(
        "timeouts-fire",
        "1,000,000 timeouts fire, CPU of each",
        1_000_000,
        1,
    ),
    run(
        "sleeps-fire",
        "1,000,000 tasks sleep, CPU of each",
        1_000_000,
        1,
    ),
    run(
        "immediate-chain",
        "immediate chain, a turn each",
        100_000,
        5,
    ),
    run(
        "immediates-at-once",
        "1,000,000 immediates at once",
        1_000_000,
        2,
    ),
    run("yield", "`yield_now`, 1 task", 100_000, 5),
    run("yield-1k", "`yield_now`, 1,000 tasks", 100_000, 5),
    run("tick-chain", "tick chain", 200_000, 5),
    run("microtask-chain", "microtask chain", 200_000, 5),
    run("then-chain", "chain of 1,000,000 `then`", 1_000_000, 2),
    run("all-10k", "`all` of 10,000 promises", 10_000, 10),
    run(
        "jobs-at-once",
        "50,000 blocking jobs at once, futures",
        50_000,
        3,
    ),
    run(
        "work-at-once",
        "50,000 blocking jobs at once, callbacks",
        50_000,
        3,
    ),
    run("jobs-in-turn", "blocking jobs one after another", 2_000, 3),
    run(
        "wake-latency",
        "message from another thread and back",
        5_000,
        3,
    ),
    run("wake-flood", "messages from four threads", 200_000, 3),
    run("start-up", "start and end of an empty run", 200, 3),
    serve(
        "echo",
        "TCP echo, 64 connections, server CPU of a message",
        ECHO,
        200,
    ),
    serve(
        "echo-idle",
        "TCP echo, 1 connection beside 1,000 idle",
        ONE_BESIDE_IDLE,
        3_000,
    ),
    serve(
        "accept-close",
        "accept and close, server CPU of each",
        Kind::Accept,
        10_000,
    ),
    run("memory-task", "memory of an idle task", 100_000, 1),
    run("memory-timer", "memory of a pending timer", 100_000, 1),
    run(
        "memory-promise",
        "memory of a pending promise or oneshot",
        100_000,
        1,
    ),
    serve(
        "memory-connection",
        "memory of an idle connection",
        Kind::Connections,
        1_000,
    ),
    run("empty-poll", "an empty poll of mio", 20_000, 5),
];

/// What nodeloop does at three sizes, beside the workloads above: the name, the title, the least size.
pub const GROWTH: &[(&str, &str, u64)] = &[
    ("growth-timers", "timers of distinct durations", 1_000),
    ("growth-signal", "listeners of one signal", 100),
    (
        "growth-shared",
        "tasks that await one shared promise",
        1_000,
    ),
    ("growth-rejections", "rejections handled late", 1_000),
    ("growth-ready", "sources ready in one poll phase", 50),
    ("growth-why-alive", "tasks in `why_alive`", 1_000),
];
