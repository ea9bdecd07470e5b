//! Signals (R64).
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.
//!
//! A signal that is raised reaches every loop of this process that listens, so the tests run one at
//! a time. The time limit of each begins when it is its turn.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use crate::common::limit::limit;
use crate::common::process::{command_of, in_own_process, open_descriptors};
use crate::common::releases::{V26, traces};
use crate::common::{Later, Log, log_uncaught, throw, trace, virtual_loop};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use futures::{FutureExt, StreamExt};
use nodeloop::net::UnixStream;
use nodeloop::signal::{SignalKind, SignalListener, ctrl_c, on_signal, raise_default, signal};
use nodeloop::{
    AsyncLocalStorage, EventLoop, Handle, RunError, next_tick, on_exit, queue_microtask,
    set_immediate, spawn, yield_now,
};
use rustix::process::{Pid, Signal, kill_process};

const HUP: SignalKind = SignalKind::hangup();
const USR2: SignalKind = SignalKind::user_defined2();

/// Keeps the other tests of this file waiting.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `process.kill(process.pid, kind)`: it has arrived when this returns.
fn raise(kind: SignalKind) {
    signal_hook::low_level::raise(kind.as_raw()).unwrap();
}

/// `process.on(kind, () => console.log(line))`
fn log_on(log: &Log, kind: SignalKind, line: &str) -> SignalListener {
    on_signal(kind, log.callback(line)).unwrap()
}

/// `200-signals.js`
#[test]
fn a_signal_is_a_macrotask_that_calls_all_listeners() {
    let _alone = alone();
    let _limit = limit();
    trace(|log| {
        let first = log.clone();
        on_signal(USR2, move || {
            first.add("first");
            next_tick(first.callback("tick"));
            queue_microtask(first.callback("micro"));
        })
        .unwrap();
        log_on(&log, USR2, "second");
        raise(USR2);
        raise(USR2);
        set_immediate(log.callback("immediate"));
    })
    .assert([
        "first",
        "second",
        "tick",
        "micro",
        "first",
        "second",
        "tick",
        "micro",
        "immediate",
    ]);
}

/// `201-signals-last.js`
#[test]
fn signals_come_after_the_other_events_of_their_phase() {
    let _alone = alone();
    let _limit = limit();
    trace(|log| {
        spawn(async move {
            let (mut socket, mut peer) = UnixStream::pair().unwrap();
            let reader = log.clone();
            spawn(async move {
                peer.read_exact(&mut [0; 5]).await.unwrap();
                reader.add("data");
            })
            .detach();
            yield_now().await;
            yield_now().await;
            log_on(&log, USR2, "signal");
            raise(USR2);
            socket.write_all(b"hello").await.unwrap();
            set_immediate(log.callback("immediate"));
        })
        .detach();
    })
    .assert(["data", "signal", "immediate"]);
}

/// `202-signal-throws.js`
#[test]
fn a_listener_that_panics_ends_its_macrotask() {
    let _alone = alone();
    let _limit = limit();
    traces(|log| {
        log_uncaught(&log);
        let first = log.clone();
        on_signal(USR2, move || {
            first.add("first");
            next_tick(first.callback("tick"));
            throw("error")
        })
        .unwrap();
        log_on(&log, USR2, "second");
        raise(USR2);
        raise(USR2);
        set_immediate(log.callback("immediate"));
    })
    .assert(
        ..V26,
        [
            "first",
            "uncaught error",
            "first",
            "uncaught error",
            "tick",
            "tick",
            "immediate",
        ],
    )
    .assert(
        V26..,
        [
            "first",
            "uncaught error",
            "first",
            "uncaught error",
            "immediate",
            "tick",
            "tick",
        ],
    );
}

