//! 10,000 connections in one process, all open at once. After them the descriptors, tasks and
//! allocations are as many as before.
//!
//! The clients are a process of their own (this program again), because both ends of 10,000
//! connections are more descriptors than most machines allow to one process. Where the limit is
//! below 10,000, there are fewer connections, and the rest is reported as skipped.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit_of;
use crate::common::process::{command_of, descriptors_left, in_own_process, open_descriptors};
use crate::common::real_loop;
use crate::common::run;
use crate::common::skip::skip;
use crate::memory::live_bytes;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpSocket, TcpStream};
use nodeloop::{promise, spawn, spawn_blocking};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CONNECTIONS: usize = 10_000;

/// Raises the limit of descriptors. Returns how many connections it allows.
fn as_many_as_allowed() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = CONNECTIONS as u64 + 100;
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit {
        current: Some(limit.current.unwrap_or(u64::MAX).max(wanted.min(maximum))),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    CONNECTIONS.min(maximum as usize - 100)
}

#[test]
fn ten_thousand_connections() {
    if in_own_process(ten_thousand_connections) {
        return;
    }
    let _limit = limit_of(
        Duration::from_secs(120),
        "10,000 connections on a busy machine",
    );
    let connections = as_many_as_allowed();
    if connections < CONNECTIONS {
        let missing = CONNECTIONS - connections;
        skip(format_args!(
            "{missing} connections are above the limit of descriptors"
        ));
    }
    let token = Rc::new(());
    let before = open_descriptors();
    round(connections, &token);
    assert_eq!(descriptors_left(before), before, "descriptors are back");
    // The first round has created what is created once per process.
    let memory = live_bytes();
    round(connections.min(3_000), &token);
    assert_eq!(
        descriptors_left(before),
        before,
        "descriptors are back again"
    );
    let more = live_bytes().saturating_sub(memory);
    assert!(more < 64 << 10, "another round keeps {more} bytes");
}

/// Serves that many clients until the last connection has ended.
fn round(connections: usize, token: &Rc<()>) {
    let mut event_loop = real_loop();
    let (before, tasks) = (open_descriptors(), token.clone());
    let main = async move {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(4096).unwrap();
        let port = listener.local_addr().unwrap().port();
        let clients = spawn_blocking(move || run_clients(port, connections));
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            let token = tasks.clone();
            spawn(async move {
                let _token = token;
                let mut buffer = [0; 64];
                loop {
                    match stream.read(&mut buffer).await.unwrap() {
                        0 => return,
                        length => stream.write_all(&buffer[..length]).await.unwrap(),
                    }
                }
            })
            .detach();
        }
        assert!(open_descriptors() >= before + connections, "all are open");
        assert_eq!(Rc::strong_count(&tasks), connections + 2);
        clients.await;
    };
    event_loop.run(main).unwrap();
    assert_eq!(Rc::strong_count(token), 1, "every task has ended");
}

fn run_clients(port: u16, connections: usize) {
    let output = command_of(clients)
        .env("NODELOOP_CLIENTS", format!("{port} {connections}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("all were served"), "{text}\n{errors}");
}

/// The other process: connects all, and when all are connected, each sends a message, twice.
#[test]
#[ignore = "run by `ten_thousand_connections` in a process of its own"]
fn clients() {
    let _limit = limit_of(
        Duration::from_secs(120),
        "10,000 connections on a busy machine",
    );
    let arguments = std::env::var("NODELOOP_CLIENTS").expect("the address and the number");
    let (port, connections) = arguments.split_once(' ').unwrap();
    let (port, connections): (u16, usize) = (port.parse().unwrap(), connections.parse().unwrap());
    as_many_as_allowed();
    let served = Rc::new(Cell::new(0));
    let counted = served.clone();
    run(async move {
        let (all_connected, open) = promise::with_resolver();
        let all_connected = all_connected.shared();
        let mut clients = Vec::new();
        for id in 0..connections {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (all_connected, counted) = (all_connected.clone(), counted.clone());
            clients.push(spawn(async move {
                all_connected.await;
                for round in 0..2_u64 {
                    let message = (id as u64 * 3 + round).to_le_bytes();
                    stream.write_all(&message).await.unwrap();
                    let mut echo = [0; 8];
                    stream.read_exact(&mut echo).await.unwrap();
                    assert_eq!(echo, message);
                }
                counted.set(counted.get() + 1);
                stream // it stays open until all were served
            }));
        }
        open.resolve(());
        let mut streams = Vec::new();
        for client in clients {
            streams.push(client.await);
        }
    });
    assert_eq!(served.get(), connections);
    println!("all were served");
}
