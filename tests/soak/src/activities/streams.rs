//! Pipes, and sockets whose halves belong to different tasks.

use fastrand::Rng;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::io::pipe;
use nodeloop::net::UnixStream;
use nodeloop::time::sleep;

use super::{bytes, short};
use crate::account::{Item, Ledger};

/// A pipe that is often full, because its reader is slow.
pub async fn pipes(ledger: Ledger, mut rng: Rng) {
    let (mut sender, mut receiver) = pipe::pipe().expect("a pipe");
    let length = rng.usize(1..300_000);
    let sent = bytes(&mut rng, length);
    ledger.owe(Item::Byte, length as u64);
    let expected = sent.clone();
    let writing = ledger.spawn(async move {
        sender.write_all(&sent).await.expect("the reader is there");
    });
    let mut received = Vec::new();
    let mut buffer = vec![0; 40_000];
    loop {
        let count = receiver.read(&mut buffer).await.expect("a pipe");
        if count == 0 {
            break;
        }
        ledger.back(Item::Byte, count as u64);
        received.extend_from_slice(&buffer[..count]);
        sleep(short(&mut rng, 1)).await;
    }
    assert!(received == expected, "other bytes than were written");
    writing.await;
}

/// Both directions of a socket at once, each by a task of its own.
pub async fn split_sockets(ledger: Ledger, mut rng: Rng) {
    let (left, right) = UnixStream::pair().expect("a pair");
    let mut tasks = Vec::new();
    let (left, right) = (left.into_split(), right.into_split());
    for (mut writer, mut reader) in [(left.1, right.0), (right.1, left.0)] {
        let length = rng.usize(1..400_000);
        let (sent, expected) = (rng.u8(..), length as u64);
        ledger.owe(Item::Byte, expected);
        tasks.push(ledger.spawn(async move {
            writer
                .write_all(&vec![sent; length])
                .await
                .expect("the reader is there");
        }));
        let own = ledger.clone();
        tasks.push(ledger.spawn(async move {
            let mut received = Vec::new();
            reader.read_to_end(&mut received).await.expect("the end");
            assert!(received.iter().all(|byte| *byte == sent), "other bytes");
            own.back(Item::Byte, received.len() as u64);
        }));
    }
    for task in tasks {
        task.await;
    }
}
