//! The worker: claims jobs, runs their handlers, and extends their leases.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Fuse, LocalBoxFuture};
use futures::{FutureExt, StreamExt, select_biased};
use nodeloop::TaskGroup;
use nodeloop::promise::PromiseError;
use nodeloop::time::{Instant, interval, sleep, timeout};

use crate::Error;
use crate::database::{Database, connect};
use crate::queue::{Claims, Job, Outcome};

/// The settings of a worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many jobs run at the same time.
    pub concurrency: usize,
    /// When a worker does not answer for this time, others take its jobs over.
    pub lease: Duration,
    /// The time limit of an attempt.
    pub time_limit: Duration,
    /// The delay of the second attempt. It doubles with each further one.
    pub back_off: Duration,
    /// An idle worker looks for jobs at least this often, in case that a notification is missing.
    pub poll: Duration,
    /// Whether the worker ends when the queue has no more jobs.
    pub drain: bool,
    /// Whether a line is printed when an attempt starts and ends, and when the worker waits for jobs.
    pub log: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            concurrency: 16,
            lease: Duration::from_secs(30),
            time_limit: Duration::from_secs(60),
            back_off: Duration::from_secs(1),
            poll: Duration::from_secs(10),
            drain: false,
            log: false,
        }
    }
}

impl Settings {
    fn log(&self, line: impl fmt::Display) {
        if self.log {
            println!("{line}");
        }
    }
}

/// The back-off does not grow over this.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3600);

/// The shortest wait of an idle worker: a job that is due may be locked by another worker's claim.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

type Handler = dyn Fn(Job) -> LocalBoxFuture<'static, Result<String, String>>;

/// The handlers of a worker, by the kind of the job.
#[derive(Default)]
pub struct Handlers(HashMap<String, Box<Handler>>);

impl Handlers {
    /// Adds a handler. An `Err` or a panic makes the attempt fail.
    ///
    /// A handler may run several times for one job, because a worker may die after the handler and
    /// before its result is stored. Only one result is stored. What a handler changes elsewhere needs
    /// the job's key to be done once.
    pub fn on<F>(mut self, kind: &str, handler: impl Fn(Job) -> F + 'static) -> Handlers
    where
        F: Future<Output = Result<String, String>> + 'static,
    {
        let handler = Box::new(move |job| handler(job).boxed_local());
        self.0.insert(kind.to_owned(), handler);
        self
    }
}

/// What a worker did.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// The worker's number.
    pub worker: i64,
    /// Jobs that are done.
    pub done: u64,
    /// Attempts that failed and were followed by another one.
    pub retried: u64,
    /// Jobs that failed for the last time.
    pub failed: u64,
    /// Attempts without effect, because another worker had taken the job over.
    pub lost: u64,
    /// How long the worker ran.
    pub elapsed: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, done) = (self.elapsed.as_secs_f64(), self.done);
        write!(
            f,
            "worker {}: {done} done, {} retried, {} failed, {} lost in {seconds:.2} s, {:.0} jobs/s",
            self.worker,
            self.retried,
            self.failed,
            self.lost,
            done as f64 / seconds.max(0.001),
        )
    }
}

/// Runs a worker until `stop` is ready. The worker then claims no more jobs and finishes those that
/// it runs.
///
/// # Errors
///
/// Returns an error if the connection fails. The running jobs are then aborted, and taken over by other
/// workers.
pub async fn work(
    url: &str,
    settings: Settings,
    handlers: Handlers,
    stop: impl Future<Output = ()>,
) -> Result<Summary, Error> {
    let Database {
        client,
        mut notifications,
        connection,
    } = connect(url).await?;
    // Before the first claim, so that no job is added unseen between the two.
    client.batch_execute("LISTEN jobs").await?;
    let claims = Claims::prepare(client, settings.lease).await?;
    let mut heartbeat = interval(settings.lease / 3).fuse();
    let mut worker = Worker::new(settings, claims, handlers);
    let mut stop = pin!(stop.fuse());
    let mut stopping = false;
    loop {
        let mut due = Fuse::terminated();
        if !stopping && let Claim::NothingDue(next) = worker.claim().await? {
            if worker.running.is_empty() {
                if next.is_none() && worker.settings.drain {
                    // Others may wait for the end of a lease that is of no more use.
                    worker.claims.wake_workers().await?;
                    break;
                }
                worker.settings.log("idle");
            }
            let wait = next.unwrap_or(worker.settings.poll);
            due = sleep(wait.min(worker.settings.poll).max(SHORTEST_WAIT)).fuse();
        }
        if stopping && worker.running.is_empty() {
            break;
        }
        select_biased! {
            () = stop => stopping = true,
            // Before the jobs, which may be ready each time.
            _ = heartbeat.next() => worker.claims.extend().await?,
            outcome = worker.running.select_next_some() => worker.count(outcome)?,
            notified = notifications.next() => if notified.is_none() {
                connection.await?;
                return Err("the server has closed the connection".into());
            },
            () = due => {}
        }
    }
    let summary = worker.summary();
    drop(worker); // and with it the client, which ends the connection
    connection.await?;
    Ok(summary)
}

