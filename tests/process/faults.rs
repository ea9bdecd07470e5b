//! Faults of children and workers: no child, descriptor or allocation is left.
//!
//! One test, in a process of its own, because it counts the resources of the process.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, pipe};
use std::iter;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::common::block_on;
use crate::common::limit::{limit_of, scaled};
use crate::common::process::{in_own_process, open_descriptors};
use crate::memory::live_bytes;
use futures::FutureExt;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::process::{Command, SpawnError, Stdio};
use nodeloop::worker::Worker;
use nodeloop::{EventLoop, set_immediate, spawn, yield_now};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// What must be the same after each part: descriptors, and children, including those that have ended.
#[derive(Debug, PartialEq)]
struct Held {
    descriptors: usize,
    children: Vec<String>,
}

fn held() -> Held {
    let descriptors = open_descriptors();
    let mut children = Vec::new();
    for thread in fs::read_dir("/proc/self/task").unwrap() {
        // A thread of the pool may end meanwhile.
        let of_thread = fs::read_to_string(thread.unwrap().path().join("children"));
        let of_thread = of_thread.unwrap_or_default();
        children.extend(of_thread.split_whitespace().map(str::to_owned));
    }
    Held {
        descriptors,
        children,
    }
}

#[test]
fn process_faults() {
    if in_own_process(process_faults) {
        return;
    }
    let _limit = limit_of(
        Duration::from_secs(60),
        "a hundred children and fifty workers",
    );
    block_on(async { Command::new("true").status().await.unwrap() }); // creates what is created once per process
    let before = held();
    let assert_as_before = |part: &str| assert_eq!(held(), before, "after {part}");
    a_child_that_floods_its_pipe_is_held_back();
    assert_as_before("a flood");
    a_program_that_is_missing_leaves_nothing();
    assert_as_before("a missing program");
    a_process_out_of_descriptors_starts_no_child();
    assert_as_before("no descriptors");
    a_loop_that_ends_kills_children_with_kill_on_drop();
    wait_until(|| held() == before);
    a_child_outlives_its_loop_and_is_waited_for_by_another();
    assert_as_before("a child that outlived its loop");
    a_grandchild_holds_the_pipe_open();
    assert_as_before("a grandchild");
    a_child_that_is_killed_from_outside();
    assert_as_before("a kill");
    many_children_at_once();
    assert_as_before("many children");
    many_workers();
    wait_until(|| held() == before); // their threads end after their loops
}

/// Waits for a condition that another thread or process fulfills.
#[track_caller]
fn wait_until(condition: impl Fn() -> bool) {
    let ends = Instant::now() + scaled(Duration::from_secs(10));
    while !condition() {
        assert!(
            Instant::now() < ends,
            "the condition was not fulfilled in time"
        );
        std::thread::yield_now();
    }
}

/// No task reads, so the child waits in its write, and nothing accumulates in this process.
fn a_child_that_floods_its_pipe_is_held_back() {
    block_on(async {
        let mut yes = Command::new("yes");
        let mut child = yes
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 2]).await.unwrap();
        let memory_before = live_bytes();
        wait_until(|| is_asleep(&child)); // the pipe is full
        // The loop continues meanwhile.
        for _ in 0..1000 {
            yield_now().await;
        }
        let mut buffer = vec![0; 65536];
        let (mut read, turns) = (0, Rc::new(Cell::new(0)));
        count_turns(turns.clone());
        while read < 100_000_000 {
            read += stdout.read(&mut buffer).await.unwrap();
        }
        assert!(
            turns.get() > 10,
            "a flood lets other callbacks run: {}",
            turns.get()
        );
        let grown = live_bytes().saturating_sub(memory_before);
        assert!(grown < 1 << 20, "{grown} bytes are kept");
        child.start_kill().unwrap();
        // What is in the pipe can be read after the end of the child.
        assert!(!child.wait().await.unwrap().success());
        let rest = stdout.read_to_end(&mut Vec::new()).await.unwrap();
        assert!(rest <= 1 << 20, "no more than a pipe holds: {rest}");
    });
}

fn is_asleep(child: &nodeloop::process::Child) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id().unwrap())).unwrap();
    stat.rsplit(") ").next().unwrap().starts_with('S')
}

fn count_turns(turns: Rc<Cell<usize>>) {
    turns.set(turns.get() + 1);
    set_immediate(move || count_turns(turns));
}

