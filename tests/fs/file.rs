//! `File`: cursor, late errors, and operations that are dropped half way.

use std::io::{ErrorKind, IoSlice, IoSliceMut, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use crate::common::limit::limit;
use futures::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, FutureExt};
use nodeloop::fs::{self, File, PathError};
use nodeloop::{EventLoop, RunError, spawn};

use crate::common::needs_system;
use crate::fs_kit::{Plug, one_by_one, run, tempdir};

#[test]
fn a_big_file_goes_through_in_parts() {
    const BYTES: u32 = if cfg!(miri) { 300_000 } else { 10_000_000 };
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("big");
    let contents: Vec<u8> = (0..BYTES)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    run(async move {
        let mut file = File::create(&path).await.unwrap();
        file.write_all(&contents).await.unwrap();
        file.close().await.unwrap();
        assert!(fs::read(&path).await.unwrap() == contents);

        let mut file = File::open(&path).await.unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).await.unwrap();
        assert!(read == contents);

        let mut copy = File::create(path.with_extension("copy")).await.unwrap();
        file.seek(SeekFrom::Start(0)).await.unwrap();
        let count = futures::io::copy(&mut file, &mut copy).await.unwrap();
        assert_eq!(count, u64::from(BYTES));
        assert_eq!(copy.metadata().await.unwrap().len(), count); // `copy` has flushed
    });
}

#[test]
fn the_cursor_is_where_the_program_left_it() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    run(async move {
        fs::write(&path, "0123456789").await.unwrap();
        let mut options = File::options();
        let mut file = options.read(true).write(true).open(&path).await.unwrap();
        let mut two = [0; 2];

        assert_eq!(file.seek(SeekFrom::End(-3)).await.unwrap(), 7);
        file.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"78");
        assert_eq!(file.seek(SeekFrom::Current(-5)).await.unwrap(), 4);
        file.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"45");
        assert_eq!(file.stream_position().await.unwrap(), 6);

        for before_start in [SeekFrom::Current(-7), SeekFrom::End(-11)] {
            let error = file.seek(before_start).await.unwrap_err();
            let kind = error.kind();
            // Some versions of std have no kind for the error of Windows.
            assert!(kind == ErrorKind::InvalidInput || cfg!(windows), "{error}");
        }
        assert_eq!(file.stream_position().await.unwrap(), 6); // an error moves nothing

        file.write_all(b"ab").await.unwrap();
        file.read_exact(&mut two).await.unwrap(); // after the write, not at the same time
        assert_eq!(&two, b"89");
        assert_eq!(file.read(&mut two).await.unwrap(), 0); // the end
        assert_eq!(file.read(&mut []).await.unwrap(), 0);
        file.flush().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"012345ab89");
    });
}

#[test]
fn vectored_operations_use_all_slices() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    run(async move {
        let mut options = File::options();
        options.read(true).write(true).create(true);
        let mut file = options.open(&path).await.unwrap();
        let slices = [&b"one"[..], b"", b"two", b"three"].map(IoSlice::new);
        assert_eq!(file.write_vectored(&slices).await.unwrap(), 11);
        assert_eq!(file.write_vectored(&[IoSlice::new(b"")]).await.unwrap(), 0);
        file.flush().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"onetwothree");

        file.seek(SeekFrom::Start(1)).await.unwrap();
        let (mut first, mut second, mut third) = ([0; 2], [0; 0], [0; 4]);
        let mut slices = [&mut first[..], &mut second, &mut third].map(IoSliceMut::new);
        assert_eq!(file.read_vectored(&mut slices).await.unwrap(), 6);
        assert_eq!((&first, &third), (b"ne", b"twot"));
        let (mut first, mut second) = ([0; 3], [0; 9]);
        let mut slices = [&mut first[..], &mut second].map(IoSliceMut::new);
        assert_eq!(file.read_vectored(&mut slices).await.unwrap(), 4);
        assert_eq!((&first, second[0]), (b"hre", b'e'));
        let mut slices = [IoSliceMut::new(&mut first)];
        assert_eq!(file.read_vectored(&mut slices).await.unwrap(), 0); // the end
        assert_eq!(file.read_vectored(&mut []).await.unwrap(), 0);

        // One job writes at most 2 MiB, here the first slice and a half.
        let big = vec![b'x'; 3 << 19];
        let slices = [IoSlice::new(&big), IoSlice::new(&big)];
        assert_eq!(file.write_vectored(&slices).await.unwrap(), 2 << 20);
        file.flush().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 11 + (2 << 20));
    });
}

