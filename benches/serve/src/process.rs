//! A server in its own process, and the processor time it uses.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::servers::Server;

/// The process of a server, which is killed on drop.
pub struct ServerProcess {
    child: Child,
    port: u16,
}

impl ServerProcess {
    /// Starts a server and waits until it listens.
    pub fn start(kind: &str, name: &str, server: &Server) -> io::Result<ServerProcess> {
        let mut command = match server {
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
