//! Files whose blocks have the right checks, and contents that no recorder writes.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::flight_recorder::FlightRecorder;
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::test::{Log, Replay, ReplayFailure};
use nodeloop::time::sleep;
use nodeloop::{EventLoop, RunError, fs};

use crate::common::limit::limit_of;

/// Records a run of `program`, and returns the bytes of the recording.
fn record(program: impl AsyncFnOnce(Log)) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.flight");
    let recorder = FlightRecorder::to_file(&path).payloads(true);
    let mut event_loop = EventLoop::builder().record(recorder).build().unwrap();
    event_loop.run(program(Log::new())).unwrap();
    drop(event_loop);
    std::fs::read(&path).unwrap()
}

/// Returns the offset of the first block, of which the files here have no other.
fn only_block(bytes: &[u8]) -> usize {
    let settings = b"nodeloop flight recording\n".len() + 2;
    settings + 1 + usize::from(bytes[settings])
}

/// Sets the check of the only block to what it has to be.
fn mend(bytes: &mut [u8]) {
    let block = only_block(bytes);
    let (head, records) = bytes[block..].split_at_mut(12);
    let mut words = records.to_vec();
    words.resize(records.len() / 8 * 8 + 8, 0);
    let check = words
        .chunks_exact(8)
        .fold(records.len() as u64, |check, word| {
            let word = u64::from_le_bytes(word.try_into().unwrap());
            (check ^ word)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
        });
    head[4..].copy_from_slice(&check.to_le_bytes());
}

/// Ignores every error, so that it follows as much of a recording as possible.
async fn tolerant(log: Log) {
    sleep(Duration::from_millis(1)).await;
    if let Ok(metadata) = fs::metadata("Cargo.toml").await {
        log.add(metadata.len());
        let _ = (metadata.modified(), metadata.accessed(), metadata.created());
    }
    let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else {
        return;
    };
    let Ok(address) = listener.local_addr() else {
        return;
    };
    let client = async {
        let mut client = TcpStream::connect(address).await?;
        client.write_all(b"hello").await?;
        client.close().await
    };
    let server = async {
        let (mut stream, _) = listener.accept().await?;
        let mut buffer = [0; 4];
        loop {
            match stream.read(&mut buffer).await? {
                0 => return std::io::Result::Ok(()),
                length => log.add(format!("{:?}", &buffer[..length])),
            }
        }
    };
    let _ = futures::join!(client, server);
}

/// Whether the replay would wait, for up to 10 seconds, for a thread that the program does not have.
fn waits_for_a_thread(line: &str) -> bool {
    let words = [
        "a wake of",
        "a callback of",
        "external operation",
        ": job",
        ", job",
    ];
    words.iter().any(|it| line.contains(it)) && !line.ends_with("with its result")
}

#[test]
fn a_changed_bit_with_the_right_check_never_panics() {
    let _limit = limit_of(
        Duration::from_secs(60),
        "it replays thousands of recordings",
    );
    let bytes = record(tolerant);
    let mut mended = bytes.clone();
    mend(&mut mended);
    assert_eq!(mended, bytes, "the test computes the check of the recorder");
    let mut differences = 0;
    for index in only_block(&bytes) + 12..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[index] ^= 1 << bit;
            mend(&mut changed);
            let replay = Replay::from_bytes(changed).unwrap();
            if replay.lines().iter().any(|line| waits_for_a_thread(line)) {
                continue;
            }
            let replayed = replay.run(async || tolerant(Log::new()).await);
            if let Err(ReplayFailure::Run(RunError::Uncaught(error))) = &replayed {
                panic!("bit {bit} of byte {index}: {error}");
            }
            differences += u32::from(replayed.is_err());
        }
    }
    assert!(
        differences > 100,
        "the changes reach the replay: {differences}"
    );
}