#[test]
fn a_vectored_read_returns_the_bytes_of_a_dropped_one() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    one_by_one(async move {
        fs::write(&path, "0123456789").await.unwrap();
        let mut file = File::open(&path).await.unwrap();
        drop_a_read(&mut file, 4).await;
        let (mut first, mut second) = ([0; 3], [0; 3]);
        let mut slices = [&mut first[..], &mut second].map(IoSliceMut::new);
        assert_eq!(file.read_vectored(&mut slices).await.unwrap(), 4);
        assert_eq!((&first, &second), (b"012", b"3\0\0"));
        assert_eq!(file.stream_position().await.unwrap(), 4);
    });
}

/// Starts reading `count` bytes and drops the read while it is under way.
async fn drop_a_read(file: &mut File, count: usize) {
    let plug = Plug::new();
    assert!(file.read(&mut vec![0; count]).now_or_never().is_none());
    plug.pull().await;
}

#[test]
fn a_dropped_read_loses_nothing() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    one_by_one(async move {
        fs::write(&path, "0123456789").await.unwrap();
        let mut options = File::options();
        let mut file = options.read(true).write(true).open(&path).await.unwrap();
        let mut byte = [0];

        drop_a_read(&mut file, 4).await; // the cursor of the system is at 4, that of the file at 0
        file.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"0");
        assert_eq!(file.stream_position().await.unwrap(), 1);
        file.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"1");

        drop_a_read(&mut file, 4).await; // 6 and 2
        file.write_all(b"ab").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"01ab456789");

        drop_a_read(&mut file, 4).await; // 8 and 4
        assert_eq!(file.seek(SeekFrom::Current(1)).await.unwrap(), 5);
        drop_a_read(&mut file, 2).await; // 7 and 5
        assert_eq!(file.seek(SeekFrom::End(0)).await.unwrap(), 10);
        file.seek(SeekFrom::Start(3)).await.unwrap();
        drop_a_read(&mut file, 5).await; // 8 and 3
        if needs_system("the file is converted to one of the standard library") {
            return;
        }
        let mut plain = file.into_std().await.unwrap();
        let position = std::io::Seek::stream_position(&mut plain).unwrap();
        assert_eq!(position, 3);
    });
}

#[test]
fn a_dropped_seek_can_be_called_again() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    one_by_one(async move {
        fs::write(&path, "0123456789").await.unwrap();
        let mut file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .await
            .unwrap();
        let plug = Plug::new();
        assert!(file.seek(SeekFrom::End(-2)).now_or_never().is_none());
        plug.pull().await;
        assert_eq!(file.seek(SeekFrom::End(-2)).await.unwrap(), 8);
        // Relative to the cursor it would move twice if the dropped seek had moved it.
        let plug = Plug::new();
        file.write_all(b"x").await.unwrap(); // under way: the seek has to wait
        assert!(file.seek(SeekFrom::Current(-4)).now_or_never().is_none());
        plug.pull().await;
        assert_eq!(file.seek(SeekFrom::Current(-4)).await.unwrap(), 5);
        // Another target than that of the seek under way: both are done, and the last one counts.
        let plug = Plug::new();
        assert!(file.seek(SeekFrom::End(0)).now_or_never().is_none());
        plug.pull().await;
        assert_eq!(file.seek(SeekFrom::Start(1)).await.unwrap(), 1);
        assert_eq!(file.stream_position().await.unwrap(), 1);
    });
}

#[test]
fn files_are_opened_according_to_their_options() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    run(async move {
        let new = |path: &Path| File::options().write(true).create_new(true).open(path);
        let mut file = new(&path).await.unwrap();
        file.write_all(b"one").await.unwrap();
        file.close().await.unwrap();
        assert_eq!(
            new(&path).await.unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );

        let mut file = File::options().append(true).open(&path).await.unwrap();
        file.write_all(b" two").await.unwrap();
        file.close().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"one two");

        let contradiction = File::options().open(&path).await.unwrap_err();
        assert_eq!(contradiction.kind(), ErrorKind::InvalidInput);
        drop(File::create(&path).await.unwrap());
        assert_eq!(fs::read(&path).await.unwrap(), b"");
    });
}

