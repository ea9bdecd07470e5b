//! A write-ahead log whose host loses its power: what was acknowledged must be there after the restart.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use futures::AsyncWriteExt;
use nodeloop::Seed;
use nodeloop::fs::{self, File};
use nodeloop::test::World;
use nodeloop::time::sleep;

use crate::common::limit::limit_of;
use crate::notes::ms;

const SEEDS: u64 = 200;

/// What the log does before it acknowledges a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// Nothing: the bug.
    Forgotten,
    /// It syncs the file, but not the directory that the file was created in: a bug as well.
    FileOnly,
    FileAndDirectory,
}

struct Log {
    file: File,
    sync: Sync,
}

impl Log {
    async fn open(sync: Sync) -> io::Result<Log> {
        fs::create_dir_all("/tmp/data").await?;
        let mut options = File::options();
        let file = options
            .append(true)
            .create(true)
            .open("/tmp/data/log")
            .await?;
        if sync == Sync::FileAndDirectory {
            for directory in ["/tmp/data", "/tmp"] {
                File::open(directory).await?.sync_all().await?;
            }
        }
        Ok(Log { file, sync })
    }

    async fn append(&mut self, number: u64) -> io::Result<()> {
        self.file.write_all(record(number).as_bytes()).await?;
        match self.sync {
            Sync::Forgotten => self.file.flush().await,
            Sync::FileOnly | Sync::FileAndDirectory => self.file.sync_data().await,
        }
    }
}

/// A record with a checksum, long enough that sectors end within records.
fn record(number: u64) -> String {
    format!(
        "{number} {} {}\n",
        number.wrapping_mul(0x9e37_79b9),
        "x".repeat(100)
    )
}

/// Reads the log up to the first record that is not complete, and cuts off the rest.
async fn recover() -> io::Result<u64> {
    let bytes = match fs::read("/tmp/data/log").await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        bytes => bytes?,
    };
    let (mut count, mut rest) = (0, &bytes[..]);
    while let Some(after) = rest.strip_prefix(record(count).as_bytes()) {
        (count, rest) = (count + 1, after);
    }
    let file = File::options().write(true).open("/tmp/data/log").await?;
    file.set_len((bytes.len() - rest.len()) as u64).await?;
    file.sync_all().await?;
    Ok(count)
}

/// Returns how many acknowledged records are lost if the power fails twice.
fn lost_records(sync: Sync, seed: u64) -> u64 {
    let world = World::builder().seed(Seed::new(seed)).build();
    let acknowledged = Rc::new(Cell::new(0_u64));
    let lost = Rc::new(Cell::new(0));
    let host = world.host("database");
    host.set_job_duration(ms(0)..=ms(2));
    let (in_host, lost_there) = (acknowledged.clone(), lost.clone());
    host.serve(async move || {
        let recovered = recover().await?;
        lost_there.set(
            lost_there
                .get()
                .max(in_host.get().saturating_sub(recovered)),
        );
        in_host.set(recovered);
        let mut log = Log::open(sync).await?;
        loop {
            log.append(in_host.get()).await?;
            in_host.set(in_host.get() + 1);
            sleep(ms(1)).await;
        }
        #[expect(unreachable_code, reason = "the type of the output")]
        io::Result::Ok(())
    });
    world.host("power").run(async move || {
        for _ in 0..2 {
            sleep(ms(60)).await;
            host.crash();
            host.restart();
        }
        sleep(ms(60)).await;
    });
    world.run();
    assert!(acknowledged.get() > 0, "the database has worked");
    lost.get()
}

#[test]
fn a_log_that_forgets_to_sync_loses_records_under_some_seed() {
    let _limit = limit_of(ms(60_000), "200 worlds, each of which loses power twice");
    let loses = |sync| (0..SEEDS).find(|seed| lost_records(sync, *seed) > 0);
    assert!(loses(Sync::Forgotten).is_some_and(|seed| seed < 5));
    assert!(loses(Sync::FileOnly).is_some_and(|seed| seed < 5));
}

#[test]
fn a_log_that_syncs_its_file_and_its_directory_loses_nothing() {
    let _limit = limit_of(ms(60_000), "200 worlds, each of which loses power twice");
    let losing = (0..SEEDS).filter(|seed| lost_records(Sync::FileAndDirectory, *seed) > 0);
    assert_eq!(losing.collect::<Vec<_>>(), [0; 0]);
}
