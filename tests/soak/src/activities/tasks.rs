//! Trees of tasks, groups, aborts and timeouts.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use nodeloop::{
    AbortController, AbortExt, AbortSignal, TaskGroup, promise, set_timeout, spawn_lazy, time,
    yield_now,
};

use super::short;
use crate::account::{Item, Ledger};

/// A tree of tasks; each returns the number of tasks below it and itself.
pub async fn task_trees(ledger: Ledger, mut rng: Rng) {
    let mut left = rng.u32(4..60);
    let expected = u64::from(left);
    let root = tree(ledger.clone(), &mut rng, &mut left);
    let mut sum = root.await;
    while left > 0 {
        sum += tree(ledger.clone(), &mut rng, &mut left).await;
    }
    assert_eq!(sum, expected, "a task has not returned its value");
}

/// Plans a subtree of at most `left` tasks, and returns its root.
fn tree(ledger: Ledger, rng: &mut Rng, left: &mut u32) -> LocalBoxFuture<'static, u64> {
    *left -= 1;
    let mut children = Vec::new();
    for _ in 0..rng.u32(0..4) {
        if *left > 0 {
            children.push(tree(ledger.clone(), rng, left));
        }
    }
    let (pause, delay, is_lazy) = (rng.u8(0..3), short(rng, 2), rng.bool());
    let owed = ledger.until_dropped(Item::Task);
    let task = async move {
        let _owed = owed;
        match pause {
            0 => yield_now().await,
            1 => time::sleep(delay).await,
            _ => promise::ready(()).await,
        }
        let mut sum = 1;
        let running: Vec<_> = children.into_iter().map(nodeloop::spawn).collect();
        for child in running {
            sum += child.await;
        }
        sum
    };
    match is_lazy {
        true => async move { spawn_lazy(task).await }.boxed_local(),
        false => task.boxed_local(),
    }
}

/// A group of which some tasks finish, some are aborted and the rest is dropped with it.
pub async fn task_groups(ledger: Ledger, mut rng: Rng) {
    let mut group = TaskGroup::new();
    let count = rng.u64(2..20);
    let mut pending_ids = Vec::new();
    let mut finishing = 0;
    for number in 0..count {
        let (owed, delay) = (ledger.until_dropped(Item::Task), short(&mut rng, 3));
        let never_ends = rng.u8(0..4) == 0;
        let id = group.spawn(async move {
            let _owed = owed;
            time::sleep(delay).await;
            if never_ends {
                pending::<()>().await;
            }
            number
        });
        match never_ends {
            true => pending_ids.push(id),
            false => finishing += 1,
        }
    }
    let aborted = pending_ids.split_off(pending_ids.len() / 2);
    ledger.owe(Item::Reply, finishing);
    ledger.owe(Item::Abort, aborted.len() as u64);
    for id in &aborted {
        assert!(group.abort(*id), "it is running");
    }
    for _ in 0..finishing + aborted.len() as u64 {
        match group.join_next().await.expect("tasks are left") {
            Ok(_) => ledger.back(Item::Reply, 1),
            Err(error) => {
                assert!(error.is_aborted(), "{error}");
                ledger.back(Item::Abort, 1);
            }
        }
    }
    assert_eq!(group.len(), pending_ids.len());
    if rng.bool() {
        group.shutdown().await;
    }
    drop(group); // aborts the rest
    // The futures are dropped by microtasks; a macrotask later all of them have run.
    yield_now().await;
}

/// Tasks, sleeps and timers that an abort must end, and those that it must not.
pub async fn aborts(ledger: Ledger, mut rng: Rng) {
    let controller = AbortController::new();
    let signal = match rng.u8(0..3) {
        0 => controller.signal(),
        1 => AbortSignal::any([&controller.signal(), &AbortController::new().signal()]),
        _ => AbortSignal::any([
            &controller.signal(),
            &AbortSignal::timeout(Duration::from_secs(3600)),
        ]),
    };
    let (never, heard) = (rng.u64(1..10), Rc::new(Cell::new(false)));
    ledger.owe(Item::Abort, never * 2 + 1);
    let mut aborted = Vec::new();
    for _ in 0..never {
        let task = ledger.spawn(pending::<()>()).settled();
        aborted.push(task.abort_on(&signal));
        let (own, signal) = (ledger.clone(), signal.clone());
        let waits = async move {
            let sleep = time::sleep(Duration::from_secs(3600));
            sleep.with_signal(&signal).await.expect_err("it is aborted");
            own.back(Item::Abort, 1);
        };
        ledger.spawn(waits).detach();
    }
    let (own, hears) = (ledger.clone(), heard.clone());
    signal.on_abort(move || {
        own.back(Item::Abort, 1);
        hears.set(true);
    });
    let removed = signal.on_abort(|| panic!("a removed listener was called"));
    removed.remove();
    let timer = set_timeout(Duration::from_secs(3600), || {
        panic!("an aborted timer has fired")
    });
    timer.abort_on(&signal);
    let finished = ledger.spawn(async { 7 }).settled().abort_on(&signal);
    time::sleep(short(&mut rng, 3)).await;
    controller.abort();
    assert!(heard.get(), "listeners are called by the abort");
    assert!(signal.is_aborted() && !timer.is_pending());
    assert_eq!(finished.await.expect("it had finished"), 7);
    for task in aborted {
        assert!(task.await.expect_err("it never ends").is_aborted());
        ledger.back(Item::Abort, 1);
    }
    yield_now().await;
}

/// Timeouts that expire and timeouts that do not, and sleeps that are reset and dropped.
pub async fn timeouts(ledger: Ledger, mut rng: Rng) {
    let count = rng.u64(1..10);
    ledger.owe(Item::Reply, count * 2);
    let mut tasks = Vec::new();
    for _ in 0..count {
        let (own, delay) = (ledger.clone(), short(&mut rng, 3));
        tasks.push(ledger.spawn(async move {
            let expired = time::timeout(delay, pending::<()>()).await;
            expired.expect_err("it never ends");
            own.back(Item::Reply, 1);
            let hour = Duration::from_secs(3600);
            let finished = time::timeout(hour, time::sleep(delay)).await;
            finished.expect("an hour is longer");
            own.back(Item::Reply, 1);
        }));
    }
    let mut sleep = time::sleep(Duration::from_secs(3600));
    let polled = time::timeout(Duration::from_millis(1), &mut sleep).await;
    assert!(polled.is_err() && !sleep.is_elapsed());
    sleep.reset(time::Instant::now() + short(&mut rng, 3));
    sleep.await;
    drop(time::sleep(Duration::from_secs(3600)));
    for task in tasks {
        task.await;
    }
}