/// What a worker found when it had room for more jobs.
enum Claim {
    /// Every place is taken, and there may be more jobs.
    Full,
    /// No other job is due until this has passed, or there is none at all.
    NothingDue(Option<Duration>),
}

/// The end of an attempt, or of its task.
type Ended = Result<Result<Outcome, Error>, PromiseError>;

struct Worker {
    settings: Settings,
    claims: Rc<Claims>,
    handlers: Rc<Handlers>,
    running: TaskGroup<Result<Outcome, Error>>,
    start: Instant,
    counted: Summary,
}

impl Worker {
    fn new(settings: Settings, claims: Claims, handlers: Handlers) -> Worker {
        let counted = Summary {
            worker: claims.worker(),
            done: 0,
            retried: 0,
            failed: 0,
            lost: 0,
            elapsed: Duration::ZERO,
        };
        Worker {
            settings,
            claims: Rc::new(claims),
            handlers: Rc::new(handlers),
            running: TaskGroup::new(),
            start: Instant::now(),
            counted,
        }
    }

    /// Claims as many jobs as there are free places, and starts them.
    async fn claim(&mut self) -> Result<Claim, Error> {
        let free = self.settings.concurrency - self.running.len();
        if free == 0 {
            return Ok(Claim::Full);
        }
        let jobs = self.claims.claim(free).await?;
        let is_full = jobs.len() == free;
        for job in jobs {
            let attempt = Attempt {
                claims: self.claims.clone(),
                handlers: self.handlers.clone(),
                settings: self.settings.clone(),
                job,
            };
            self.running.spawn(attempt.run());
        }
        if is_full {
            return Ok(Claim::Full);
        }
        Ok(Claim::NothingDue(self.claims.next_due().await?))
    }

    /// Counts an attempt, and the others that have ended meanwhile: one claim then replaces them all.
    fn count(&mut self, first: Ended) -> Result<(), Error> {
        let mut ended = Some(first);
        while let Some(outcome) = ended {
            match outcome?? {
                Outcome::Done => self.counted.done += 1,
                Outcome::Retried => self.counted.retried += 1,
                Outcome::Failed => self.counted.failed += 1,
                Outcome::Lost => self.counted.lost += 1,
            }
            ended = self.running.try_join_next();
        }
        Ok(())
    }

    fn summary(&self) -> Summary {
        Summary {
            elapsed: self.start.elapsed(),
            ..self.counted
        }
    }
}

/// One attempt of a job: a task of the loop.
struct Attempt {
    claims: Rc<Claims>,
    handlers: Rc<Handlers>,
    settings: Settings,
    job: Job,
}

impl Attempt {
    async fn run(self) -> Result<Outcome, Error> {
        let Attempt {
            claims,
            settings,
            job,
            ..
        } = &self;
        let log = |what| settings.log(format_args!("{what} {}", job.key));
        log("started");
        let outcome = match self.handle().await {
            Ok(result) => claims.complete(job, &result).await?,
            Err(error) => {
                settings.log(format_args!("error {}: {error}", job.key));
                claims.fail(job, &error, self.back_off()).await?
            }
        };
        let name = match outcome {
            Outcome::Done => "done",
            Outcome::Retried => "retried",
            Outcome::Failed => "failed",
            Outcome::Lost => "lost",
        };
        log(name);
        Ok(outcome)
    }

    /// Runs the handler within the time limit. A panic fails only this attempt.
    async fn handle(&self) -> Result<String, String> {
        let kind = &self.job.kind;
        let handler = self.handlers.0.get(kind);
        let handler = handler.ok_or_else(|| format!("there is no handler for `{kind}`"))?;
        let handled = async { handler(self.job.clone()).await };
        let handled = AssertUnwindSafe(handled).catch_unwind();
        let limit = self.settings.time_limit;
        match timeout(limit, handled).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err("the handler has panicked".to_owned()), // the panic hook has printed it
            Err(_) => Err(format!("the handler has not ended within {limit:?}")),
        }
    }

    /// The delay before the next attempt.
    fn back_off(&self) -> Duration {
        let doublings = self.job.attempt.clamp(1, 30) - 1;
        let back_off = self.settings.back_off.saturating_mul(1 << doublings);
        back_off.min(LONGEST_BACK_OFF)
    }
}
