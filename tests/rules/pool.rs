//! Chapter 7 of the rules, the worker pool: R60, R61.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output. Jobs that must stay unfinished wait for a message.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc::channel;

use crate::common::limit::limit;
use crate::common::{ms, trace};
use nodeloop::{on_before_exit, queue_work, set_immediate, set_timeout};

/// R60: `86-pool-four-threads.js`, where timers open the pipes; here each job opens the next.
#[test]
fn four_jobs_run_at_once() {
    let _limit = limit();
    trace(|log| {
        let (started, starts) = channel();
        let pipes: Vec<_> = (0..4).map(|_| channel::<()>()).collect();
        let (open, opened): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
        let stat = Rc::new(Cell::new(false));
        for (pipe, opened) in opened.into_iter().enumerate() {
            let (started, line, open) = (started.clone(), log.clone(), open.clone());
            let job = move || {
                started.send(()).unwrap();
                opened.recv().unwrap();
            };
            queue_work(job, move |()| {
                line.add(format_args!("pipe {pipe}"));
                match pipe {
                    0 => open[3].send(()).unwrap(),
                    3 => open[1].send(()).unwrap(),
                    _ => {}
                }
            });
        }
        let (line, stat_done, open_pipe) = (log.clone(), stat.clone(), open[0].clone());
        let job = move || {
            let _ = started.send(()); // the receiver may be gone by then
        };
        queue_work(job, move |()| {
            stat_done.set(true);
            line.add("stat");
            open_pipe.send(()).unwrap();
        });
        set_immediate(move || {
            (0..4).for_each(|_| starts.recv().unwrap()); // four have started
            assert!(starts.try_recv().is_err(), "and the fifth has not");
            let done = stat.get();
            log.add(format_args!("stat done while all threads are busy: {done}"));
            open[2].send(()).unwrap();
        });
    })
    .assert([
        "stat done while all threads are busy: false",
        "pipe 2",
        "stat", // one thread was freed
        "pipe 0",
        "pipe 3",
        "pipe 1",
    ]);
}

/// R61: `87-pool-completion-order.js`.
#[test]
fn completions_come_in_the_order_in_which_jobs_finished() {
    let _limit = limit();
    trace(|log| {
        let (open, opened) = channel::<()>();
        let line = log.clone();
        queue_work(
            move || opened.recv().unwrap(),
            move |()| line.add("first job"),
        );
        queue_work(
            || (),
            move |()| {
                log.add("second job");
                open.send(()).unwrap();
            },
        );
    })
    .assert(["second job", "first job"]);
}

/// R61, R6: `88-pool-keeps-alive.js`.
#[test]
fn a_job_keeps_the_loop_alive() {
    let _limit = limit();
    trace(|log| {
        queue_work(|| (), {
            let log = log.clone();
            move |()| log.add("poll")
        });
        set_timeout(ms(1000), log.callback("never")).unref();
        on_before_exit(log.callback("beforeExit"));
    })
    .assert(["poll", "beforeExit"]);
}