/// `203-signal-listeners-change.js`
#[test]
fn listeners_are_looked_up_for_every_signal() {
    let _alone = alone();
    let _limit = limit();
    trace(|log| {
        let (once, logs) = (Later::<SignalListener>::new(), log.clone());
        let itself = once.clone();
        once.set(
            on_signal(HUP, move || {
                logs.add("once");
                assert!(itself.get().remove());
            })
            .unwrap(),
        );
        (0..3).for_each(|_| raise(HUP));
        let (times, logs) = (Cell::new(0), log.clone());
        on_signal(USR2, move || {
            logs.add("first");
            times.set(times.get() + 1);
            let logs = logs.clone();
            if times.get() == 1 {
                next_tick(move || drop(log_on(&logs, USR2, "late")));
            }
        })
        .unwrap();
        (0..3).for_each(|_| raise(USR2));
        set_immediate(log.callback("immediate"));
    })
    .assert([
        "once",
        "first",
        "first",
        "late",
        "first",
        "late",
        "immediate",
    ]);
}

/// `204-signal-context.js`
#[test]
fn the_listeners_of_a_signal_share_the_context_of_the_first() {
    let _alone = alone();
    let _limit = limit();
    trace(|log| {
        let storage = AsyncLocalStorage::new();
        let print = |name: &'static str| {
            let (log, storage) = (log.clone(), storage.clone());
            move || match storage.get() {
                Some(value) => log.add(format_args!("{name} {value}")),
                None => log.add(format_args!("{name} undefined")),
            }
        };
        let listen = |name| on_signal(USR2, print(name)).unwrap();
        storage.run("one", || listen("first"));
        storage.run("two", || listen("second"));
        raise(USR2);
        set_immediate(print("immediate"));
    })
    .assert(["first one", "second one", "immediate undefined"]);
}

/// `205-signals-burst.js`
#[test]
fn a_burst_is_delivered_whole_and_listening_keeps_nothing_alive() {
    let _alone = alone();
    let _limit = limit();
    trace(|log| {
        let count = Rc::new(Cell::new(0));
        let counts = count.clone();
        on_signal(USR2, move || counts.set(counts.get() + 1)).unwrap();
        (0..1000).for_each(|_| raise(USR2));
        let logs = log.clone();
        set_immediate(move || logs.add(count.get()));
        on_exit(move |_| log.add("exit"));
    })
    .assert(["1000", "exit"]);
}

/// All of them are called in order, and each removes itself. A list that is searched or shifted for
/// each would need 10^10 steps.
#[test]
fn many_listeners_that_remove_themselves_are_called_in_order() {
    const COUNT: usize = 200_000;
    let _alone = alone();
    let _limit = limit();
    let called = Rc::new(RefCell::new(Vec::new()));
    let calls = called.clone();
    nodeloop::run(async move {
        for n in 0..COUNT {
            let (calls, own) = (calls.clone(), Later::<SignalListener>::new());
            let this = own.clone();
            let listener = on_signal(USR2, move || {
                calls.borrow_mut().push(n);
                assert!(this.get().remove());
            });
            own.set(listener.unwrap());
        }
        raise(USR2);
        while calls.borrow().len() < COUNT {
            yield_now().await;
        }
    });
    assert!((0..COUNT).eq(called.take()), "the order is wrong");
}

#[test]
fn a_stream_counts_signals_that_were_not_received() {
    let _alone = alone();
    let _limit = limit();
    virtual_loop()
        .block_on(async {
            let mut stream = signal(USR2).unwrap();
            stream.ref_();
            (0..1000).for_each(|_| raise(USR2));
            assert!(stream.recv().now_or_never().is_none(), "no poll phase yet");
            assert_eq!(stream.recv().await, Some(()));
            let rest = stream.by_ref().take(999).count().await;
            assert_eq!(rest, 999);
            assert!(stream.recv().now_or_never().is_none(), "there is no other");
        })
        .unwrap();
}

