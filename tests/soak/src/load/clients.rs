//! The clients of a row, in a process of their own: both ends of 10,000 connections would be more
//! descriptors than most machines allow to one process.
//!
//! They print what they have got, one name and number in a line, for [`Counts`] of the other
//! process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::ErrorKind;
use std::net::{Shutdown, SocketAddr};
use std::process::{Command, ExitCode, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::net::{TcpSocket, TcpStream};
use nodeloop::{promise, spawn, time};

use super::row::Latencies;

/// What a slow reader requests, and how much of it.
pub const SLOW: [u8; 8] = *b"slowread";
pub const SLOW_BYTES: usize = 1 << 20;

/// What the clients have counted.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    pub fn add(&mut self, name: &str, count: u64) {
        *self.0.entry(name.to_owned()).or_default() += count;
    }

    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

/// Starts the clients, calls `started`, and waits for their end. It blocks. Returns their counts and
/// latencies.
pub fn start(arguments: &[String], started: impl FnOnce()) -> Result<(Counts, String), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command
        .arg("load-clients")
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    started();
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("the clients have failed: {}", output.status));
    }
    let (mut counts, mut latency) = (Counts::default(), String::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.split_once('\t') {
            Some(("latency", text)) => text.clone_into(&mut latency),
            Some((name, count)) => counts.add(name, count.parse().unwrap_or_default()),
            None => return Err(format!("the clients have printed `{line}`")),
        }
    }
    Ok((counts, latency))
}

/// What all clients of this process share.
#[derive(Default)]
struct Shared {
    counts: RefCell<Counts>,
    latencies: RefCell<Latencies>,
}

impl Shared {
    fn count(&self, name: &str, count: u64) {
        self.counts.borrow_mut().add(name, count);
    }
}

/// `load-clients mixed ADDRESS NUMBER ROUNDS` or `load-clients burst ADDRESS NUMBER`.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().map_err(|error| error.to_string());
    let [kind, address, ref rest @ ..] = arguments[..] else {
        return Err("`load-clients` needs a kind and an address".to_owned());
    };
    let address: SocketAddr = address.parse().map_err(|_| "no address".to_owned())?;
    let shared = Rc::new(Shared::default());
    match (kind, rest) {
        ("mixed", [count, rounds]) => {
            let work = mixed(shared.clone(), address, number(count)?, number(rounds)?);
            nodeloop::run(work);
        }
        ("burst", [count]) => nodeloop::run(burst(shared.clone(), address, number(count)?)),
        _ => return Err(format!("unknown clients `{kind}`")),
    }
    let mut text = String::new();
    for (name, count) in &shared.counts.borrow().0 {
        let _ = writeln!(text, "{name}\t{count}");
    }
    let latency = shared.latencies.take().text("requests");
    println!("{text}latency\t{latency}");
    Ok(ExitCode::SUCCESS)
}

/// Connects all, and when all are connected, each does what its share says.
async fn mixed(shared: Rc<Shared>, address: SocketAddr, count: usize, rounds: usize) {
    let (all_connected, open) = promise::with_resolver();
    let all_connected = all_connected.shared();
    let mut clients = Vec::new();
    for id in 0..count {
        let stream = match id % 100 {
            0 => slow_socket(address).await,
            _ => TcpStream::connect(address).await,
        };
        let Ok(stream) = stream else {
            shared.count("not connected", 1);
            continue;
        };
        shared.count("connected", 1);
        let (own, all_connected) = (shared.clone(), all_connected.clone());
        clients.push(spawn(async move {
            all_connected.await;
            let mut rng = Rng::with_seed(id as u64);
            time::sleep(Duration::from_millis(rng.u64(..1000))).await;
            match id % 100 {
                0 => slow_reader(&own, stream).await,
                1 => reset(&own, stream).await,
                2 => half_open(&own, stream).await,
                _ => healthy(&own, stream, rounds, rng).await,
            }
        }));
    }
    open.resolve(());
    for client in clients {
        client.await;
    }
}

/// A connection whose buffers are small, so that the server has to wait for its reader.
async fn slow_socket(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(address).await
}

async fn healthy(shared: &Shared, mut stream: TcpStream, rounds: usize, mut rng: Rng) {
    for _ in 0..rounds {
        let request = rng.u64(..).to_le_bytes();
        shared.count("requests", 1);
        let start = Instant::now();
        let mut answer = [0; 8];
        if stream.write_all(&request).await.is_err()
            || stream.read_exact(&mut answer).await.is_err()
            || answer != request
        {
            return;
        }
        shared.count("answers", 1);
        shared.latencies.borrow_mut().add(start.elapsed());
        time::sleep(Duration::from_millis(rng.u64(..1000))).await;
    }
    let ended = stream.shutdown(Shutdown::Write);
    if ended.is_ok() && matches!(stream.read(&mut [0]).await, Ok(0)) {
        shared.count("ended healthy", 1);
    }
}

/// Requests much and reads it slowly. Every byte must arrive.
async fn slow_reader(shared: &Shared, mut stream: TcpStream) {
    if stream.write_all(&SLOW).await.is_err() {
        return;
    }
    let (mut buffer, mut received) = (vec![0; 16 << 10], 0);
    while received < SLOW_BYTES {
        time::sleep(Duration::from_millis(20)).await;
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => received += length,
        }
    }
    shared.count("bytes of slow readers", received as u64);
    shared.count("ended slow", 1);
}

/// Requests, and resets the connection before it reads the answer.
async fn reset(shared: &Shared, mut stream: TcpStream) {
    if stream.write_all(&[1; 8]).await.is_ok() && stream.reset(|| {}).is_ok() {
        shared.count("resets", 1);
    }
}

/// Sends a half of a request and then nothing. The server has to end it.
async fn half_open(shared: &Shared, mut stream: TcpStream) {
    if stream.write_all(&[2; 4]).await.is_err() {
        return;
    }
    match stream.read(&mut [0; 8]).await {
        Ok(0) => shared.count("half-open ended", 1),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {
            shared.count("half-open ended", 1);
        }
        _ => {}
    }
}

/// Connects all at once; each sends a request, awaits the answer and closes.
async fn burst(shared: Rc<Shared>, address: SocketAddr, count: usize) {
    let mut clients = Vec::new();
    for id in 0..count {
        let own = shared.clone();
        clients.push(spawn(async move {
            let start = Instant::now();
            let Ok(mut stream) = TcpStream::connect(address).await else {
                own.count("not connected", 1);
                return;
            };
            own.count("requests", 1);
            let request = (id as u64).to_le_bytes();
            let mut answer = [0; 8];
            if stream.write_all(&request).await.is_ok()
                && stream.read_exact(&mut answer).await.is_ok()
                && answer == request
            {
                own.count("answers", 1);
                own.latencies.borrow_mut().add(start.elapsed());
            }
        }));
    }
    for client in clients {
        client.await;
    }
}
