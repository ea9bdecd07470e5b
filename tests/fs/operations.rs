//! Every operation, its errors, and operations that are not awaited.

use std::cell::RefCell;
use std::error::Error;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit;
use crate::common::needs_system;
use crate::common::wine::is_under_wine;
use crate::fs_kit::{Plug, one_by_one, run, tempdir};
use futures::{AsyncWriteExt, FutureExt, StreamExt, TryStreamExt};
use nodeloop::fs::{self, File, PathError};
use nodeloop::{EventLoop, promise, queue_work, set_timeout};

type Log = Rc<RefCell<Vec<&'static str>>>;

#[test]
fn whole_files_are_written_read_and_copied() {
    let _limit = limit();
    let directory = tempdir();
    let (file, copy) = (directory.path().join("file"), directory.path().join("copy"));
    run(async move {
        fs::write(&file, "one").await.unwrap();
        assert_eq!(fs::read(&file).await.unwrap(), b"one");
        fs::write(&file, [b'x', 0xff]).await.unwrap(); // replaces the contents
        assert_eq!(fs::read(&file).await.unwrap(), [b'x', 0xff]);
        let not_text = fs::read_to_string(&file).await.unwrap_err();
        assert_eq!(not_text.kind(), ErrorKind::InvalidData);
        // std counts on Windows by `CopyFileExW`'s progress, which Wine 8 does not report.
        let counted = if is_under_wine() { 0 } else { 2 };
        assert_eq!(fs::copy(&file, &copy).await.unwrap(), counted);
        assert_eq!(fs::read(&copy).await.unwrap(), [b'x', 0xff]);
        fs::write(&copy, String::from("text")).await.unwrap();
        assert_eq!(fs::read_to_string(copy).await.unwrap(), "text");
    });
}

#[test]
fn directories_are_made_and_removed() {
    let _limit = limit();
    let directory = tempdir();
    let root = directory.path().to_owned();
    run(async move {
        let deep = root.join("a/b/c");
        let no_parent = fs::create_dir(&deep).await.unwrap_err();
        assert_eq!(no_parent.kind(), ErrorKind::NotFound);
        fs::create_dir_all(&deep).await.unwrap();
        fs::create_dir_all(&deep).await.unwrap(); // it exists already: no error
        let is_there = fs::create_dir(&deep).await.unwrap_err();
        assert_eq!(is_there.kind(), ErrorKind::AlreadyExists);
        let not_empty = fs::remove_dir(root.join("a")).await.unwrap_err();
        assert_eq!(not_empty.kind(), ErrorKind::DirectoryNotEmpty);
        fs::remove_dir(&deep).await.unwrap();
        assert!(!fs::try_exists(&deep).await.unwrap());
        fs::remove_dir_all(root.join("a")).await.unwrap();
        assert!(!fs::try_exists(root.join("a")).await.unwrap());
        assert!(fs::try_exists(&root).await.unwrap());
    });
}

#[test]
fn files_are_renamed_linked_and_inspected() {
    let _limit = limit();
    let directory = tempdir();
    let root = directory.path().to_owned();
    run(async move {
        let (first, second) = (root.join("first"), root.join("second"));
        fs::write(&first, "12345").await.unwrap();
        fs::rename(&first, &second).await.unwrap();
        assert!(!fs::try_exists(&first).await.unwrap());
        assert_eq!(fs::metadata(&second).await.unwrap().len(), 5);

        fs::hard_link(&second, &first).await.unwrap();
        fs::write(&second, "123").await.unwrap();
        assert_eq!(fs::read(&first).await.unwrap(), b"123"); // one file, two names
        fs::remove_file(&second).await.unwrap();
        assert_eq!(fs::read(&first).await.unwrap(), b"123");

        let real = fs::canonicalize(&root).await.unwrap();
        let detour = root.join(".").join("..").join(root.file_name().unwrap());
        assert_eq!(fs::canonicalize(detour).await.unwrap(), real);

        let mut permissions = fs::metadata(&first).await.unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&first, permissions).await.unwrap();
        let changed = fs::metadata(&first).await.unwrap().permissions();
        assert!(changed.readonly());
    });
}

