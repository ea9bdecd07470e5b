//! Files and directories.

use std::io::{ErrorKind, SeekFrom};

use fastrand::Rng;
use futures::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use futures::{StreamExt, TryStreamExt};
use nodeloop::fs::{self, File};

use super::bytes;
use crate::account::{Item, Ledger};

/// A file that is written, read at any place, copied, renamed and removed.
pub async fn files(ledger: Ledger, mut rng: Rng) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    let length = rng.usize(1..60_000);
    let content = bytes(&mut rng, length);
    ledger.owe(Item::Byte, length as u64 * 3);
    ledger.owe(Item::Job, 6);

    let mut file = File::create(&path).await.expect("a new file");
    ledger.back(Item::Job, 1);
    let portion = rng.usize(1..20_000);
    for portion in content.chunks(portion) {
        file.write_all(portion).await.expect("room on the disk");
    }
    file.flush().await.expect("room on the disk");
    drop(file);

    let mut file = File::open(&path).await.expect("it exists");
    ledger.back(Item::Job, 1);
    let mut read = Vec::new();
    file.read_to_end(&mut read).await.expect("a file");
    assert!(read == content, "the file has other bytes");
    ledger.back(Item::Byte, read.len() as u64);
    let start = rng.usize(..length);
    file.seek(SeekFrom::Start(start as u64))
        .await
        .expect("inside");
    read.clear();
    file.read_to_end(&mut read).await.expect("a file");
    assert!(
        read == content[start..],
        "the file has other bytes after a seek"
    );
    ledger.back(Item::Byte, read.len() as u64 + start as u64);
    drop(file);

    let copy = directory.path().join("copy");
    assert_eq!(fs::copy(&path, &copy).await.expect("a copy"), length as u64);
    ledger.back(Item::Job, 1);
    fs::rename(&copy, directory.path().join("renamed"))
        .await
        .expect("a new name");
    ledger.back(Item::Job, 1);
    let read = fs::read(directory.path().join("renamed"))
        .await
        .expect("it exists");
    assert!(read == content, "the copy has other bytes");
    ledger.back(Item::Byte, read.len() as u64);
    fs::remove_file(&path).await.expect("it exists");
    ledger.back(Item::Job, 1);
    let missing = fs::read(&path).await.expect_err("it was removed");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    ledger.back(Item::Job, 1);
    drop(fs::metadata(path).untracked()); // a job whose result nobody takes
}

/// A directory with files, listed and removed.
pub async fn directories(ledger: Ledger, mut rng: Rng) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a").join("b");
    fs::create_dir_all(&path).await.expect("a new directory");
    let count = rng.u64(0..20);
    ledger.owe(Item::Job, count * 2);
    let mut writes = futures::stream::FuturesUnordered::new();
    for number in 0..count {
        writes.push(fs::write(path.join(number.to_string()), number.to_string()));
    }
    while let Some(written) = writes.next().await {
        written.expect("a new file");
        ledger.back(Item::Job, 1);
    }
    let entries = fs::read_dir(&path).await.expect("it exists");
    let entries: Vec<_> = entries.try_collect().await.expect("entries");
    for entry in &entries {
        let text = fs::read_to_string(entry.path()).await.expect("it exists");
        assert_eq!(entry.file_name().to_str(), Some(text.as_str()));
        ledger.back(Item::Job, 1);
    }
    fs::remove_dir_all(directory.path().join("a"))
        .await
        .expect("it exists");
}
