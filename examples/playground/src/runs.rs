//! Runs a program in a child process, and ends it when it exceeds what it may use.

use std::cell::Cell;
use std::io;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::process::{Child, Command};
use nodeloop::time::timeout;
use serde_json::json;

use crate::{CHILD, child};

/// The number of programs that run at the same time.
const MAX_RUNS: usize = 4;
/// The longest answer of a child, in bytes.
const MAX_ANSWER: u64 = 24 << 20;
/// What a child has beyond the time of its program: to start, to write its answer, and to wait for a processor.
const GRACE: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Too many programs run.
    Busy,
    /// The request is wrong.
    Request(String),
    /// The child could not be started.
    Start(io::Error),
}

/// The programs that run.
#[derive(Clone, Default)]
pub(crate) struct Runs(Rc<Cell<usize>>);

/// A program that runs. Dropping it makes room for the next one.
struct Running(Rc<Cell<usize>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Runs {
    /// Runs the program of a request, and returns the answer of its process, as JSON.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills the process.
    pub(crate) async fn run(&self, request: &str) -> Result<String, Failure> {
        let program = child::parse(request).map_err(Failure::Request)?;
        if self.0.get() >= MAX_RUNS {
            return Err(Failure::Busy);
        }
        self.0.set(self.0.get() + 1);
        let _running = Running(self.0.clone());
        let time = match program.virtual_time {
            true => child::VIRTUAL_TIME,
            false => child::REAL_TIME,
        };
        let mut child = start().map_err(Failure::Start)?;
        let answer = timeout(time + GRACE, exchange(&mut child, request)).await;
        let problem = match answer {
            Ok(Ok(answer)) if !answer.is_empty() && answer.len() as u64 <= MAX_ANSWER => {
                return Ok(answer);
            }
            Ok(Ok(answer)) if answer.is_empty() => {
                let how = child.wait().await.map_err(Failure::Start)?;
                format!(
                    "The program was stopped, and there is nothing to replay: its process was ended ({how}), for \
                     example because one of the engine's own functions took too long."
                )
            }
            Ok(Ok(_)) => "The program was stopped: its recording is too long.".to_owned(),
            Ok(Err(error)) => format!("The process of the program cannot be read: {error}."),
            Err(_) => format!(
                "The program was stopped after {} seconds, and there is nothing to replay: the engine did not \
                 return from one of its own functions.",
                (time + GRACE).as_secs()
            ),
        };
        // It may have ended by itself.
        let _ = child.kill().await;
        Ok(
            json!({ "exitCode": 1, "stopped": "killed", "message": problem, "output": [] })
                .to_string(),
        )
    }
}

/// Starts this binary as the child of one run, without an environment.
fn start() -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg(CHILD)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

/// Sends the request, and reads the answer up to its longest length.
async fn exchange(child: &mut Child, request: &str) -> io::Result<String> {
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(request.as_bytes()).await?;
        stdin.close().await?;
    }
    let mut answer = String::new();
    if let Some(stdout) = child.stdout.take() {
        let mut bounded = stdout.take(MAX_ANSWER + 1);
        bounded.read_to_string(&mut answer).await?;
    }
    Ok(answer)
}
