//! 10,000 connections in one process, all open at once; then descriptors, tasks and memory are back
//! where they were.
//!
//! The clients are a process of their own (this program again), because both ends of 10,000
//! connections are more descriptors than most machines allow to one. Where even 10,000 are too many
//! for the limit, there are fewer, and a line says so.

#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::process::{Command, Stdio};
use std::rc::Rc;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpSocket, TcpStream};
use nodeloop::{EventLoop, promise, run, spawn, spawn_blocking};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CONNECTIONS: usize = 10_000;

/// Raises the limit as far as it goes; how many connections there can be.
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
    let connections = as_many_as_allowed();
    if connections < CONNECTIONS {
        println!("the limit of descriptors allows no more than {connections} connections");
    }
    let token = Rc::new(());
    let before = open_descriptors();
    round(connections, &token);
    assert_eq!(descriptors_left(before), before, "descriptors are back");
    // The allocator keeps what it once had for later, so memory is compared from the second round.
    let again = connections.min(3_000);
    round(again, &token);
    let memory = resident_bytes();
    round(again, &token);
    assert_eq!(
        descriptors_left(before),
        before,
        "descriptors are back again"
    );
    let more = resident_bytes().saturating_sub(memory);
    assert!(more < 2 << 20, "another round needed {more} bytes more");
}

/// Serves that many clients until the last of them has gone.
fn round(connections: usize, token: &Rc<()>) {
    let mut event_loop = EventLoop::builder().build().unwrap();
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
            });
        }
        assert!(open_descriptors() >= before + connections, "all are open");
        assert_eq!(Rc::strong_count(&tasks), connections + 2);
        clients.await;
    };
    event_loop.run(main).unwrap();
    assert_eq!(Rc::strong_count(token), 1, "every task has ended");
}

fn run_clients(port: u16, connections: usize) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "clients", "--ignored", "--nocapture"])
        .env("NODELOOP_CLIENTS", format!("{port} {connections}"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("all were served"), "{text}\n{errors}");
}

/// The other process: connects all, and when all are connected, each says something, twice.
#[test]
#[ignore = "is run by ten_thousand_connections, in a process of its own"]
fn clients() {
    let Ok(arguments) = std::env::var("NODELOOP_CLIENTS") else {
        return println!("nobody says where to connect to");
    };
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

/// How many descriptors are open when those of `before` are left. A thread of the pool that has
/// found nothing more to do may outlive its loop for a moment, and has a hand on its bell until then.
fn descriptors_left(before: usize) -> usize {
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while open_descriptors() > before && std::time::Instant::now() < patience {
        std::thread::yield_now();
    }
    open_descriptors()
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The memory of this process that is in use.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