fn a_program_that_is_missing_leaves_nothing() {
    block_on(async {
        for _ in 0..10 {
            let mut missing = Command::new("/nonexistent/program");
            missing.stdin(Stdio::piped()).stdout(Stdio::piped());
            assert!(missing.spawn().is_err());
            assert!(missing.output().await.is_err());
        }
    });
}

fn a_process_out_of_descriptors_starts_no_child() {
    block_on(async {
        let old = getrlimit(Resource::Nofile);
        let current = Some(open_descriptors() as u64 + 32);
        let maximum = old.maximum;
        let mut errors = 0;
        // Each time the start gets further before it needs a descriptor that is not available. With
        // none or one, it can't even watch for the end of a child.
        for available in 0..16 {
            let mut cat = Command::new("cat");
            cat.stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
            let mut files: Vec<_> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
            files.truncate(files.len() - available);
            let started = cat.spawn();
            drop(files);
            setrlimit(Resource::Nofile, old).unwrap();
            match started {
                Ok(child) => drop(child.wait_with_output().await.unwrap()),
                Err(error) => {
                    let details = SpawnError::of(&error).expect("an error of `spawn`");
                    assert_eq!(details.raw_os_error(), Some(24), "{error}"); // EMFILE
                    errors += 1;
                }
            }
        }
        assert!((1..16).contains(&errors), "{errors} of 16 have failed");
    });
}

fn a_loop_that_ends_kills_children_with_kill_on_drop() {
    let mut event_loop = EventLoop::builder().build().unwrap();
    event_loop
        .block_on(async {
            for _ in 0..3 {
                let mut command = Command::new("sleep");
                let mut child = command.arg("1000").kill_on_drop(true).spawn().unwrap();
                spawn(async move { child.wait().await.map(drop) }).detach();
            }
        })
        .unwrap();
    drop(event_loop);
}

/// A `cat` that ends when the writer is dropped.
fn cat_of(reader: PipeReader) -> nodeloop::process::Child {
    Command::new("cat")
        .stdin(reader)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn a_child_outlives_its_loop_and_is_waited_for_by_another() {
    let (reader, writer): (PipeReader, PipeWriter) = pipe().unwrap();
    let id = block_on(async { cat_of(reader).id().unwrap() });
    let exists = |id: u32| fs::exists(format!("/proc/{id}")).unwrap();
    assert!(exists(id), "the child must still run");
    drop(writer);
    block_on(async move {
        // The end of any child makes this loop reap that of the other loop.
        let ends = Instant::now() + scaled(Duration::from_secs(10));
        while exists(id) {
            assert!(Instant::now() < ends, "nothing waits for the child");
            Command::new("true").status().await.unwrap();
        }
    });
}

fn a_grandchild_holds_the_pipe_open() {
    block_on(async {
        let (reader, writer) = pipe().unwrap();
        let mut command = Command::new("bash");
        command.args(["-c", "exec 3<&0; cat <&3 & exit 0"]);
        let mut child = command
            .stdin(reader)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        drop(command); // it holds the reader
        assert!(child.wait().await.unwrap().success());
        let mut stdout = child.stdout.take().unwrap();
        for _ in 0..10 {
            yield_now().await;
            assert!(stdout.read(&mut [0; 1]).now_or_never().is_none());
        }
        drop(writer); // it ends now
        assert_eq!(stdout.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

fn a_child_that_is_killed_from_outside() {
    use std::os::unix::process::ExitStatusExt;
    block_on(async {
        let (reader, _writer) = pipe().unwrap();
        let mut child = cat_of(reader);
        let id = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
        set_immediate(move || kill_process(id, Signal::KILL).unwrap());
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
    });
}

fn many_children_at_once() {
    block_on(async {
        let children = (0..100).map(|_| {
            let mut cat = Command::new("cat");
            let cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            let mut child = cat.unwrap();
            spawn(async move {
                let mut stdin = child.stdin.take().unwrap();
                stdin.write_all(b"text").await.unwrap();
                drop(stdin);
                let output = child.wait_with_output().await.unwrap();
                assert_eq!(output.stdout, b"text");
            })
        });
        let children: Vec<_> = children.collect();
        for child in children {
            child.await;
        }
    });
}

fn many_workers() {
    block_on(async {
        for _ in 0..5 {
            let workers = (0..10).map(|_| {
                Worker::<(), (), ()>::spawn(|mut port| async move {
                    port.recv().await;
                })
            });
            let workers: Vec<_> = workers.collect::<Result<_, _>>().unwrap();
            workers[0].terminate();
            for worker in workers {
                worker.join().await.unwrap();
            }
        }
    });
}
