//! The kinds of jobs that the program knows. They show what can happen to a job.

use std::time::Duration;

use nodeloop::time::sleep;
use nodeloop::{fs, spawn_blocking};

use crate::queue::Job;
use crate::worker::Handlers;

/// All kinds.
pub fn handlers() -> Handlers {
    Handlers::default()
        .on("sleep", slow)
        .on("sum", sum)
        .on("read", read)
        .on("flaky", flaky)
        .on("stuck", stuck)
        .on("crash", crash)
}

/// Waits for as many milliseconds as the payload says.
async fn slow(job: Job) -> Result<String, String> {
    sleep(Duration::from_millis(number(&job)?)).await;
    Ok("slept".to_owned())
}

/// Adds all numbers up to the payload, on a thread of the pool: a computation must not block the
/// loop, which extends the leases.
async fn sum(job: Job) -> Result<String, String> {
    let last = number(&job)?;
    let sum = spawn_blocking(move || (1..=u128::from(last)).sum::<u128>()).await;
    Ok(sum.to_string())
}

/// Reads the file that the payload names.
async fn read(job: Job) -> Result<String, String> {
    let text = fs::read_to_string(job.payload).await;
    text.map_err(|error| error.to_string())
}

/// Fails in as many attempts as the payload says.
async fn flaky(job: Job) -> Result<String, String> {
    if job.attempt as u64 <= number(&job)? {
        return Err(format!("attempt {} fails", job.attempt));
    }
    Ok(format!("done in attempt {}", job.attempt))
}

/// Never ends in as many attempts as the payload says, until the time limit or the worker's end.
async fn stuck(job: Job) -> Result<String, String> {
    if job.attempt as u64 <= number(&job)? {
        std::future::pending::<()>().await;
    }
    Ok(format!("done in attempt {}", job.attempt))
}

/// Ends the worker's process in as many attempts as the payload says.
async fn crash(job: Job) -> Result<String, String> {
    if job.attempt as u64 <= number(&job)? {
        std::process::exit(1);
    }
    Ok(format!("done in attempt {}", job.attempt))
}

fn number(job: &Job) -> Result<u64, String> {
    let payload = &job.payload;
    payload
        .parse()
        .map_err(|_| format!("the payload `{payload}` is not a number"))
}
