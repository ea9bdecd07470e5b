//! Files of the flight recorder: any bytes are refused, or they can be read and replayed.
//!
//! An input is a byte with options, a byte that chooses where the file is cut off, and the file. One of the options
//! sets the checks of the blocks to what they have to be, so that changes reach the reader of records.
//! `cargo run --example record` writes inputs, which are recordings of [`PROGRAMS`].
//!
//! The programs ignore the errors and the contents that they read, so that they follow as much of a
//! recording as possible. What they do does not depend on the outside, except through the recording.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use nodeloop::flight_recorder::{self, FlightRecorder, Recordable};
use nodeloop::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use nodeloop::process::Command;
use nodeloop::signal::{SignalKind, signal};
use nodeloop::test::{Log, Replay, ReplayFailure, Replayed};
use nodeloop::time::{self, Instant, sleep};
use nodeloop::{EventLoop, fs, set_immediate, set_timeout, spawn};

type Program = fn(Log) -> LocalBoxFuture<'static, ()>;

/// By the number in the options of an input.
pub const PROGRAMS: [(&str, Program); 4] = [
    ("sockets", |log| Box::pin(sockets(log))),
    ("files", |log| Box::pin(files(log))),
    ("jobs", |log| Box::pin(jobs(log))),
    ("processes", |log| Box::pin(processes(log))),
];

/// The option that mends the checks.
pub const MENDED: u8 = 4;
/// The option that replays other orders, if the recorded one can be replayed.
pub const EXPLORED: u8 = 8;

const MAGIC: &[u8] = b"nodeloop flight recording\n";

/// Reads and replays the file of an input; panics if anything is wrong.
pub fn check(input: &[u8]) {
    let [options, cut, file @ ..] = input else {
        return;
    };
    let mut bytes = file.to_vec();
    if options & MENDED != 0 {
        mend(&mut bytes);
    }
    let Ok(replay) = Replay::from_bytes(bytes.clone()) else {
        return;
    };
    let lines = replay.lines().to_vec();
    assert!(
        lines.len() <= bytes.len() / 4,
        "a record has at least a word"
    );
    if replay.damage().is_none() {
        let length = bytes.len() * usize::from(*cut) / 256;
        check_prefix(&bytes[..length], &lines);
    }
    if lines.iter().any(|line| waits_for_a_thread(line)) {
        return;
    }
    let (_, program) = PROGRAMS[usize::from(options & 3)];
    let replayed = replay.run(async || program(Log::new()).await);
    match replayed {
        Ok(Replayed::Finished(())) if options & EXPLORED != 0 => {
            let replay = Replay::from_bytes(bytes).expect("it was opened before");
            if replay.damage().is_none() {
                let _ = replay.explore(2, async |log| program(log).await);
            }
        }
        Err(ReplayFailure::Build(error)) => panic!("{error}"),
        _ => {}
    }
}

/// A file that is cut off contains the records before, as far as they do not depend on later ones.
fn check_prefix(bytes: &[u8], whole: &[String]) {
    let Ok(replay) = Replay::from_bytes(bytes.to_vec()) else {
        return;
    };
    assert!(replay.damage().is_some(), "the end of the file is missing");
    assert!(replay.lines().len() <= whole.len());
    // A place in the source may be defined later.
    let kind = |line: &str| {
        let ends = [" at ", ", created", ": "].into_iter();
        let end = ends.filter_map(|it| line.find(it)).min();
        line[..end.unwrap_or(line.len())].to_owned()
    };
    for (line, expected) in replay.lines().iter().zip(whole) {
        assert_eq!(kind(line), kind(expected));
    }
}

/// Whether a replay waits, for up to 10 seconds, for a message of a thread that no program here starts.
fn waits_for_a_thread(line: &str) -> bool {
    let messages = [
        "a wake of ",
        "a callback of handle",
        "of external operation",
    ];
    let is_opaque = |part: &str| {
        let job = part.split("job ").nth(1);
        job.is_some_and(|number| number.parse::<u64>().is_ok())
    };
    line.starts_with("a poll phase")
        && (messages.iter().any(|it| line.contains(it))
            || line.split(", ").any(is_opaque)
            || line.contains("which has panicked"))
}

/// Sets the check of each complete block.
pub fn mend(bytes: &mut [u8]) {
    let Some(mut at) = first_block(bytes) else {
        return;
    };
    while let Some((head, rest)) = bytes[at..].split_at_mut_checked(12) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(records) = rest.get(..length) else {
            return;
        };
        head[4..].copy_from_slice(&check_of(records).to_le_bytes());
        at += 12 + length;
    }
}

/// Returns the offset of the first block.
fn first_block(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(MAGIC)?;
    // The version, the start and the length of the settings have one byte each in what is recorded.
    let length = usize::from(*rest.get(2)?);
    let at = MAGIC.len() + 3 + length;
    (at <= bytes.len()).then_some(at)
}

/// The check of a block, as `reactor/journal/format.rs` of the library has it.
fn check_of(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).filter(|chunk| chunk.len() == 8);
    let mut last = [0; 8];
    let rest = &bytes[bytes.len() / 8 * 8..];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.chain([&last[..]]);
    words.fold(bytes.len() as u64, |check, word| {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        (check ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    })
}