#[test]
fn the_other_operations_of_a_file() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    run(async move {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .open(&path)
            .await
            .unwrap();
        file.write_all(b"0123456789").await.unwrap();
        file.set_len(4).await.unwrap(); // after the write
        assert_eq!(file.metadata().await.unwrap().len(), 4);
        file.set_len(6).await.unwrap();
        file.sync_all().await.unwrap();
        file.sync_data().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"0123\0\0");

        let mut permissions = file.metadata().await.unwrap().permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions).await.unwrap();
        assert!(fs::metadata(&path).await.unwrap().permissions().readonly());

        let mut clone = file.try_clone().await.unwrap();
        clone.seek(SeekFrom::Start(1)).await.unwrap();
        let mut byte = [0];
        file.read_exact(&mut byte).await.unwrap(); // one cursor for both
        assert_eq!(&byte, b"1");

        if needs_system("the file is converted to one of the standard library") {
            return;
        }
        let plain = file.into_std().await.unwrap();
        let mut file = File::from_std(plain);
        file.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"2");
        drop(clone);
    });
}

/// Tasks that share a file wait for its write, each for itself, and one of them receives the error.
#[test]
fn tasks_that_share_a_file_all_wait_for_the_write_in_progress() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    run(async move {
        let mut file = File::create_new(&path).await.unwrap();
        file.write_all(b"0123456789").await.unwrap();
        let file = Rc::new(file);
        let (first, second, third) = (file.clone(), file.clone(), file.clone());
        let first = spawn(async move { first.sync_all().await.unwrap() });
        let second = spawn(async move { second.set_len(4).await.unwrap() });
        let third = spawn(async move { third.try_clone().await.unwrap() });
        drop(file.sync_data().now_or_never()); // a wait that is dropped stops no other
        first.await;
        second.await;
        assert_eq!(third.await.metadata().await.unwrap().len(), 4);

        let mut file = File::open(&path).await.unwrap();
        file.write_all(b"fails").await.unwrap();
        let (one, other) = futures::join!(file.sync_all(), file.sync_all());
        // On Windows, `sync_all` of such a file fails as well.
        let is_of_write = |result: std::io::Result<()>| {
            let error = result.err()?;
            Some(PathError::of(&error)?.operation() == "write")
        };
        let errors = [is_of_write(one), is_of_write(other)];
        let returned = errors.iter().filter(|error| **error == Some(true));
        assert_eq!(returned.count(), 1, "an error is returned once: {errors:?}");
        assert!(cfg!(windows) || errors.contains(&None), "{errors:?}");
    });
}

/// A file whose writes fail, because it is open for reading only.
async fn unwritable(path: &Path) -> File {
    fs::write(path, "x").await.unwrap();
    File::open(path).await.unwrap()
}

#[test]
fn the_error_of_a_write_is_returned_by_the_next_operation_that_writes() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    run(async move {
        let mut file = unwritable(&path).await;
        file.write_all(b"a").await.unwrap(); // passed to a job
        let error = file.flush().await.unwrap_err();
        assert_eq!(PathError::of(&error).unwrap().operation(), "write");
        assert_eq!(PathError::of(&error).unwrap().path(), path);
        file.flush().await.unwrap(); // an error is reported once

        file.write_all(b"a").await.unwrap();
        assert!(file.write_all(b"b").await.is_err());
        file.write_all(b"a").await.unwrap();
        assert!(file.close().await.is_err());
        file.write_all(b"a").await.unwrap();
        assert!(file.sync_all().await.is_err());
        file.write_all(b"a").await.unwrap();
        let mut byte = [0];
        file.read_exact(&mut byte).await.unwrap(); // a read does not take the error
        assert!(file.into_std().await.is_err());
    });
}

#[test]
fn a_write_error_without_an_awaiter_is_an_unhandled_rejection() {
    let _limit = limit();
    if needs_system("the loop has settings of its own") {
        return;
    }
    let directory = tempdir();
    let path = directory.path().join("file");
    let mut event_loop = EventLoop::builder().build().unwrap();
    let result = event_loop.run(async move {
        let mut file = unwritable(&path).await;
        file.write_all(b"a").await.unwrap();
    });
    match result {
        Err(RunError::Unhandled {
            reason, location, ..
        }) => {
            assert!(reason.text().contains("write"), "{reason}");
            assert_eq!(location.file(), file!(), "where the file was opened");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_write_under_way_outlives_its_file_and_keeps_the_loop_alive() {
    let _limit = limit();
    if needs_system("the standard library uses the same files") {
        return;
    }
    let directory = tempdir();
    let path = directory.path().join("file");
    let in_loop = path.clone();
    one_by_one(async move {
        let mut file = File::create(in_loop).await.unwrap();
        let plug = Plug::new();
        file.write_all(b"all of it").await.unwrap();
        drop(file);
        plug.release();
    });
    assert_eq!(std::fs::read(path).unwrap(), b"all of it");
}
