//! A full disk: `/dev/full`, a small file system in memory, and a limit of the size of files.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use futures::io::AsyncWriteExt;
use nodeloop::fs::{self, OpenOptions};
use nodeloop::signal::{SignalKind, on_signal};
use nodeloop::{EventLoop, spawn};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use super::row::{Latencies, Row};
use super::storm::Storm;

const RECORD: usize = 16 << 10;

/// The records of a file.
const RECORDS: usize = 8;

pub fn measure(quick: bool) -> Row {
    let mut event_loop = EventLoop::new().expect("a loop");
    let row = event_loop.block_on(work(if quick { 2 } else { 20 }));
    row.unwrap_or_else(|error| Row::failed(&error.to_string()))
}

async fn work(rounds: usize) -> Row {
    let storm = Storm::start(true);
    let mut row = Row::default();
    let directory = tempfile::tempdir().expect("a directory");
    let healthy = spawn(write_elsewhere(rounds * 100)).settled();

    let to_a_device = fs::write("/dev/full", [0; 100]).await;
    row.expect(is_full(&to_a_device), || {
        format!("/dev/full: {to_a_device:?}")
    });
    row.done = "writes to /dev/full".to_owned();

    let small = directory.path().join("small");
    std::fs::create_dir(&small).expect("a new directory");
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&small);
    let is_mounted = mount.output().is_ok_and(|output| output.status.success());
    if is_mounted {
        let mut refused = 0;
        for _ in 0..rounds {
            refused += fill(&mut row, &small, ErrorKind::StorageFull).await;
        }
        let unmounted = Command::new("umount").arg(&small).status();
        row.expect(unmounted.is_ok_and(|status| status.success()), || {
            "the file system is still used, so a descriptor is left".to_owned()
        });
        row.done += &format!(
            "; a file system of 1 MiB filled and emptied {rounds} times, {refused} writes refused"
        );
    } else {
        row.done += "; skipped: mounting a small file system is not permitted";
    }
    match healthy.await {
        Ok(latencies) => row.latency = latencies.text("writes to another disk"),
        Err(error) => row.lost.push(format!("writes to another disk: {error}")),
    }

    let refused = limited(&mut row, directory.path()).await;
    row.done += &format!("; a limit of 64 KiB for each file, {refused} writes refused");
    row.permitted = "the writes that the system refuses, each with an error".to_owned();
    (row.panics, row.kinds) = storm.stop().await;
    row
}

/// Fills a file system with records until it refuses one, checks that every record that was accepted
/// is there, and removes them. Returns the number of refusals.
async fn fill(row: &mut Row, directory: &Path, refusal: ErrorKind) -> usize {
    let (mut refused, mut accepted) = (0, Vec::new());
    for number in 0_u8.. {
        let path = directory.join(number.to_string());
        match write_records(&path, number, refusal).await {
            Ok(0) => {
                refused += 1;
                break;
            }
            Ok(records) => {
                refused += usize::from(records < RECORDS);
                accepted.push((path, number, records));
            }
            Err(error) => row
                .lost
                .push(format!("another error than {refusal}: {error}")),
        }
    }
    for (path, number, records) in accepted {
        let content = fs::read(&path).await.expect("it was written");
        let whole = &content[..content.len().min(records * RECORD)];
        let is_intact = whole.len() == records * RECORD && whole.iter().all(|byte| *byte == number);
        row.expect(is_intact, || {
            format!("a record of {path:?} that was accepted")
        });
    }
    let emptied: io::Result<()> = async {
        let mut entries = fs::read_dir(directory).await?;
        while let Some(entry) = entries.next_entry().await? {
            fs::remove_file(entry.path()).await?;
        }
        Ok(())
    }
    .await;
    row.expect(emptied.is_ok(), || format!("{emptied:?}"));
    refused
}

/// Appends [`RECORDS`] records, each flushed. Returns how many were accepted before a refusal.
async fn write_records(path: &Path, number: u8, refusal: ErrorKind) -> io::Result<usize> {
    let opened = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .await;
    let mut file = match opened {
        Err(error) if error.kind() == refusal => return Ok(0),
        opened => opened?,
    };
    for accepted in 0..RECORDS {
        let written = async {
            file.write_all(&[number; RECORD]).await?;
            file.flush().await
        };
        match written.await {
            Err(error) if error.kind() == refusal => return Ok(accepted),
            written => written?,
        }
    }
    Ok(RECORDS)
}

/// Sets a limit for the size of files, which sends `SIGXFSZ` as well. Returns the number of refusals.
async fn limited(row: &mut Row, directory: &Path) -> usize {
    let kind = SignalKind::from_raw(Signal::XFSZ.as_raw());
    let listener = on_signal(kind, || {}).expect("its default action ends the process");
    let old = getrlimit(Resource::Fsize);
    let limit = Rlimit {
        current: Some(4 * RECORD as u64),
        maximum: old.maximum,
    };
    setrlimit(Resource::Fsize, limit).expect("a lower limit");
    let mut refused = 0;
    for number in 0..20 {
        let path = directory.join(format!("limited-{number}"));
        match write_records(&path, number, ErrorKind::FileTooLarge).await {
            Ok(4) => refused += 1,
            other => row
                .lost
                .push(format!("of 4 records, {other:?} were accepted")),
        }
    }
    setrlimit(Resource::Fsize, old).expect("the old limit");
    row.expect(listener.remove(), || {
        "the listener of the signal".to_owned()
    });
    refused
}

fn is_full(result: &io::Result<()>) -> bool {
    matches!(result, Err(error) if error.kind() == ErrorKind::StorageFull)
}

/// Writes to a disk with room meanwhile.
async fn write_elsewhere(count: usize) -> Latencies {
    let directory = tempfile::tempdir().expect("a directory");
    let mut latencies = Latencies::default();
    for number in 0..count {
        let path = directory.path().join("file");
        let start = Instant::now();
        fs::write(&path, number.to_string())
            .await
            .expect("room on the disk");
        latencies.add(start.elapsed());
        let text = fs::read_to_string(&path).await.expect("it was written");
        assert_eq!(text, number.to_string());
    }
    latencies
}
