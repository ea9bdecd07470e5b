//! A server in its own process, and the processor time it uses.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::servers::Server;

/// The process of a server, which is killed on drop.
pub struct ServerProcess {
    child: Child,
    port: u16,
}

impl ServerProcess {
    /// Starts a server and waits until it listens.
    pub fn start(kind: &str, name: &str, server: &Server) -> io::Result<ServerProcess> {
        let command = match server {
            Server::Native(_) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["serve", kind, name]);
                command
            }
            Server::Node(script) => {
                let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
                let mut command = Command::new("node");
                command.arg(scripts.join(script));
                command
            }
        };
        ServerProcess::start_command(kind, name, command)
    }

    /// Starts a server of this program under Valgrind's callgrind, which counts instructions.
    pub fn start_counted(kind: &str, name: &str) -> io::Result<ServerProcess> {
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe()?)
            .args(["serve", kind, name])
            .stderr(Stdio::piped());
        ServerProcess::start_command(kind, name, command).map_err(|error| {
            let text = format!("{error} (the count needs valgrind: apt-get install valgrind)");
            io::Error::new(error.kind(), text)
        })
    }

    fn start_command(kind: &str, name: &str, mut command: Command) -> io::Result<ServerProcess> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
        // A number, or an address that ends in it.
        let port = line.trim().rsplit(':').next().unwrap_or_default().parse();
        let mut process = ServerProcess { child, port: 0 };
        process.port = port.map_err(|_| {
            io::Error::other(format!(
                "{kind} on {name} did not start; it printed `{line}`"
            ))
        })?;
        Ok(process)
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Ends a server that was started with [`start_counted`](ServerProcess::start_counted), and returns how
    /// many instructions it has executed.
    pub fn end_and_count(mut self) -> io::Result<u64> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        let since = Instant::now();
        while self.child.try_wait()?.is_none() {
            if since.elapsed() > Duration::from_secs(10) {
                return Err(io::Error::other("it did not end within ten seconds"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        let mut report = String::new();
        let stderr = self.child.stderr.as_mut();
        stderr.expect("piped").read_to_string(&mut report)?;
        let mut counts = report
            .lines()
            .filter_map(|line| line.split_once("Collected : "));
        let count = counts.next().and_then(|(_, it)| it.trim().parse().ok());
        count.ok_or_else(|| io::Error::other(format!("callgrind has counted nothing:\n{report}")))
    }

    /// Returns the processor time of all its threads so far, user and system. Linux counts it in
    /// nanoseconds.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut total_ns = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let times = fs::read_to_string(thread?.path().join("schedstat"))?;
            let ran_ns = times
                .split(' ')
                .next()
                .and_then(|ns| ns.parse::<u64>().ok());
            total_ns +=
                ran_ns.ok_or_else(|| io::Error::other("cannot parse schedstat in /proc"))?;
        }
        Ok(Duration::from_nanos(total_ns))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn has_node() -> bool {
    Command::new("node").arg("--version").output().is_ok()
}