/// Records a run of a program, and returns the file.
pub fn record(program: Program, payloads: bool) -> Vec<u8> {
    let path = directory().with_extension("flight");
    let recorder = FlightRecorder::to_file(&path).payloads(payloads);
    let builder = EventLoop::builder().record(recorder);
    let mut event_loop = builder.build().expect("a loop");
    event_loop.run(program(Log::new())).expect("it ends");
    drop(event_loop);
    let bytes = std::fs::read(&path).expect("the recording");
    std::fs::remove_file(&path).expect("the recording");
    let mut mended = bytes.clone();
    mend(&mut mended);
    assert_eq!(mended, bytes, "`mend` computes the checks of the recorder");
    bytes
}

fn directory() -> PathBuf {
    std::env::temp_dir().join(format!("nodeloop-fuzz-{}", std::process::id()))
}

async fn sockets(log: Log) {
    let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else {
        return;
    };
    let Ok(address) = listener.local_addr() else {
        return;
    };
    let server = spawn({
        let log = log.clone();
        async move {
            let Ok((mut stream, _)) = listener.accept().await else {
                return;
            };
            let mut buffer = [0; 8];
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                log.add("request");
                let _ = stream.write_all(&buffer[..length]).await;
            }
            let _ = stream.close().await;
        }
    });
    if let Ok(mut client) = TcpStream::connect(address).await {
        let _ = client.set_nodelay(true);
        let _ = (client.nodelay(), client.peer_addr(), client.linger());
        let _ = client.write_all(b"hello, server").await;
        let _ = client.close().await;
        let mut text = Vec::new();
        let _ = client.read_to_end(&mut text).await;
    }
    server.await;
    if let (Ok(one), Ok(other)) = (
        UdpSocket::bind("127.0.0.1:0").await,
        UdpSocket::bind("127.0.0.1:0").await,
    ) {
        if let Ok(address) = other.local_addr() {
            let _ = one.send_to(b"datagram", address).await;
            let mut buffer = [0; 16];
            if let Ok((length, _)) = other.recv_from(&mut buffer).await {
                log.add(format!("{:?}", &buffer[..length]));
            }
        }
    }
    if let Ok((mut one, mut other)) = UnixStream::pair() {
        let _ = one.write_all(b"x").await;
        let mut buffer = [0; 4];
        let _ = other.read(&mut buffer).await;
    }
}

async fn files(log: Log) {
    let directory = directory();
    let path = directory.join("file");
    let _ = fs::create_dir_all(&directory).await;
    let _ = fs::write(&path, "first\nsecond\n").await;
    if let Ok(metadata) = fs::metadata(&path).await {
        let _ = (metadata.len(), metadata.is_dir(), metadata.permissions());
        let times = [metadata.modified(), metadata.accessed(), metadata.created()];
        log.add(format!("{} times", times.iter().flatten().count()));
    }
    if let Ok(mut entries) = fs::read_dir(&directory).await {
        while let Ok(Some(entry)) = entries.next_entry().await {
            let _ = (entry.file_name(), entry.file_type());
        }
    }
    let options = fs::File::options().read(true).write(true).open(&path).await;
    if let Ok(mut file) = options {
        let mut start = [0; 4];
        let _ = file.read(&mut start).await;
        let _ = file.seek(std::io::SeekFrom::End(-2)).await;
        let mut text = String::new();
        let _ = file.read_to_string(&mut text).await;
        let _ = file.seek(std::io::SeekFrom::Start(1)).await;
        let _ = file.write_all(b"more").await;
        let _ = file.flush().await;
        let _ = file.metadata().await;
    }
    let _ = fs::read_to_string(&path).await;
    let _ = (fs::canonicalize(&path).await, fs::read_link(&path).await);
    let _ = fs::read(path.join("none")).await;
    let _ = fs::remove_dir_all(&directory).await;
}

#[derive(Debug)]
struct Number(u32);

impl Recordable for Number {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Number> {
        bytes.try_into().ok().map(u32::from_le_bytes).map(Number)
    }
}

async fn jobs(log: Log) {
    let started = Instant::now();
    let jobs = (0..3).map(|number| flight_recorder::spawn_blocking(move || Number(number)));
    for number in futures::future::join_all(jobs).await {
        log.add(format!("{number:?}"));
    }
    let interval = log.clone();
    set_timeout(Duration::from_millis(1), move || interval.add("a timer"));
    let immediate = log.clone();
    set_immediate(move || immediate.add("an immediate"));
    sleep(Duration::from_millis(2)).await;
    let _ = time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
    log.add(started.elapsed() > Duration::from_millis(1));
}

async fn processes(log: Log) {
    let Ok(mut signals) = signal(SignalKind::from_raw(12)) else {
        return;
    };
    let output = Command::new("sh")
        .args(["-c", "echo out; echo err >&2; kill -USR2 $PPID; exit 3"])
        .output()
        .await;
    if let Ok(output) = output {
        log.add(format!("{:?}", output.status.code()));
    }
    let received = spawn(async move { signals.recv().await });
    if let Ok(mut child) = Command::new("sleep").arg("100").spawn() {
        log.add("started");
        let _ = child.start_kill();
        let _ = child.wait().await;
    }
    received.await;
    log.add(Command::new("/nonexistent/program").spawn().is_err());
}
