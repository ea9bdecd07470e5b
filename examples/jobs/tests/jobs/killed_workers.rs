//! 10,000 jobs, four worker processes, and kills in the middle: every job is done exactly once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nodeloop_jobs::database::connect;
use nodeloop_jobs::queue::states;

use crate::helpers::{Queue, column, run};
use crate::limit::limit_of;

const BATCHES: usize = 10;
const WORKERS: usize = 4;

/// Enough for a job that happens to run in every worker that is killed.
const ATTEMPTS: &str = "--max-attempts 100";

/// One job of each batch hangs in its first attempt, so that it is running when its worker is killed.
#[test]
fn killed_workers_lose_no_job_and_repeat_none() {
    let _limit = limit_of(Duration::from_secs(240), "it runs 10,000 jobs");
    let Some(queue) = Queue::create("kills") else {
        return;
    };
    let queue = Arc::new(queue);
    let produced = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    // Two producers add the same jobs at the same time.
    let producers = [(); 2].map(|()| {
        let queue = queue.clone();
        thread::spawn(move || {
            (0..BATCHES)
                .map(|batch| produce(&queue, batch))
                .sum::<u64>()
        })
    });
    let victims = Arc::new(Mutex::new(HashSet::new()));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (queue, produced) = (queue.clone(), produced.clone());
            let victims = victims.clone();
            thread::spawn(move || work_and_kill(&queue, &produced, &victims))
        })
        .collect();
    let added: u64 = producers
        .map(|producer| producer.join().unwrap())
        .iter()
        .sum();
    produced.store(true, Ordering::SeqCst);
    let kills: usize = workers
        .into_iter()
        .map(|worker| worker.join().unwrap())
        .sum();
    let seconds = start.elapsed().as_secs_f64();

    assert_eq!(added, 10_000);
    assert!(kills > 0, "no worker was killed");
    run(async move {
        let client = connect(&queue.url).await.unwrap().client;
        assert_eq!(
            states(&client).await.unwrap(),
            [("done".to_owned(), 10_000)]
        );
        // The server's constraint allows one effect for each key; none is missing, none is strange.
        let effects = "SELECT count(*) FROM effects JOIN jobs USING (key)";
        assert_eq!(column(&client, effects).await, ["10000"]);
        assert_eq!(
            column(&client, "SELECT count(*) FROM effects").await,
            ["10000"]
        );
        let stuck = "SELECT count(*) FROM jobs WHERE kind = 'stuck' AND attempts > 1";
        assert_eq!(column(&client, stuck).await, [BATCHES.to_string()]);
        let workers = "SELECT count(DISTINCT worker) FROM effects";
        let workers = column(&client, workers).await.remove(0);
        assert_ne!(workers, "1");
        let again = "SELECT count(*) FROM jobs WHERE attempts > 1";
        let again = column(&client, again).await.remove(0);
        println!(
            "10,000 jobs in {seconds:.1} s, {:.0} jobs/s: {kills} workers killed, {again} jobs taken \
             over, {workers} workers with effects",
            10_000.0 / seconds,
        );
    });
}

/// Adds a thousand jobs, and returns how many of them are new.
fn produce(queue: &Queue, batch: usize) -> u64 {
    let stuck = format!("produce --key stuck{batch}- --kind stuck --payload 1 {ATTEMPTS}");
    let others = format!("produce --key {batch}- --count 999 --kind sleep --payload 2 {ATTEMPTS}");
    let new = |arguments: &str| -> u64 {
        let output = queue.run(arguments);
        output.split(' ').next().unwrap().parse().unwrap()
    };
    new(&stuck) + new(&others)
}

/// Runs one worker after the other until the queue is empty. Kills a worker that starts a job which
/// hangs, once for each such job. Returns the number of kills.
fn work_and_kill(queue: &Queue, produced: &AtomicBool, victims: &Mutex<HashSet<String>>) -> usize {
    let mut kills = 0;
    loop {
        let is_last = produced.load(Ordering::SeqCst);
        let mut worker =
            queue.start("work --concurrency 8 --lease-ms 1000 --drain true --log true");
        let mut is_killed = false;
        while let Some(line) = worker.line() {
            if line.starts_with("started stuck") && victims.lock().unwrap().insert(line) {
                is_killed = true;
                break;
            }
        }
        if is_killed {
            drop(worker); // kills it
            kills += 1;
            continue;
        }
        let (_, status) = worker.end();
        assert!(status.success(), "{status}");
        if is_last {
            return kills;
        }
    }
}
