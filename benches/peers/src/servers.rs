//! The workloads whose client is this program.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::echo_load::Load;
use crate::process::ServerProcess;
use crate::runtimes::Side;
use crate::workloads::Kind;

/// A server that takes longer to accept all connections, or to answer one of them, has failed.
const LIMIT: Duration = Duration::from_secs(10);

/// The most connections that no server has accepted yet. tokio and smol listen with a backlog of 128. A
/// client that is faster than the server fills it, and the kernel then drops the connection's first
/// packet, which is sent again only after a second.
const BACKLOG: u64 = 100;

/// Measures one server in a process of its own, and returns the cost of an operation.
pub fn measure(side: &Side, kind: Kind, size: u64) -> io::Result<f64> {
    let server = ServerProcess::start(side)?;
    match kind {
        Kind::Run => Err(io::Error::other("not a workload of a server")),
        Kind::Echo { connections, idle } => {
            // A check of a few messages needs no more than a few connections.
            let idle: io::Result<Vec<_>> = (0..idle.min(size as usize))
                .map(|_| echoing_connection(&server))
                .collect();
            let mut load = Load::new(&server, connections)?;
            load.run(&server, size as usize / 4 + 1)?; // a warm-up
            let sample = load.run(&server, size as usize)?;
            drop(idle?);
            Ok(sample.cpu.as_nanos() as f64 / sample.operations as f64)
        }
        Kind::Accept => {
            close_connections(&server, size / 10)?; // a warm-up
            let before = server.cpu()?;
            close_connections(&server, size)?;
            Ok((server.cpu()? - before).as_nanos() as f64 / size as f64)
        }
        Kind::Connections => {
            // The first connections take what is needed only once.
            let mut connections = Vec::new();
            for _ in 0..64 {
                connections.push(echoing_connection(&server)?);
            }
            let before = server.memory()?;
            for _ in 0..size {
                connections.push(echoing_connection(&server)?);
            }
            let grown = server.memory()?.saturating_sub(before);
            drop(connections);
            Ok(grown as f64 / size as f64)
        }
    }
}

fn close_connections(server: &ServerProcess, count: u64) -> io::Result<()> {
    let start = Instant::now();
    for accepted in 0..count {
        if start.elapsed() > LIMIT {
            let seconds = LIMIT.as_secs();
            let text = format!("accepted {accepted} of {count} connections in {seconds} s");
            return Err(io::Error::other(text));
        }
        if accepted % BACKLOG == BACKLOG - 1 {
            echoing_connection(server)?; // accepted after all others
        } else {
            drop(TcpStream::connect_timeout(&server.address(), LIMIT)?);
        }
    }
    echoing_connection(server).map(drop)
}

/// Connects, and checks one echo.
fn echoing_connection(server: &ServerProcess) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&server.address(), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"echo")?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    match &answer {
        b"echo" => Ok(stream),
        _ => Err(io::Error::other("the echo differs from the message")),
    }
}
