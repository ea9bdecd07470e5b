//! Faults of files: a file is removed, the disk is full, a directory has the name of a file. After each
//! of them as many descriptors are open as before.

use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::common::limit::limit;
use crate::common::needs_system;
use crate::common::process::{command_of, descriptors_left, open_descriptors};
use crate::fs_kit::{run, tempdir};
use futures::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use nodeloop::fs::{self, DirBuilder, File};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn a_file_that_vanishes_while_it_is_open_is_still_read() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("vanishes");
    run(async move {
        fs::write(&path, "first").await.unwrap();
        let mut file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .await
            .unwrap();
        fs::remove_file(&path).await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "first");
        file.write_all(b" and second").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().nlink(), 0);
        let again = File::open(&path).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::NotFound);
        assert!(!fs::try_exists(&path).await.unwrap());
    });
}

/// A directory is removed while its entries are read, and a file before the metadata of its entry is
/// read.
#[test]
fn a_directory_that_vanishes_ends_its_entries() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("vanishes");
    run(async move {
        fs::create_dir(&path).await.unwrap();
        for name in 0..100 {
            fs::write(path.join(name.to_string()), "").await.unwrap();
        }
        let mut entries = fs::read_dir(&path).await.unwrap();
        let first = entries.next_entry().await.unwrap().unwrap();
        assert_eq!(first.ino(), first.metadata().await.unwrap().ino());
        fs::remove_dir_all(&path).await.unwrap();
        // Entries that were read ahead are returned; then the end, or an error and the end.
        let mut count = 1;
        while let Ok(Some(_)) = entries.next_entry().await {
            count += 1;
        }
        assert!(count <= 100);
        assert!(entries.next_entry().await.unwrap().is_none());
        let error = first.metadata().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_directory_in_place_of_a_file() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().to_owned();
    run(async move {
        let error = fs::read(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        assert!(error.to_string().starts_with("read of "), "{error}");
        let error = fs::write(&path, "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        let error = File::create(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        // It can be opened for reading, but reading fails.
        let mut file = File::open(&path).await.unwrap();
        for _ in 0..2 {
            let error = file.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::IsADirectory);
        }
        let inside = path.join("file");
        fs::write(&inside, "x").await.unwrap();
        let error = fs::read(inside.join("below")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotADirectory);
    });
}

/// A full disk, as a process sees one: a limit on the size of files, in a process of its own (run by
/// [`a_full_disk_is_an_error_of_the_next_operation`]).
#[test]
#[ignore = "run by `a_full_disk_is_an_error_of_the_next_operation` with a limit"]
fn with_a_full_disk() {
    let _limit = limit();
    let before = open_descriptors();
    write_to_a_full_disk();
    // No other test of this process opens files, so the descriptors of the other faults can be counted.
    a_file_that_vanishes_while_it_is_open_is_still_read();
    a_directory_that_vanishes_ends_its_entries();
    a_directory_in_place_of_a_file();
    assert_eq!(descriptors_left(before), before);
}

fn write_to_a_full_disk() {
    let Some(path) = std::env::var_os("NODELOOP_FULL_DISK").map(PathBuf::from) else {
        panic!("run it through `a_full_disk_is_an_error_of_the_next_operation`");
    };
    let old = getrlimit(Resource::Fsize);
    let limit = Rlimit {
        current: Some(1 << 20),
        maximum: old.maximum,
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    run(async move {
        let mut file = File::create(&path).await.unwrap();
        let chunk = vec![7; 64 * 1024];
        let mut error = None;
        for _ in 0..100 {
            if let Err(found) = file.write_all(&chunk).await {
                error = Some(found);
                break;
            }
        }
        let error = error.expect("the limit is 1 MiB, and 6 were written");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert!(error.to_string().starts_with("write of "), "{error}");
        // The error was returned once, and the file ends at the limit.
        file.flush().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 1 << 20);
        file.seek(SeekFrom::Start(0)).await.unwrap();
        file.write_all(b"over what is there").await.unwrap();
        file.flush().await.unwrap();
        drop(file);
        let error = fs::write(&path, vec![0; 2 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        fs::remove_file(&path).await.unwrap();
    });
    println!("the disk was full");
}

/// The shell ignores `SIGXFSZ`, and its children inherit that. Otherwise the system would end the
/// process.
#[test]
fn a_full_disk_is_an_error_of_the_next_operation() {
    let _limit = limit();
    if needs_system("a limit of the process; `world/files.rs` has a full disk") {
        return;
    }
    let directory = tempdir();
    let program = command_of(with_a_full_disk);
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args())
        .env("NODELOOP_FULL_DISK", directory.path().join("full"))
        .output()
        .expect("the shell can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("the disk was full"), "{text}\n{errors}");
}

#[test]
fn directories_are_built_according_to_their_options() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().to_owned();
    run(async move {
        let mut builder = DirBuilder::new();
        let error = builder.create(path.join("a/b")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        builder.recursive(true).mode(0o700);
        builder.create(path.join("a/b")).await.unwrap();
        builder.create(path.join("a/b")).await.unwrap();
        let mode = fs::metadata(path.join("a/b")).await.unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    });
}

#[test]
fn unix_permissions_owners_and_positioned_reads() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    run(async move {
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o640);
        let mut file = options.open(&path).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().mode() & 0o777, 0o640);
        let mut appending = File::options();
        const APPEND: i32 = rustix::fs::OFlags::APPEND.bits() as i32;
        let appending = appending.write(true).custom_flags(APPEND).open(&path);
        drop(appending.await.unwrap());
        let again = File::create_new(&path).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        file.write_all(b"0123456789").await.unwrap();
        file.flush().await.unwrap();
        // Concurrently, and the cursor stays at the end.
        let (mut first, mut second) = ([0; 3], [0; 100]);
        let (one, other) = (file.read_at(&mut first, 2), file.read_at(&mut second, 8));
        assert_eq!((one.await.unwrap(), other.await.unwrap()), (3, 2));
        assert_eq!((&first, &second[..3]), (b"234", &b"89\0"[..]));
        assert_eq!(file.write_at(b"x", 4).await.unwrap(), 1);
        file.write_all_at(*b"x", 5).await.unwrap();
        file.read_exact_at(&mut first, 3).await.unwrap();
        assert_eq!(&first, b"3xx");
        let beyond = file.read_exact_at(&mut first, 8).await.unwrap_err();
        assert_eq!(beyond.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(file.stream_position().await.unwrap(), 10);
        assert_eq!(fs::read(&path).await.unwrap(), b"0123xx6789");

        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let times = std::fs::FileTimes::new()
            .set_modified(moment)
            .set_accessed(moment);
        file.set_times(times).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().modified().unwrap(), moment);

        // To its present owner, which needs no privilege.
        let (user, group) = {
            let metadata = file.metadata().await.unwrap();
            (Some(metadata.uid()), Some(metadata.gid()))
        };
        file.chown(user, None).await.unwrap();
        fs::chown(&path, None, group).await.unwrap();
        let link = path.with_extension("link");
        fs::symlink("nowhere", &link).await.unwrap();
        fs::lchown(&link, user, group).await.unwrap();
        let error = fs::chown(&link, user, group).await.unwrap_err();
        assert!(error.to_string().starts_with("chown of "), "{error}");
        if needs_system("a descriptor is borrowed") {
            return;
        }
        let size = rustix::fs::fstat(&file).unwrap().st_size;
        assert_eq!(size, 10, "the descriptor is lent");
    });
}
