//! The load of `hello` and `rest`: `wrk`, with a check of a response before and after it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::Sample;
use crate::process::ServerProcess;
use crate::servers::HELLO;

/// A request and its expected response.
#[derive(Clone, Copy)]
pub struct Page {
    path: &'static str,
    content_type: &'static str,
    body: &'static [u8],
    /// Path and body of a request that creates the page, if one is needed.
    post: Option<(&'static str, &'static str)>,
}

/// Returns the page of a kind of server.
pub fn page(kind: &str) -> Page {
    match kind {
        "rest" => Page {
            path: "/notes/1",
            content_type: "application/json",
            body: br#"{"id":1,"title":"a note","text":"with some text"}"#,
            post: Some(("/notes", r#"{"title":"a note","text":"with some text"}"#)),
        },
        _ => Page {
            path: "/",
            content_type: "text/plain",
            body: HELLO,
            post: None,
        },
    }
}

impl Page {
    /// Creates the page if needed, and checks the response.
    pub fn prepare(&self, address: SocketAddr) -> io::Result<()> {
        if let Some((path, body)) = self.post {
            let mut stream = TcpStream::connect(address)?;
            let length = body.len();
            write!(
                stream,
                "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            if !answer.starts_with("HTTP/1.1 201 Created\r\n") {
                return Err(io::Error::other(format!("unexpected response: {answer}")));
            }
        }
        self.check(address)
    }

    /// Applies the load for one second, as a warm-up.
    pub fn warm_up(&self, server: &ServerProcess, connections: usize) -> io::Result<()> {
        self.prepare(server.address())?;
        self.wrk(server.address(), connections, 1).map(drop)
    }

    /// Applies the load for `seconds`, and checks the response before and after it.
    pub fn run(
        &self,
        server: &ServerProcess,
        connections: usize,
        seconds: u64,
    ) -> io::Result<Sample> {
        self.check(server.address())?;
        let before = server.cpu()?;
        let (operations, wall) = self.wrk(server.address(), connections, seconds)?;
        let cpu = server.cpu()? - before;
        self.check(server.address())?;
        Ok(Sample {
            operations,
            cpu,
            wall,
        })
    }

    fn check(&self, address: SocketAddr) -> io::Result<()> {
        self.request(address, 2)
    }

    /// Sends requests on one connection, and checks the relevant parts of their responses.
    pub fn request(&self, address: SocketAddr, count: u64) -> io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        for _ in 0..count {
            let path = self.path;
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
            stream.write_all(request.as_bytes())?;
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte)?;
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let mut body = vec![0; self.body.len()];
            stream.read_exact(&mut body)?;
            let is_expected = head.starts_with("http/1.1 200 ok\r\n")
                && head.contains(&format!("\r\ncontent-type: {}\r\n", self.content_type))
                && head.contains(&format!("\r\ncontent-length: {}\r\n", body.len()))
                && body == self.body;
            if !is_expected {
                let body = String::from_utf8_lossy(&body);
                return Err(io::Error::other(format!(
                    "unexpected response: {head}{body}"
                )));
            }
        }
        Ok(())
    }

    /// Runs `wrk`, and returns the number of requests and the time they took.
    fn wrk(
        &self,
        address: SocketAddr,
        connections: usize,
        seconds: u64,
    ) -> io::Result<(u64, Duration)> {
        let output = Command::new("wrk")
            .args(["-t", "1", "-c", &connections.to_string()])
            .args(["-d", &format!("{seconds}s")])
            .arg(format!("http://{address}{}", self.path))
            .output()
            .map_err(|error| {
                io::Error::other(format!(
                    "cannot run `wrk` (install it with apt-get install wrk): {error}"
                ))
            })?;
        let report = String::from_utf8_lossy(&output.stdout);
        let failed = report.contains("Non-2xx") || report.contains("Socket errors");
        let counted = report.lines().find_map(|line| {
            let (requests, rest) = line.trim().split_once(" requests in ")?;
            let seconds = rest.split_once("s,")?.0.parse().ok()?;
            Some((requests.parse().ok()?, Duration::from_secs_f64(seconds)))
        });
        match counted {
            Some(counted) if output.status.success() && !failed => Ok(counted),
            _ => Err(io::Error::other(format!("`wrk` reports:\n{report}"))),
        }
    }
}
