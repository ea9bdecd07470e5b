//! Workers in the process of the test, with handlers of the test.

use std::cell::RefCell;
use std::future::{pending, ready};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::{FutureExt, join};
use nodeloop_jobs::database::connect;
use nodeloop_jobs::queue::{Claims, NewJob, Outcome, enqueue, states};
use nodeloop_jobs::worker::{Handlers, Settings, work};

use crate::helpers::{Queue, column, run};
use crate::limit::{Limit, limit_of};

const HOUR: Duration = Duration::from_secs(3600);

fn limit() -> Limit {
    limit_of(Duration::from_secs(60), "it starts a server")
}

/// A worker that ends when there are no more jobs. Nothing but the work takes time.
fn draining() -> Settings {
    Settings {
        drain: true,
        back_off: Duration::from_millis(1),
        ..Settings::default()
    }
}

/// Two producers add the same jobs in opposite orders. A third one stops both at the job in the middle,
/// where each would hold a job that the other one needs next.
#[test]
fn a_key_is_added_once() {
    let _limit = limit();
    let Some(queue) = Queue::create("keys") else {
        return;
    };
    run(async move {
        let client = async || connect(&queue.url).await.unwrap().client;
        let (one, other, third) = (client().await, client().await, client().await);
        let jobs = ["first", "middle", "last"].map(|key| NewJob::new(key, "a", ""));
        let mut reversed = jobs.clone();
        reversed.reverse();
        third.batch_execute("BEGIN").await.unwrap();
        assert_eq!(enqueue(&third, &jobs[1..2]).await.unwrap(), 1);
        let release = async {
            // Not by the third client: within a transaction this view does not change.
            let watcher = client().await;
            let waiting = "SELECT count(*) FROM pg_stat_activity \
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
            while column(&watcher, waiting).await != ["2"] {}
            third.batch_execute("ROLLBACK").await.unwrap();
        };
        let producers = (enqueue(&one, &jobs), enqueue(&other, &reversed));
        let (first, second, ()) = join!(producers.0, producers.1, release);
        assert_eq!(first.unwrap() + second.unwrap(), 3);
        assert_eq!(enqueue(&one, &jobs).await.unwrap(), 0);
        assert_eq!(states(&one).await.unwrap(), [("queued".to_owned(), 3)]);
    });
}

/// One job at a time, so that the order of the starts is the order of the claims.
#[test]
fn priority_decides_among_the_jobs_that_are_due() {
    let _limit = limit();
    let Some(queue) = Queue::create("priorities") else {
        return;
    };
    run(async move {
        let client = connect(&queue.url).await.unwrap().client;
        let mut jobs: Vec<_> = ["low", "first", "second", "urgent", "delayed"]
            .map(|key| NewJob::new(key, "note", ""))
            .to_vec();
        (jobs[0].priority, jobs[3].priority) = (-1, 5);
        // The most urgent of all, and not due yet.
        (jobs[4].priority, jobs[4].delay) = (9, HOUR);
        // One after the other: the server chooses the order in a batch.
        for job in jobs {
            enqueue(&client, &[job]).await.unwrap();
        }
        let started = Rc::new(RefCell::new(Vec::new()));
        let (stop, stopped) = oneshot::channel::<()>();
        let stop = RefCell::new(Some(stop));
        let seen = started.clone();
        let handlers = Handlers::default().on("note", move |job| {
            if job.key == "low" {
                stop.take().unwrap().send(()).unwrap();
            }
            seen.borrow_mut().push(job.key);
            ready(Ok(String::new()))
        });
        let settings = Settings {
            concurrency: 1,
            ..Settings::default()
        };
        let stopped = stopped.map(|result| result.unwrap());
        work(&queue.url, settings, handlers, stopped).await.unwrap();
        assert_eq!(*started.borrow(), ["urgent", "first", "second", "low"]);
        let delay = "SELECT run_at - now() > interval '50 minutes' FROM jobs WHERE key = 'delayed'";
        assert_eq!(column(&client, delay).await, ["t"]);
    });
}

