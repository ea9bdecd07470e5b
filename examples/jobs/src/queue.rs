//! The statements of the queue. Each is one transaction.
//!
//! All times are those of the server's clock, so the clocks of the workers need not agree.

use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use crate::Error;

/// Creates the tables of the queue, unless they exist.
///
/// # Errors
///
/// Returns an error if the user may not create tables.
pub async fn set_up(client: &Client) -> Result<(), Error> {
    client.batch_execute(include_str!("schema.sql")).await?;
    Ok(())
}

/// A job to add.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Identifies the job. A second job with the same key is not added.
    pub key: String,
    /// Selects the handler.
    pub kind: String,
    /// The handler's input.
    pub payload: String,
    /// Jobs of a higher priority are claimed first.
    pub priority: i32,
    /// The job is not claimed before this has passed.
    pub delay: Duration,
    /// How often the job is tried. A worker that dies counts as an attempt.
    pub max_attempts: i32,
}

impl NewJob {
    /// Creates a job of priority 0 that is due now and tried five times.
    pub fn new(key: impl Into<String>, kind: &str, payload: &str) -> NewJob {
        NewJob {
            key: key.into(),
            kind: kind.to_owned(),
            payload: payload.to_owned(),
            priority: 0,
            delay: Duration::ZERO,
            max_attempts: 5,
        }
    }
}

/// Adds jobs, wakes idle workers, and returns how many jobs are new.
///
/// Workers are notified when the transaction ends, once for all of the jobs.
///
/// # Errors
///
/// Returns an error if the statement fails; no job is then added.
pub async fn enqueue(client: &Client, jobs: &[NewJob]) -> Result<i64, Error> {
    let keys: Vec<&str> = jobs.iter().map(|job| &*job.key).collect();
    let kinds: Vec<&str> = jobs.iter().map(|job| &*job.kind).collect();
    let payloads: Vec<&str> = jobs.iter().map(|job| &*job.payload).collect();
    let priorities: Vec<i32> = jobs.iter().map(|job| job.priority).collect();
    let delays: Vec<f64> = jobs.iter().map(|job| job.delay.as_secs_f64()).collect();
    let attempts: Vec<i32> = jobs.iter().map(|job| job.max_attempts).collect();
    // In the order of the keys, so that two producers of the same jobs cannot deadlock.
    let sql = "
        WITH added AS (
            INSERT INTO jobs (key, kind, payload, priority, run_at, max_attempts)
            SELECT key, kind, payload, priority, now() + make_interval(secs => delay), attempts
            FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::float8[],
                        $6::integer[]) AS job (key, kind, payload, priority, delay, attempts)
            ORDER BY key
            ON CONFLICT (key) DO NOTHING
            RETURNING id
        )
        SELECT count(*), pg_notify('jobs', '') FROM added";
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&keys, &kinds, &payloads, &priorities, &delays, &attempts];
    Ok(client.query_one(sql, &parameters).await?.get(0))
}

