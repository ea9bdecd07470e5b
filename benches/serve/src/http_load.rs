//! `wrk`, and a look at an answer before and behind it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::Sample;
use crate::process::ServerProcess;
use crate::servers::HELLO;

/// `seconds` of load, between two looks at the answer.
pub fn run(server: &ServerProcess, connections: usize, seconds: u64) -> io::Result<Sample> {
    check(server.address())?;
    let before = server.cpu()?;
    let (operations, wall) = wrk(server.address(), connections, seconds)?;
    let cpu = server.cpu()? - before;
    check(server.address())?;
    Ok(Sample {
        operations,
        cpu,
        wall,
    })
}

/// A second that does not count.
pub fn warm_up(server: &ServerProcess, connections: usize) -> io::Result<()> {
    wrk(server.address(), connections, 1).map(drop)
}

/// Two requests on one connection; both answers are looked at byte by byte, but for the date.
pub fn check(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&answer).to_lowercase();
        let mut body = vec![0; HELLO.len()];
        stream.read_exact(&mut body)?;
        let right = head.starts_with("http/1.1 200 ok\r\n")
            && head.contains("\r\ncontent-type: text/plain\r\n")
            && head.contains(&format!("\r\ncontent-length: {}\r\n", HELLO.len()))
            && body == HELLO;
        if !right {
            let body = String::from_utf8_lossy(&body);
            return Err(io::Error::other(format!("a wrong answer: {head}{body}")));
        }
    }
    Ok(())
}

/// The number of requests, and the time they took.
fn wrk(address: SocketAddr, connections: usize, seconds: u64) -> io::Result<(u64, Duration)> {
    let output = Command::new("wrk")
        .args(["-t", "1", "-c", &connections.to_string()])
        .args(["-d", &format!("{seconds}s"), &format!("http://{address}/")])
        .output()
        .map_err(|error| io::Error::other(format!("`wrk` (apt-get install wrk): {error}")))?;
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