/// A delay, and then the back-off of each attempt, which doubles.
#[test]
fn failures_are_tried_again_later() {
    let _limit = limit();
    let Some(queue) = Queue::create("retries") else {
        return;
    };
    run(async move {
        let client = connect(&queue.url).await.unwrap().client;
        let mut hopeless = NewJob::new("hopeless", "fail", "");
        hopeless.max_attempts = 4;
        hopeless.delay = Duration::from_millis(20);
        let jobs = [
            hopeless,
            NewJob::new("second time lucky", "fail once", ""),
            NewJob::new("panics", "panic once", ""),
            NewJob::new("hangs", "hang once", ""),
            NewJob {
                max_attempts: 1,
                ..NewJob::new("unknown", "nonsense", "")
            },
        ];
        let starts = Rc::new(RefCell::new(vec![Instant::now()]));
        enqueue(&client, &jobs).await.unwrap();
        let times = starts.clone();
        let handlers = Handlers::default()
            .on("fail", move |job| {
                times.borrow_mut().push(Instant::now());
                ready(Err(format!("attempt {}", job.attempt)))
            })
            .on("fail once", async |job| match job.attempt {
                1 => Err("no luck".to_owned()),
                _ => Ok("luck".to_owned()),
            })
            .on("panic once", async |job| {
                if job.attempt == 1 {
                    std::panic::resume_unwind(Box::new("prints nothing"));
                }
                Ok("calm".to_owned())
            })
            .on("hang once", async |job| {
                if job.attempt == 1 {
                    pending::<()>().await;
                }
                Ok("runs".to_owned())
            });
        let settings = Settings {
            back_off: Duration::from_millis(20),
            time_limit: Duration::from_millis(500),
            ..draining()
        };
        let worker = work(&queue.url, settings, handlers, pending())
            .await
            .unwrap();
        let counts = (worker.done, worker.retried, worker.failed, worker.lost);
        assert_eq!(counts, (3, 3 + 3, 2, 0));

        let results = "SELECT key || ': ' || result FROM effects ORDER BY key";
        let results = column(&client, results).await;
        assert_eq!(
            results,
            ["hangs: runs", "panics: calm", "second time lucky: luck"]
        );
        let ends = "SELECT concat_ws(', ', key, state, attempts, error) FROM jobs ORDER BY key";
        let expected = [
            "hangs, done, 2, the handler has not ended within 500ms",
            "hopeless, failed, 4, attempt 4",
            "panics, done, 2, the handler has panicked",
            "second time lucky, done, 2, no luck",
            "unknown, failed, 1, there is no handler for `nonsense`",
        ];
        assert_eq!(column(&client, ends).await, expected);
        // Never too early. Nothing is said about too late.
        for (pair, least_ms) in starts.borrow().windows(2).zip([20, 20, 40, 80]) {
            let waited = pair[1].duration_since(pair[0]);
            assert!(waited >= Duration::from_millis(least_ms), "{waited:?}");
        }
    });
}

/// The job runs until its lease has been extended.
#[test]
fn a_running_job_keeps_its_lease() {
    let _limit = limit();
    let Some(queue) = Queue::create("heartbeats") else {
        return;
    };
    run(async move {
        let client = connect(&queue.url).await.unwrap().client;
        enqueue(&client, &[NewJob::new("job", "wait", "")])
            .await
            .unwrap();
        let (started, starts) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let channels = RefCell::new(Some((started, ended)));
        let handlers = Handlers::default().on("wait", move |_| {
            let (started, ended) = channels.take().unwrap();
            started.send(()).unwrap();
            ended.map(|_| Ok(String::new()))
        });
        // One at a time: on a slow machine the worker could take over its own job.
        let settings = Settings {
            concurrency: 1,
            lease: Duration::from_millis(300),
            ..draining()
        };
        let worker = work(&queue.url, settings, handlers, pending());
        let watch = async {
            starts.await.unwrap();
            let lease = "SELECT run_at FROM jobs";
            let first = column(&client, lease).await;
            while column(&client, lease).await == first {}
            end.send(()).unwrap();
        };
        let (summary, ()) = join!(worker, watch);
        assert_eq!(summary.unwrap().done, 1);
    });
}

/// A worker that does not extend its lease loses its job, and its late result changes nothing.
#[test]
fn a_job_without_a_lease_is_taken_over() {
    let _limit = limit();
    let Some(queue) = Queue::create("leases") else {
        return;
    };
    run(async move {
        let client = connect(&queue.url).await.unwrap().client;
        let job = NewJob {
            max_attempts: 2,
            ..NewJob::new("job", "a", "")
        };
        enqueue(&client, &[job]).await.unwrap();
        let claims = async |lease| {
            let client = connect(&queue.url).await.unwrap().client;
            Claims::prepare(client, lease).await.unwrap()
        };
        // The first lease ends at once, until it is extended.
        let (slow, other) = (claims(Duration::ZERO).await, claims(HOUR).await);
        let slow_job = slow.claim(10).await.unwrap().remove(0);
        let job = other.claim(10).await.unwrap().remove(0);
        assert_eq!((slow_job.attempt, job.attempt), (1, 2));
        assert!(slow.claim(10).await.unwrap().is_empty());

        assert_eq!(
            slow.complete(&slow_job, "late").await.unwrap(),
            Outcome::Lost
        );
        let failed = slow.fail(&slow_job, "late", Duration::ZERO).await.unwrap();
        assert_eq!(failed, Outcome::Lost);
        slow.extend().await.unwrap();
        assert!(other.next_due().await.unwrap().unwrap() > HOUR / 2);
        assert_eq!(
            other.complete(&job, "in time").await.unwrap(),
            Outcome::Done
        );
        assert_eq!(other.complete(&job, "again").await.unwrap(), Outcome::Lost);
        assert_eq!(
            column(&client, "SELECT result FROM effects").await,
            ["in time"]
        );
        assert_eq!(other.next_due().await.unwrap(), None);

        // A job that is lost in its last attempt is a failure.
        let job = NewJob {
            max_attempts: 1,
            ..NewJob::new("poison", "a", "")
        };
        enqueue(&client, &[job]).await.unwrap();
        let job = slow.claim(1).await.unwrap().remove(0);
        assert!(other.claim(1).await.unwrap().is_empty());
        other.next_due().await.unwrap();
        assert_eq!(slow.complete(&job, "late").await.unwrap(), Outcome::Lost);
        let error = "SELECT error FROM jobs WHERE state = 'failed'";
        assert_eq!(column(&client, error).await, ["its worker was lost"]);
    });
}