/// How many jobs are in each state, in the order of the states' names.
///
/// # Errors
///
/// Returns an error if the statement fails.
pub async fn states(client: &Client) -> Result<Vec<(String, i64)>, Error> {
    let sql = "SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state";
    let rows = client.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// A job that a worker has claimed.
#[derive(Debug, Clone)]
pub struct Job {
    id: i64,
    /// The idempotency key.
    pub key: String,
    /// Selects the handler.
    pub kind: String,
    /// The handler's input.
    pub payload: String,
    /// 1 for the first attempt.
    pub attempt: i32,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The job is done and its effect is written.
    Done,
    /// It failed and will be tried again.
    Retried,
    /// It failed for the last time.
    Failed,
    /// The lease had ended and the job was taken over, so that this attempt has no effect.
    Lost,
}

/// The statements of one worker.
pub struct Claims {
    client: Client,
    worker: i64,
    lease: f64,
    claim: Statement,
    extend: Statement,
    complete: Statement,
    fail: Statement,
    bury: Statement,
    next_due: Statement,
}

impl Claims {
    /// Registers a worker and prepares its statements. Its jobs are taken over by other workers if
    /// it does not extend its leases within `lease`.
    ///
    /// # Errors
    ///
    /// Returns an error if a statement cannot be prepared, as without the tables of [`set_up`].
    pub async fn prepare(client: Client, lease: Duration) -> Result<Claims, Error> {
        let worker = client.query_one("SELECT nextval('workers')", &[]).await?;
        Ok(Claims {
            worker: worker.get(0),
            lease: lease.as_secs_f64(),
            claim: client.prepare(CLAIM).await?,
            extend: client.prepare(EXTEND).await?,
            complete: client.prepare(COMPLETE).await?,
            fail: client.prepare(FAIL).await?,
            bury: client.prepare(BURY).await?,
            next_due: client.prepare(NEXT_DUE).await?,
            client,
        })
    }

    /// The number of the worker.
    pub fn worker(&self) -> i64 {
        self.worker
    }

    /// Claims up to `count` jobs that are due.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection fails.
    pub async fn claim(&self, count: usize) -> Result<Vec<Job>, Error> {
        let parameters: [&(dyn ToSql + Sync); 3] = [&self.worker, &self.lease, &(count as i64)];
        let rows = self.client.query(&self.claim, &parameters).await?;
        let job = |row: &tokio_postgres::Row| Job {
            id: row.get("id"),
            key: row.get("key"),
            kind: row.get("kind"),
            payload: row.get("payload"),
            attempt: row.get("attempts"),
        };
        Ok(rows.iter().map(job).collect())
    }

    /// Extends the leases of all jobs of the worker.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection fails.
    pub async fn extend(&self) -> Result<(), Error> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&self.worker, &self.lease];
        self.client.execute(&self.extend, &parameters).await?;
        Ok(())
    }

    /// Writes the effect of a job and ends it.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection fails, or if a job of the same key has an effect.
    pub async fn complete(&self, job: &Job, result: &str) -> Result<Outcome, Error> {
        let parameters: [&(dyn ToSql + Sync); 4] = [&job.id, &self.worker, &job.attempt, &result];
        let effects = self.client.execute(&self.complete, &parameters).await?;
        Ok(if effects == 1 {
            Outcome::Done
        } else {
            Outcome::Lost
        })
    }

    /// Ends an attempt that failed. The next one is due after `back_off`.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection fails.
    pub async fn fail(&self, job: &Job, error: &str, back_off: Duration) -> Result<Outcome, Error> {
        let back_off = back_off.as_secs_f64();
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&job.id, &self.worker, &job.attempt, &error, &back_off];
        let row = self.client.query_opt(&self.fail, &parameters).await?;
        Ok(match row.map(|row| row.get::<_, bool>(0)) {
            Some(true) => Outcome::Retried,
            Some(false) => Outcome::Failed,
            None => Outcome::Lost,
        })
    }

    /// Wakes all idle workers.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection fails.
    pub async fn wake_workers(&self) -> Result<(), Error> {
        self.client.batch_execute("NOTIFY jobs").await?;
        Ok(())
    }

    /// How long it takes until a job is due, which may be the end of another worker's lease; `None`
    /// if there is no job. Jobs that have been lost in their last attempt become failures.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection fails.
    pub async fn next_due(&self) -> Result<Option<Duration>, Error> {
        self.client.execute(&self.bury, &[]).await?;
        let row = self.client.query_one(&self.next_due, &[]).await?;
        let seconds: Option<f64> = row.get(0);
        Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))))
    }
}

/// `SKIP LOCKED`: a job that another worker claims at this moment is not waited for. A job whose
/// lease has ended is claimed like one that was never started.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT id FROM jobs
        WHERE state IN ('queued', 'running') AND run_at <= now() AND attempts < max_attempts
        ORDER BY priority DESC, run_at, id
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE jobs
        SET state = 'running', worker = $1, attempts = attempts + 1,
            run_at = now() + make_interval(secs => $2)
        FROM due WHERE jobs.id = due.id
        RETURNING jobs.*
    )
    SELECT id, key, kind, payload, attempts FROM claimed ORDER BY priority DESC, id";

const EXTEND: &str = "
    UPDATE jobs SET run_at = now() + make_interval(secs => $2)
    WHERE worker = $1 AND state = 'running'";

/// The effect and the end of the job are one transaction. A worker that has lost the job finds
/// another worker or another attempt in its row, and changes nothing.
const COMPLETE: &str = "
    WITH done AS (
        UPDATE jobs SET state = 'done'
        WHERE id = $1 AND worker = $2 AND attempts = $3 AND state = 'running'
        RETURNING key
    )
    INSERT INTO effects (key, worker, result) SELECT key, $2, $4 FROM done";

const FAIL: &str = "
    UPDATE jobs
    SET state = CASE WHEN attempts < max_attempts THEN 'queued' ELSE 'failed' END,
        error = $4, run_at = now() + make_interval(secs => $5)
    WHERE id = $1 AND worker = $2 AND attempts = $3 AND state = 'running'
    RETURNING state = 'queued'";

const BURY: &str = "
    UPDATE jobs SET state = 'failed', error = 'its worker was lost'
    WHERE state = 'running' AND run_at <= now() AND attempts >= max_attempts";

const NEXT_DUE: &str = "
    SELECT extract(epoch FROM min(run_at) - now())::float8 FROM jobs
    WHERE state IN ('queued', 'running')";
