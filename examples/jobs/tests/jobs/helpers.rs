//! A database for each test, and the program as a child process.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;

use nodeloop_jobs::database::connect;
use nodeloop_jobs::queue::set_up;
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::Client;

use crate::limit::watch;
use crate::postgres::Cluster;

/// A new database with the tables of the queue.
pub struct Queue {
    pub url: String,
    /// Stopped when the last test that shares it has ended.
    _cluster: Arc<Cluster>,
}

impl Queue {
    /// Creates the database `name`; `None` if the test cannot run here.
    #[track_caller]
    pub fn create(name: &'static str) -> Option<Queue> {
        let cluster = Cluster::shared()?;
        let (all, url) = (cluster.url("postgres"), cluster.url(name));
        let tables = url.clone();
        run(async move {
            let server = connect(&all).await.unwrap();
            let sql = format!("CREATE DATABASE {name}");
            server.client.batch_execute(&sql).await.unwrap();
            set_up(&connect(&tables).await.unwrap().client)
                .await
                .unwrap();
        });
        Some(Queue {
            url,
            _cluster: cluster,
        })
    }

    /// Runs a command of the program in a process of its own.
    pub fn start(&self, arguments: &str) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_jobs"))
            .args(arguments.split_whitespace())
            .env("DATABASE_URL", &self.url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Program { child, output }
    }

    /// Runs a command of the program to its end, and returns what it printed.
    #[track_caller]
    pub fn run(&self, arguments: &str) -> String {
        let (lines, status) = self.start(arguments).end();
        assert!(status.success(), "{arguments}: {status}");
        lines.join("\n")
    }
}

/// [`nodeloop::run`], whose loop reports when the test's limit expires.
pub fn run(future: impl Future<Output = ()> + 'static) {
    nodeloop::run(async {
        watch(nodeloop::Handle::current());
        future.await;
    });
}

/// The first column of the rows, as text.
pub async fn column(client: &Client, sql: &str) -> Vec<String> {
    let rows = client.simple_query(sql).await.unwrap();
    let text = |message: &tokio_postgres::SimpleQueryMessage| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    rows.iter().filter_map(text).collect()
}

/// A process of the program. It is killed if it runs when this is dropped.
pub struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Program {
    /// Reads lines up to the one that is `text`. Blocks.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        while let Some(line) = self.line() {
            if line == text {
                return;
            }
        }
        panic!("the program has ended without the line `{text}`");
    }

    /// The next line; `None` at the end of the output. Blocks.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.output.read_line(&mut line).unwrap();
        (count > 0).then(|| line.trim_end().to_owned())
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The remaining lines and the exit status. Blocks.
    pub fn end(mut self) -> (Vec<String>, ExitStatus) {
        let lines = std::iter::from_fn(|| self.line()).collect();
        (lines, self.child.wait().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