#[test]
fn a_stream_that_is_refed_keeps_the_loop_alive() {
    let _alone = alone();
    let _limit = limit();
    let result = virtual_loop().run(async {
        let mut stream = signal(USR2).unwrap();
        stream.recv().await;
    });
    assert!(matches!(result, Err(RunError::Stuck(_))));
    virtual_loop()
        .run(async {
            let mut stream = signal(USR2).unwrap();
            assert!(!stream.has_ref());
            assert!(stream.ref_().has_ref());
            // From another thread, which this callback waits for.
            thread::spawn(|| raise(USR2));
            stream.recv().await;
            stream.unref();
            let listener = on_signal(USR2, || ()).unwrap();
            assert!(listener.ref_().has_ref());
            assert!(listener.remove() && !listener.remove() && !listener.has_ref());
        })
        .unwrap();
}

#[test]
fn every_listening_loop_is_notified_on_its_own_thread() {
    let _alone = alone();
    let _limit = limit();
    let (ready, is_ready) = mpsc::channel();
    let loops: Vec<_> = (0..3)
        .map(|_| {
            let ready = ready.clone();
            thread::spawn(move || {
                nodeloop::block_on(async move {
                    let mut stream = signal(USR2).unwrap();
                    ready.send(Handle::current()).unwrap();
                    for _ in 0..100 {
                        stream.recv().await;
                    }
                });
            })
        })
        .collect();
    let _handles: Vec<_> = is_ready.iter().take(3).collect();
    (0..100).for_each(|_| raise(USR2));
    loops.into_iter().for_each(|one| one.join().unwrap());
}

#[test]
fn a_stream_that_outlives_its_loop_ends() {
    let _alone = alone();
    let _limit = limit();
    let mut event_loop = virtual_loop();
    let (mut stream, listener) = event_loop
        .block_on(async {
            let listener = on_signal(USR2, || ()).unwrap();
            (signal(USR2).unwrap(), listener)
        })
        .unwrap();
    listener.ref_();
    stream.ref_();
    let mut waiting = Box::pin(stream.recv());
    assert!((&mut waiting).now_or_never().is_none());
    drop(event_loop);
    assert_eq!(futures::executor::block_on(waiting), None);
    assert!(!stream.has_ref() && !listener.has_ref() && !listener.remove());
    stream.ref_();
    assert!(!stream.has_ref(), "there is no loop to keep alive");
}

#[test]
fn what_cannot_be_listened_to_is_an_error() {
    let _alone = alone();
    let _limit = limit();
    nodeloop::run(async {
        // 9 and 19 can't be caught, 11 can't be survived, 0 and 1,000 are not signals.
        for number in [9, 19, 11, 0, 1000] {
            let kind = SignalKind::from_raw(number);
            let error = signal(kind).expect_err("it can't be listened to");
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{number}");
        }
    });
}

#[test]
fn a_signal_without_a_name_is_not_sent_to_a_child() {
    let _limit = limit();
    nodeloop::run(async {
        let mut command = nodeloop::process::Command::new("sleep");
        let mut child = command.arg("1000").kill_on_drop(true).spawn().unwrap();
        let error = child.signal(SignalKind::from_raw(34)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("without a name"), "{error}");
        child.kill().await.unwrap();
    });
}

/// The default action returns some time after the last listener was removed.
fn raise_until_it_ends_the_process(kind: SignalKind) -> ! {
    loop {
        raise(kind);
        thread::yield_now();
    }
}

