//! A run is recorded, and replayed without the network.
//!
//! A server adds the numbers that its clients send. The flight recorder writes what enters the loop to a
//! file: readiness, bytes, addresses, readings of the clock. The replay runs the same functions again: no
//! socket is opened, nobody waits, and the log has the same labels. At last an observer makes a page and a
//! trace of the replay, and a changed program shows how a difference is reported.
//!
//! ```text
//! cargo run --example flight -- run.flight run.html run.json   # keeps the recording, the page and the trace
//! ```
//!
//! Compared with Node: not, because it has no flight recorder

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::flight_recorder::FlightRecorder;
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::recording::Recording;
use nodeloop::test::{Log, Replay, Replayed};
use nodeloop::{EventLoop, spawn};

/// Adds the numbers of one client.
async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut numbers = String::new();
    stream.read_to_string(&mut numbers).await?;
    let sum: u64 = numbers.lines().flat_map(str::parse::<u64>).sum();
    stream.write_all(sum.to_string().as_bytes()).await?;
    stream.close().await
}

/// Sends numbers, and returns the answer of the server.
async fn ask(address: std::net::SocketAddr, numbers: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(numbers.as_bytes()).await?;
    stream.close().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The program: a server and two clients, one after the other, the second after a pause.
async fn program(log: Log, second: &str) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = spawn(async move {
        let mut served = Vec::new();
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.expect("a client");
            served.push(spawn(serve(stream)));
        }
        join_all(served).await
    });
    log.add(format!("1 + 2 + 3 = {}", ask(address, "1\n2\n3").await?));
    nodeloop::time::sleep(Duration::from_millis(100)).await;
    log.add(format!("the second: {}", ask(address, second).await?));
    server.await.into_iter().collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let mut kept = std::env::args().skip(1);
    let mut path = |name: &str| {
        let kept = kept.next().map(PathBuf::from);
        kept.unwrap_or_else(|| directory.path().join(name))
    };
    let (recorded, page, trace) = (path("run.flight"), path("run.html"), path("run.json"));

    println!("recorded:");
    let recorder = FlightRecorder::to_file(&recorded).payloads(true);
    let log = Log::new();
    let mut event_loop = EventLoop::builder().record(recorder).build()?;
    event_loop.run(program(log.clone(), "10\n20"))??;
    drop(event_loop); // writes the rest
    log.labels().iter().for_each(|label| println!("  {label}"));

    println!("replayed:");
    let recording = Recording::new("a replayed run");
    let replay = Replay::open(&recorded)?.observer(recording.clone());
    let again = Log::new();
    let replayed = replay.run(async || program(again.clone(), "10\n20").await)?;
    assert!(matches!(replayed, Replayed::Finished(_)));
    again
        .labels()
        .iter()
        .for_each(|label| println!("  {label}"));
    assert_eq!(log.labels(), again.labels());
    recording.save_html(&page)?;
    recording.save_trace(&trace)?;
    for (what, path) in [("page", page), ("trace", trace)] {
        let is_written = std::fs::metadata(path)?.len() > 1_000;
        println!("  the {what} is written: {is_written}");
    }

    println!("changed:");
    let changed = Replay::open(&recorded)?;
    let failure = changed.run(async || program(Log::new(), "10\n20\n30").await);
    let report = failure
        .expect_err("the program sends something else")
        .to_string();
    for side in ["recorded:", "program:"] {
        let line = report.lines().find(|line| line.trim().starts_with(side));
        let line = line.expect("both sides").trim();
        println!("  {}", line.split(", created").next().unwrap_or(line));
    }
    Ok(())
}
