//! Processes of sides: one that runs a workload to its end, and one that serves.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::runtimes::{Side, reason};

/// A workload that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(40);

/// Runs a workload in a process of its own, and returns the least of the costs that it prints.
pub fn run(side: &Side, workload: &str, size: u64, times: u32) -> Result<f64, String> {
    let mut child = side
        .command()
        .args(["run", workload, &size.to_string(), &times.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let (sender, receiver) = mpsc::channel();
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    thread::spawn(move || {
        let (mut costs, mut errors) = (String::new(), String::new());
        let costs_read = stdout.as_mut().map(|pipe| pipe.read_to_string(&mut costs));
        let errors_read = stderr.as_mut().map(|pipe| pipe.read_to_string(&mut errors));
        let _ = sender.send((costs, errors, costs_read.is_some() && errors_read.is_some()));
    });
    let received = receiver.recv_timeout(LIMIT);
    if received.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let Ok((costs, errors, true)) = received else {
        return Err(format!("did not end within {} s", LIMIT.as_secs()));
    };
    if !status.success() {
        return Err(reason(&errors, &status.to_string()));
    }
    let costs: Result<Vec<f64>, _> = costs.lines().map(str::parse).collect();
    let costs = costs.map_err(|error| format!("printed no number: {error}"))?;
    if costs.len() != times as usize {
        return Err(format!(
            "printed {} numbers instead of {times}",
            costs.len()
        ));
    }
    Ok(costs.into_iter().fold(f64::INFINITY, f64::min))
}

/// The process of a server, which is killed on drop.
pub struct ServerProcess {
    child: Child,
    port: u16,
}

impl ServerProcess {
    /// Starts the server and waits until it listens.
    pub fn start(side: &Side) -> io::Result<ServerProcess> {
        let mut command = side.command();
        command
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let mut process = ServerProcess { child, port: 0 };
        let port = line.trim().parse();
        process.port = port.map_err(|_| io::Error::other("the server did not start"))?;
        Ok(process)
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Returns the processor time of all its threads so far, user and system. Linux counts it in
    /// nanoseconds.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut total_ns = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let times = fs::read_to_string(thread?.path().join("schedstat"))?;
            total_ns += first_number(&times)?;
        }
        Ok(Duration::from_nanos(total_ns))
    }

    /// Returns its anonymous memory in bytes.
    pub fn memory(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        Ok(first_number(line.unwrap_or_default())? * 1024)
    }
}

fn first_number(text: &str) -> io::Result<u64> {
    let number = text
        .split_whitespace()
        .next()
        .and_then(|first| first.parse().ok());
    number.ok_or_else(|| io::Error::other("cannot parse a number in /proc"))
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
