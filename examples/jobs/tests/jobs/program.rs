//! The program: its commands, and the end of a worker.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nodeloop_jobs::database::connect;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;

use crate::helpers::{Queue, column, run};
use crate::limit::limit_of;

/// The job that runs is finished, the one that waits is not started. The running job reads a pipe,
/// which gets its text when the worker has the signal.
#[test]
fn a_stop_signal_finishes_the_running_job() {
    let _limit = limit_of(Duration::from_secs(60), "it starts a server");
    let Some(queue) = Queue::create("signals") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (round, signal) in [Signal::TERM, Signal::INT].into_iter().enumerate() {
        let pipe = folder.path().join(round.to_string());
        mkfifoat(CWD, &pipe, Mode::RWXU).unwrap();
        let kind = format!("--kind read --payload {} --priority 1", pipe.display());
        queue.run(&format!("produce --key {round}reads {kind}"));
        queue.run(&format!("produce --key {round}waits"));
        let mut worker = queue.start("work --concurrency 1 --log true");
        worker.wait_for(&format!("started {round}reads1"));
        worker.signal(signal);
        worker.wait_for("stopping");
        fs::write(&pipe, "the end").unwrap();
        let (lines, status) = worker.end();
        assert!(status.success(), "{status}: {lines:?}");
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], format!("done {round}reads1"));
        let counts = ": 1 done, 0 retried, 0 failed, 0 lost in ";
        assert!(lines[1].contains(counts), "{lines:?}");
        let waiting = format!("done     {}\nqueued   1", 2 * round + 1);
        assert_eq!(queue.run("status"), waiting);
        queue.run("work --drain true");
    }
    assert_eq!(queue.run("status"), "done     4");
}

/// The worker would look again after an hour.
#[test]
fn a_notification_wakes_an_idle_worker() {
    let _limit = limit_of(Duration::from_secs(60), "it starts a server");
    let Some(queue) = Queue::create("notifications") else {
        return;
    };
    let mut worker = queue.start("work --log true --poll-ms 3600000 --lease-ms 3600000");
    for key in ["one", "two"] {
        worker.wait_for("idle");
        queue.run(&format!("produce --key {key}"));
        worker.wait_for(&format!("done {key}1"));
    }
    // A job that is not due wakes the worker, too: it now knows when to look.
    worker.wait_for("idle");
    queue.run("produce --key three --delay-ms 50");
    worker.wait_for("done three1");
    worker.signal(Signal::TERM);
    assert!(worker.end().1.success());
}

/// Both workers would look again after an hour. The second one has nothing to do while the first one
/// works, and ends with it.
#[test]
fn draining_workers_end_together() {
    let _limit = limit_of(Duration::from_secs(60), "it starts a server");
    let Some(queue) = Queue::create("drains") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RWXU).unwrap();
    queue.run(&format!(
        "produce --key reads --kind read --payload {}",
        pipe.display()
    ));
    let work = "work --log true --drain true --poll-ms 3600000 --lease-ms 3600000";
    let mut first = queue.start(work);
    first.wait_for("started reads1");
    let mut second = queue.start(work);
    second.wait_for("idle");
    fs::write(&pipe, "the end").unwrap();
    assert!(first.end().1.success());
    assert!(second.end().1.success());
}

#[test]
fn a_worker_without_connection_reports_it() {
    let _limit = limit_of(Duration::from_secs(60), "it starts a server");
    let Some(queue) = Queue::create("connections") else {
        return;
    };
    let mut worker = queue.start("work --log true");
    worker.wait_for("idle");
    let url = queue.url.clone();
    run(async move {
        let client = connect(&url).await.unwrap().client;
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid() \
                   AND backend_type = 'client backend'";
        // A connection that has just been closed may still be listed, too.
        let ended = column(&client, cut).await;
        assert!(ended.iter().any(|one| one == "t"), "{ended:?}");
    });
    let (lines, status) = worker.end();
    assert_eq!((lines, status.code()), (Vec::new(), Some(1)));
}

/// Each crash costs one attempt and ends only its own worker.
#[test]
fn a_job_that_kills_its_workers_fails_in_the_end() {
    let _limit = limit_of(Duration::from_secs(60), "it starts a server");
    let Some(queue) = Queue::create("crashes") else {
        return;
    };
    queue.run("produce --key poison --kind crash --payload 9 --max-attempts 2");
    queue.run("produce --key crash --kind crash --payload 1 --max-attempts 2 --delay-ms 1");
    let mut crashes = 0;
    let work = "work --concurrency 1 --lease-ms 100 --drain true";
    while !queue.start(work).end().1.success() {
        crashes += 1;
    }
    assert_eq!(crashes, 3);
    assert_eq!(queue.run("status"), "done     1\nfailed   1");
}

#[test]
fn wrong_arguments_are_refused() {
    let _limit = limit_of(Duration::from_secs(60), "it starts processes");
    for (arguments, code, error) in [
        ("", 2, "the command is missing"),
        ("work fast", 2, "`fast` is not an option"),
        ("work --lease-ms", 2, "`--lease-ms` needs a value"),
        ("sleep --database x", 1, "unknown command `sleep`"),
        ("work", 1, "use --database or DATABASE_URL"),
        (
            "work --database host=/ --fast 1",
            1,
            "`work` has no option `--fast`",
        ),
        (
            "work --database host=/ --lease-ms x",
            1,
            "`--lease-ms x`: the value is not valid",
        ),
        ("status --database user=me", 1, "the database has no host"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobs"));
        command
            .args(arguments.split_whitespace())
            .env_remove("DATABASE_URL");
        let output = command.output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {errors}");
        assert!(errors.starts_with(error), "{arguments}: {errors}");
    }
}