#[cfg(unix)] // `fs::symlink` exists on Unix only
#[test]
fn symbolic_links_are_made_read_and_followed() {
    let _limit = limit();
    let directory = tempdir();
    let root = directory.path().to_owned();
    run(async move {
        let (file, link) = (root.join("file"), root.join("link"));
        fs::symlink("file", &link).await.unwrap();
        assert_eq!(fs::read_link(&link).await.unwrap(), PathBuf::from("file"));
        assert!(!fs::try_exists(&link).await.unwrap()); // its target does not exist yet
        fs::write(&link, "x").await.unwrap();
        assert!(fs::metadata(&link).await.unwrap().is_file());
        assert!(fs::symlink_metadata(&link).await.unwrap().is_symlink());
        fs::remove_file(&link).await.unwrap();
        assert_eq!(fs::read(&file).await.unwrap(), b"x");
        let no_link = fs::read_link(&file).await.unwrap_err();
        assert_eq!(no_link.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn errors_keep_their_kind_and_name_operation_and_path() {
    let _limit = limit();
    let directory = tempdir();
    let root = directory.path().to_owned();
    run(async move {
        let missing = root.join("nodeloop-missing");
        let error = fs::read(&missing).await.unwrap_err();
        let original = std::fs::read(&missing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            format!("read of {missing:?}: {original}")
        );
        let details = PathError::of(&error).unwrap();
        assert_eq!(details.operation(), "read");
        assert_eq!(details.path(), missing);
        assert_eq!(details.other_path(), None);
        assert_eq!(details.raw_os_error(), original.raw_os_error());
        assert_eq!(details.error().raw_os_error(), details.raw_os_error());
        assert!(error.source().is_none(), "its text would be reported twice");

        let target = root.join("target");
        let error = fs::rename(&missing, &target).await.unwrap_err();
        let details = PathError::of(&error).unwrap();
        assert_eq!(details.other_path(), Some(&*target));
        let start = format!("rename of {missing:?} to {target:?}: ");
        assert!(error.to_string().starts_with(&start), "{error}");

        let error = File::open(&missing).await.unwrap_err();
        assert!(error.to_string().starts_with("open of "), "{error}");
        let error = fs::read_dir(&missing).await.unwrap_err();
        assert!(error.to_string().starts_with("read_dir of "), "{error}");
    });
}

#[test]
fn a_directory_is_no_file_and_a_file_no_directory() {
    let _limit = limit();
    if needs_system("the standard library uses the same files") {
        return;
    }
    let directory = tempdir();
    let root = directory.path().to_owned();
    run(async move {
        let file = root.join("file");
        fs::write(&file, "x").await.unwrap();
        // What std reports, which is not the same on all systems.
        let directory = std::fs::read(&root).unwrap_err().kind();
        assert_eq!(fs::read(&root).await.unwrap_err().kind(), directory);
        assert!(fs::write(&root, "x").await.is_err());
        assert!(fs::remove_file(&root).await.is_err());
        let errors = [
            fs::read_dir(&file).await.unwrap_err(),
            fs::read(file.join("below")).await.unwrap_err(),
            fs::remove_dir(&file).await.unwrap_err(),
        ];
        let of_std = [
            std::fs::read_dir(&file).unwrap_err(),
            std::fs::read(file.join("below")).unwrap_err(),
            std::fs::remove_dir(&file).unwrap_err(),
        ];
        let kinds = errors.map(|error| error.kind());
        assert_eq!(kinds, of_std.map(|error| error.kind()));
        if cfg!(unix) {
            assert_eq!(kinds, [ErrorKind::NotADirectory; 3]);
        }
    });
}

#[test]
fn a_directory_of_a_thousand_entries_is_read_completely() {
    let _limit = limit();
    let directory = tempdir();
    let mut names: Vec<String> = (0..1_000).map(|number| format!("{number:04}")).collect();
    let root = directory.path().to_owned();
    run(async move {
        for name in &names {
            fs::write(root.join(name), name).await.unwrap();
        }
        fs::create_dir(root.join("z")).await.unwrap();
        names.push("z".to_owned());
        let mut entries = fs::read_dir(&root).await.unwrap();
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry().await.unwrap() {
            let name = entry.file_name().into_string().unwrap();
            assert_eq!(entry.path(), root.join(&name));
            assert_eq!(entry.file_type().unwrap().is_dir(), name == "z");
            if name.ends_with("77") {
                assert_eq!(entry.metadata().await.unwrap().len(), 4);
            }
            found.push(name);
        }
        assert!(entries.next_entry().await.unwrap().is_none()); // and stays at the end
        found.sort();
        assert_eq!(found, names);

        let as_stream = fs::read_dir(&root).await.unwrap();
        let count = as_stream.try_fold(0, async |count, _| Ok(count + 1)).await;
        assert_eq!(count.unwrap(), 1_001);
    });
}

#[test]
fn a_dropped_wait_for_an_entry_loses_none() {
    let _limit = limit();
    let directory = tempdir();
    let root = directory.path().to_owned();
    one_by_one(async move {
        for number in 0..100 {
            fs::write(root.join(number.to_string()), "").await.unwrap();
        }
        let mut entries = fs::read_dir(root).await.unwrap();
        let mut count = 0;
        loop {
            let plug = Plug::new(); // the next batch, if one is needed, has to wait
            let first_poll = entries.next_entry().now_or_never();
            plug.pull().await;
            let entry = match first_poll {
                Some(entry) => entry,
                None => entries.next_entry().await, // the first wait was dropped
            };
            match entry.unwrap() {
                Some(_) => count += 1,
                None => break,
            }
        }
        assert_eq!(count, 100);
    });
}

/// An argument that removes its file when it is dropped has to be passed by reference.
#[test]
fn the_error_of_a_path_argument_that_was_dropped_says_so() {
    let _limit = limit();
    if needs_system("temporary files of the system") {
        return;
    }
    run(async {
        let file = || tempfile::NamedTempFile::new().unwrap();
        let kept = file();
        fs::write(&kept, "text").await.unwrap();
        assert_eq!(fs::read(&kept).await.unwrap(), b"text");
        let hint = "; if dropping a `tempfile::file::NamedTempFile` removes its file, pass it by \
                    reference and keep it until the operation has finished";
        for error in [
            fs::read(file()).await.unwrap_err(),
            File::open(file()).await.unwrap_err(),
            fs::rename(file(), "/nowhere/file").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.to_string().ends_with(hint), "{error}");
        }
        let path = std::path::PathBuf::from("/nowhere/file");
        let error = fs::read(path).await.unwrap_err();
        assert!(!error.to_string().contains("dropping"), "{error}");
    });
}

#[test]
fn a_dropped_promise_detaches_its_operation() {
    let _limit = limit();
    if needs_system("the standard library uses the same files") {
        return;
    }
    let directory = tempdir();
    let path = directory.path().join("file");
    let in_loop = path.clone();
    one_by_one(async move {
        let plug = Plug::new();
        drop(fs::write(in_loop, "written all the same"));
        plug.release();
    });
    assert_eq!(std::fs::read(path).unwrap(), b"written all the same");
}

#[test]
fn an_aborted_operation_that_has_not_started_does_not_take_place() {
    let _limit = limit();
    if needs_system("the standard library uses the same files") {
        return;
    }
    let directory = tempdir();
    let paths = ["write", "create"].map(|name| directory.path().join(name));
    let [write, create] = paths.clone();
    one_by_one(async move {
        let plug = Plug::new();
        let write = fs::write(write, "x").settled();
        let create = File::create(create).settled();
        write.abort();
        create.abort();
        plug.pull().await;
        assert!(write.await.unwrap_err().is_aborted());
        assert!(create.await.unwrap_err().is_aborted());
    });
    assert!(!paths[0].exists() && !paths[1].exists());
}

#[test]
fn a_loop_that_ends_early_drops_what_has_not_started() {
    let _limit = limit();
    if needs_system("the loop has settings of its own") {
        return;
    }
    let directory = tempdir();
    let path = directory.path().join("file");
    let in_loop = path.clone();
    let mut event_loop = EventLoop::builder().blocking_threads(1).build().unwrap();
    let plug = event_loop.block_on(async move {
        let plug = Plug::new();
        drop(fs::write(in_loop, "never"));
        plug
    });
    drop(event_loop);
    plug.unwrap().release();
    assert!(!path.exists());
}

#[test]
fn the_job_is_submitted_when_the_function_is_called() {
    let _limit = limit();
    let directory = tempdir();
    let path = directory.path().join("file");
    one_by_one(async move {
        // One thread runs the jobs in the order of the calls, whichever is awaited first (R60).
        let write = fs::write(&path, "1");
        let read = fs::read(&path);
        let remove = fs::remove_file(&path);
        let read_again = fs::read(&path);
        assert_eq!(read_again.await.unwrap_err().kind(), ErrorKind::NotFound);
        remove.await.unwrap();
        assert_eq!(read.await.unwrap(), b"1");
        write.await.unwrap();
    });
}

#[test]
fn each_completion_is_a_macrotask_of_its_own() {
    let _limit = limit();
    if needs_system("the standard library uses the same files") {
        return;
    }
    let directory = tempdir();
    let path = directory.path().to_owned();
    let log = Log::default();
    let seen = log.clone();
    one_by_one(async move {
        let push = |text| {
            let log = log.clone();
            move || log.borrow_mut().push(text)
        };
        let (after_first, in_work) = (push("awaited"), push("callback"));
        let (tick, microtask) = (
            push("tick of the callback"),
            push("microtask of the callback"),
        );
        let first = fs::metadata(&path);
        nodeloop::spawn(async move {
            first.await.unwrap();
            after_first();
        })
        .detach();
        queue_work(
            move || std::fs::metadata(path),
            move |metadata| {
                assert!(metadata.unwrap().is_dir());
                nodeloop::queue_microtask(microtask);
                nodeloop::next_tick(tick);
                in_work();
            },
        );
        nodeloop::time::wait_for_jobs(); // both have finished before the poll phase polls
    });
    let expected = [
        "awaited",                   // the drain after the first completion (R61)
        "callback",                  // the second completion is the macrotask itself
        "tick of the callback",      // so its ticks …
        "microtask of the callback", // … precede its promise jobs (R12)
    ];
    assert_eq!(*seen.borrow(), expected);
}

#[test]
fn awaiting_costs_one_turn() {
    let _limit = limit();
    if needs_system("the standard library uses the same files") {
        return;
    }
    let directory = tempdir();
    let path = directory.path().join("file");
    std::fs::write(&path, "x").unwrap();
    let log = Log::default();
    let seen = log.clone();
    one_by_one(async move {
        // The `File` is made on the thread of the loop, which must not cost another turn.
        let (open, read) = (File::open(&path), fs::read(&path));
        let ruler = async |ruled: Log, text: [&'static str; 2]| {
            for line in text {
                let (turn, resolver) = promise::with_resolver();
                resolver.resolve(());
                turn.await;
                ruled.borrow_mut().push(line);
            }
        };
        nodeloop::time::wait_for_jobs();
        let in_open = log.clone();
        nodeloop::spawn(async move {
            drop(open.await.unwrap());
            in_open.borrow_mut().push("opened");
            ruler(in_open, ["turn 1 after it", "turn 2 after it"]).await;
        })
        .detach();
        nodeloop::spawn(async move {
            read.await.unwrap();
            log.borrow_mut().push("read");
        })
        .detach();
    });
    let expected = [
        "opened",
        "turn 1 after it",
        "turn 2 after it",
        "read", // the next macrotask
    ];
    assert_eq!(*seen.borrow(), expected);
}

#[test]
fn a_hundred_operations_at_once() {
    let _limit = limit();
    let directory = tempdir();
    let root = directory.path().to_owned();
    run(async move {
        let path = |number: usize| -> PathBuf { root.join(number.to_string()) };
        let writes: Vec<_> = (0..100)
            .map(|number| fs::write(path(number), number.to_string()))
            .collect();
        for write in writes {
            write.await.unwrap();
        }
        let reads: Vec<_> = (0..100).map(|number| fs::read(path(number))).collect();
        let results = futures::future::join_all(reads).await;
        for (number, result) in results.into_iter().enumerate() {
            assert_eq!(result.unwrap(), number.to_string().as_bytes());
        }
        let files = futures::stream::iter(0..100)
            .map(|number| File::open(path(number)))
            .buffer_unordered(10)
            .try_collect::<Vec<_>>();
        assert_eq!(files.await.unwrap().len(), 100);
    });
}

#[test]
fn operations_hold_a_virtual_clock() {
    let _limit = limit();
    if needs_system("the loop has settings of its own") {
        return;
    }
    let directory = tempdir();
    let path = directory.path().join("file");
    let log = Log::default();
    let seen = log.clone();
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    let run = event_loop.run(async move {
        let start = nodeloop::time::Instant::now();
        let in_timer = log.clone();
        set_timeout(Duration::from_millis(1), move || {
            in_timer.borrow_mut().push("timer")
        });
        let mut file = File::create(&path).await.unwrap();
        file.write_all(&vec![7; 5_000_000]).await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap().len(), 5_000_000);
        assert_eq!(start.elapsed(), Duration::ZERO);
        log.borrow_mut().push("files");
    });
    run.unwrap();
    assert_eq!(*seen.borrow(), ["files", "timer"]);
}

#[test]
#[should_panic(expected = "`fs::read` was called outside of an event loop")]
fn outside_of_a_loop_the_message_names_the_function() {
    let _limit = limit();
    drop(fs::read("anything"));
}