/// What this program does when it is run by [`the_default_is_back_without_listeners`].
#[test]
fn child_that_ends_by_a_signal() {
    let _limit = limit();
    let Ok(mode) = std::env::var("NODELOOP_SIGNAL_CHILD") else {
        return;
    };
    let interrupt = SignalKind::interrupt();
    EventLoop::builder()
        .build()
        .unwrap()
        .run(async move {
            match &*mode {
                "ctrl_c" => {
                    let waiting = ctrl_c();
                    raise(interrupt); // caught
                    waiting.await.unwrap();
                    raise_until_it_ends_the_process(interrupt);
                }
                "raise_default" => {
                    let listened = signal(interrupt).unwrap();
                    raise_default(SignalKind::child()).unwrap(); // has no effect
                    raise_default(interrupt).unwrap();
                    unreachable!("{listened:?} does not catch it");
                }
                "ignored" => {
                    drop(signal(SignalKind::pipe()).unwrap());
                    raise(SignalKind::pipe()); // ignored, as at the start
                    raise(interrupt);
                }
                _ => {
                    let (one, other) = (signal(interrupt).unwrap(), signal(interrupt).unwrap());
                    drop(one);
                    raise(interrupt); // caught
                    drop(other);
                    raise_until_it_ends_the_process(interrupt);
                }
            }
        })
        .unwrap();
}

#[test]
fn the_default_is_back_without_listeners() {
    let _alone = alone();
    let _limit = limit();
    for mode in ["ctrl_c", "streams", "ignored", "raise_default"] {
        let status = command_of(child_that_ends_by_a_signal)
            .env("NODELOOP_SIGNAL_CHILD", mode)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(2), "{mode}");
    }
}

/// What this program does when it is run by
/// [`a_signal_in_flight_when_its_last_listener_is_removed_has_no_effect`]: it listens to `SIGINT` many
/// times on a thread that does not handle the signals, and says so to its parent, which sends them.
#[test]
fn child_that_is_signalled_while_it_listens() {
    let _limit = limit();
    if std::env::var_os("NODELOOP_SIGNALLED").is_none() {
        return;
    }
    virtual_loop()
        .run(async {
            for _ in 0..CONVERSATIONS {
                let listened = on_signal(SignalKind::interrupt(), || ()).unwrap();
                println!("\n{LISTENING}");
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).unwrap();
                assert!(listened.remove());
            }
        })
        .unwrap();
}

const CONVERSATIONS: usize = 25;
const LISTENING: &str = "listening";

/// The parent sends a signal and then reports it, so that the child stops to listen at the time at
/// which another thread of the child handles the signal. Many children at once keep the processors
/// busy.
#[test]
fn a_signal_in_flight_when_its_last_listener_is_removed_has_no_effect() {
    let _limit = limit();
    let children: Vec<_> = (0..12)
        .map(|_| thread::spawn(converse_with_signalled_child))
        .collect();
    for child in children {
        let (signals, status) = child.join().unwrap();
        assert_eq!(
            (signals, status.signal(), status.code()),
            (CONVERSATIONS, None, Some(0))
        );
    }
}

/// Returns how many signals were sent, and how the child has ended.
fn converse_with_signalled_child() -> (usize, ExitStatus) {
    let mut child = command_of(child_that_is_signalled_while_it_listens)
        .env("NODELOOP_SIGNALLED", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = Pid::from_child(&child);
    let mut to_child = child.stdin.take().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let listening = lines.map_while(Result::ok).filter(|line| line == LISTENING);
    let mut signals = 0;
    for _ in listening {
        signals += 1;
        kill_process(id, Signal::INT).unwrap();
        if to_child.write_all(b"sent\n").is_err() {
            break; // the child has ended
        }
    }
    (signals, child.wait().unwrap())
}

#[test]
fn listening_leaks_no_descriptor() {
    if in_own_process(listening_leaks_no_descriptor) {
        return;
    }
    let _alone = alone();
    let _limit = limit();
    let kept = Rc::new(RefCell::new(Vec::new()));
    let keep = kept.clone();
    virtual_loop()
        .run(async move {
            let before = open_descriptors();
            let (one, other) = (signal(USR2).unwrap(), signal(USR2).unwrap());
            let listener = on_signal(HUP, || ()).unwrap();
            assert_eq!(open_descriptors(), before + 4, "a pipe for each kind");
            drop((one, other));
            listener.remove();
            assert_eq!(open_descriptors(), before);
            keep.borrow_mut().push(signal(USR2).unwrap());
        })
        .unwrap();
    kept.borrow_mut().clear();
}
