//! A queue of jobs with progress: three run at a time, and a job that fails is tried again.
//!
//! The jobs count the lines of the files that the arguments name, on the worker pool. The progress is
//! drawn on the standard error after every change.
//!
//! Run: with the arguments LICENSE-MIT no/such/file LICENSE-APACHE
//! Compared with Node: not, because Node's pool runs no functions of the program
//! On Windows: not run, because the system words the error differently there

use std::collections::{BTreeMap, VecDeque};
use std::{env, fs, io};

use nodeloop::{prelude::*, try_spawn_blocking};

const AT_ONCE: usize = 3;
const ATTEMPTS: u32 = 3;
/// Before the second attempt. The pause before the third one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

#[nodeloop::main]
async fn main() {
    let files = env::args().skip(1).collect();
    let draw = |progress: String| eprint!("\r{progress}");
    let results = run_jobs(files, count_lines, draw).await;
    eprintln!();
    for (file, result) in results {
        match result {
            Ok(lines) => println!("{file}: {lines} lines"),
            Err(error) => println!("{file}: {error}"),
        }
    }
}

async fn count_lines(file: String) -> io::Result<usize> {
    try_spawn_blocking(move || Ok(fs::read_to_string(file)?.lines().count())).await
}

/// Runs `job` for each name, and calls `report` after every change.
pub async fn run_jobs<T: 'static, F: Future<Output = io::Result<T>> + 'static>(
    names: Vec<String>,
    job: impl Fn(String) -> F,
    report: impl Fn(String),
) -> BTreeMap<String, io::Result<T>> {
    let (mut results, mut running, mut retries) = (BTreeMap::new(), TaskGroup::new(), 0);
    let total = names.len();
    let mut waiting: VecDeque<(String, u32)> = names.into_iter().map(|name| (name, 0)).collect();
    loop {
        while running.len() < AT_ONCE
            && let Some((name, failures)) = waiting.pop_front()
        {
            let job = job(name.clone());
            running.spawn(async move {
                if failures > 0 {
                    sleep(PAUSE * failures).await;
                }
                (name, failures, job.await)
            });
        }
        let (done, active) = (results.len(), running.len());
        report(format!(
            "{done} of {total} done, {active} running, {retries} retries"
        ));
        match running.join_next().await.transpose() {
            Ok(None) => return results,
            Ok(Some((name, failures, Err(_)))) if failures + 1 < ATTEMPTS => {
                retries += 1;
                waiting.push_back((name, failures + 1));
            }
            Ok(Some((name, _, result))) => _ = results.insert(name, result),
            Err(panicked) => panic!("{panicked}"),
        }
    }
}
