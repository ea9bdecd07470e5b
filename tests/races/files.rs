//! Files: use before completion, check before use, double close, updates that are lost.

use nodeloop::test::Test;
use nodeloop::{set_immediate, set_timeout, spawn};

use crate::common::ms;
use crate::harness::{By, Race, Version};
use crate::world::{Disk, Lock, QUICK, job, operation, shared, sleep};

/// `writeFile` and `readFile` of one file, started one after the other: the read may complete first.
#[test]
fn read_before_write() {
    let race = Race {
        name: "read_before_write",
        by: By::Jobs,
        steps: ["written", "read"],
    };
    race.check(async |t: Test, version: Version| {
        let (disk, log) = (Disk::default().by_jobs(), t.log());
        let writing = disk.write("foo", "data");
        let writing = writing.then(log.reaction("written"));
        if version.is_mended() {
            writing.await;
        } else {
            writing.detach();
        }
        let content = disk.read("foo").await;
        log.add("read");
        assert_eq!(
            content.as_deref(),
            Ok("data"),
            "the file was read before it was written"
        );
        t.until_idle().await;
    });
}

/// A file exists when it is checked, and is gone when it is read.
#[test]
fn exists_then_read() {
    let race = Race {
        name: "exists_then_read",
        by: By::Time,
        steps: ["read", "unlinked"],
    };
    race.check(async |t: Test, version: Version| {
        let disk = Disk::with([("tmp.txt", "data")]);
        let (reader, log) = (disk.clone(), t.log());
        set_immediate(move || {
            let read = async move {
                if !version.is_mended() && reader.stat("tmp.txt").await.is_err() {
                    return;
                }
                let content = reader.read("tmp.txt").await;
                log.add("read");
                let is_gone = content == Err("ENOENT");
                // The mended version asks once, and a file that is gone is an answer.
                assert!(
                    version.is_mended() || !is_gone,
                    "it existed, but could not be read"
                );
            };
            drop(spawn(read));
        });
        let log = t.log();
        set_timeout(ms(5), move || {
            disk.remove("tmp.txt")
                .then(log.reaction("unlinked"))
                .detach();
        });
        t.until_idle().await;
    });
}

/// Two requests create a directory: both see that it is missing.
#[test]
fn mkdir_twice() {
    let race = Race {
        name: "mkdir_twice",
        by: By::Time,
        steps: ["A created", "B checked"],
    };
    race.check(async |t: Test, version: Version| {
        let disk = Disk::default();
        let upload = |name: &'static str| {
            let (disk, log) = (disk.clone(), t.log());
            spawn(async move {
                if !version.is_mended() && disk.stat("uploads").await.is_ok() {
                    return;
                }
                log.add(format_args!("{name} checked"));
                let created = disk.mkdir("uploads").await;
                log.add(format_args!("{name} created"));
                let exists = version.is_mended() && created == Err("EEXIST");
                assert!(
                    exists || created.is_ok(),
                    "{name}: mkdir failed with {created:?}"
                );
            })
        };
        let first = upload("A");
        sleep(3).await;
        upload("B").await;
        first.await;
    });
}

/// A directory and a file in it are removed at the same time, each with a check before.
#[test]
fn remove_in_parallel() {
    let race = Race {
        name: "remove_in_parallel",
        by: By::Jobs,
        steps: ["file.js: lstat", "folder: unlink of file.js"],
    };
    race.check(async |t: Test, version: Version| {
        let disk = Disk::with([("folder/", ""), ("folder/file.js", "")]).by_jobs();
        let (log, file) = (t.log(), disk.clone());
        let file = spawn(async move {
            let found = file.stat("folder/file.js").await;
            log.add("file.js: lstat");
            assert_eq!(found, Ok(()), "lstat of folder/file.js");
            // Somebody else may have removed it since, which is what was wanted.
            let _removed = file.remove("folder/file.js").await;
        });
        if version.is_mended() {
            file.await;
        } else {
            file.detach();
        }
        let (log, folder) = (t.log(), disk.clone());
        spawn(async move {
            folder.stat("folder").await.expect("the folder exists");
            let _removed = folder.remove("folder/file.js").await;
            log.add("folder: unlink of file.js");
            folder
                .remove("folder")
                .await
                .expect("only this removes the folder");
        })
        .await;
        t.until_idle().await;
        assert!(disk.paths().is_empty());
    });
}

/// Entries are counted before they are known to exist. A failing `stat` that comes last ends nothing.
#[test]
fn failing_stat_comes_last() {
    let race = Race {
        name: "failing_stat_comes_last",
        by: By::Jobs,
        steps: ["missing.txt: stat", "empty.txt: read"],
    };
    race.check(async |t: Test, version: Version| {
        let disk = Disk::with([("package.json", "{}"), ("empty.txt", "")]).by_jobs();
        let counts = shared((0, 0)); // entries, done
        for path in ["package.json", "missing.txt", "empty.txt"] {
            counts.borrow_mut().0 += 1;
            let (disk, log, counts) = (disk.clone(), t.log(), counts.clone());
            let finalize_if_done = move |log: &nodeloop::test::Log, entries, done| {
                if entries == done {
                    log.add("finalize");
                }
            };
            spawn(async move {
                let found = disk.stat(path).await;
                log.add(format_args!("{path}: stat"));
                if found.is_err() {
                    counts.borrow_mut().0 -= 1;
                    if version.is_mended() {
                        let (entries, done) = *counts.borrow();
                        finalize_if_done(&log, entries, done);
                    }
                    return;
                }
                disk.read(path).await.expect("it exists");
                log.add(format_args!("{path}: read"));
                counts.borrow_mut().1 += 1;
                let (entries, done) = *counts.borrow();
                finalize_if_done(&log, entries, done);
            })
            .detach();
        }
        t.until_idle().await;
        t.log().assert_once("finalize");
    });
}

/// A function that is said to be synchronous appends to the file of a database, which is compacted.
#[test]
fn append_during_compaction() {
    let race = Race {
        name: "append_during_compaction",
        by: By::Jobs,
        steps: ["index appended", "file compacted"],
    };
    race.check(async |t: Test, version: Version| {
        let (disk, log) = (Disk::with([("db", "row\n")]).by_jobs(), t.log());
        // ensureIndex: the index is in memory at once, and on the disk later.
        let appended = disk
            .append("db", "index\n")
            .then(log.reaction("index appended"));
        if version.is_mended() {
            appended.await;
        } else {
            appended.detach();
        }
        // loadDatabase: reads the file and writes it again, compacted, with the state in memory.
        disk.read("db").await.expect("the file exists");
        disk.write("db", "row\nindex\n").await;
        log.add("file compacted");
        t.until_idle().await;
        let content = disk.content("db");
        assert_eq!(
            content.as_deref(),
            Some("row\nindex\n"),
            "the file of the database"
        );
    });
}

/// A stream is destroyed while a read of it is in flight.
#[test]
fn close_during_read() {
    let race = Race {
        name: "close_during_read",
        by: By::Jobs,
        steps: ["read", "closed"],
    };
    race.check(async |t: Test, version: Version| {
        let (is_open, log) = (shared(true), t.log());
        let opened = is_open.clone();
        let reading = job(move || match *opened.borrow() {
            true => Ok(()),
            false => Err("EBADF"),
        });
        let log_read = t.log();
        let reading = reading.then(move |result| {
            log_read.add("read");
            assert_eq!(result, Ok(()), "a read of a closed descriptor");
        });
        if version.is_mended() {
            reading.await;
        } else {
            reading.detach();
        }
        job(move || is_open.replace(false)).await;
        log.add("closed");
        t.until_idle().await;
    });
}

/// A stream closes its file at its end, and its owner after a timeout.
#[test]
fn close_twice() {
    let race = Race {
        name: "close_twice",
        by: By::Time,
        steps: ["end: closed", "timeout: closes"],
    };
    race.check(async |t: Test, version: Version| {
        let descriptor = shared(Some(3));
        let is_closed = shared(false);
        let close = move |is_closed: &crate::world::Shared<bool>| {
            let (descriptor, flag) = (descriptor.clone(), is_closed.clone());
            if version.is_mended() {
                *is_closed.borrow_mut() = true; // before the operation, not after it
            }
            operation(QUICK, move || {
                let closed = descriptor.borrow_mut().take();
                assert!(closed.is_some(), "EBADF: the descriptor was closed twice");
                *flag.borrow_mut() = true;
            })
        };
        let (log, flag, close_at_end) = (t.log(), is_closed.clone(), close.clone());
        spawn(async move {
            sleep(1).await; // the last read
            close_at_end(&flag).await;
            log.add("end: closed");
        })
        .detach();
        let log = t.log();
        set_timeout(ms(5), move || {
            if !*is_closed.borrow() {
                log.add("timeout: closes");
                close(&is_closed).detach();
            }
        });
        t.until_idle().await;
    });
}

/// Two updates of a file of JSON: read, change, write.
#[test]
fn lost_update() {
    let race = Race {
        name: "lost_update",
        by: By::Time,
        steps: ["A wrote", "B read"],
    };
    race.check(async |t: Test, version: Version| {
        let (disk, lock) = (Disk::with([("db.json", "0")]), Lock::default());
        let vote = |name: &'static str| {
            let (disk, log, lock) = (disk.clone(), t.log(), lock.clone());
            let update = async move {
                let votes = disk.read("db.json").await.expect("the file exists");
                log.add(format_args!("{name} read"));
                let votes: u32 = votes.parse().expect("a number");
                disk.write("db.json", (votes + 1).to_string()).await;
                log.add(format_args!("{name} wrote"));
            };
            spawn(async move {
                match version {
                    Version::Buggy => update.await,
                    Version::Mended => lock.run(update).await,
                }
            })
        };
        let first = vote("A");
        sleep(3).await;
        vote("B").await;
        first.await;
        assert_eq!(disk.content("db.json").as_deref(), Some("2"), "the votes");
    });
}

/// Two atomic writes of one file share the name of the temporary file.
#[test]
fn shared_temporary_file() {
    let race = Race {
        name: "shared_temporary_file",
        by: By::Time,
        steps: ["A renamed", "B wrote"],
    };
    race.check(async |t: Test, version: Version| {
        let disk = Disk::default();
        let save = |name: &'static str| {
            let (disk, log) = (disk.clone(), t.log());
            spawn(async move {
                let temporary = match version {
                    Version::Buggy => "state.tmp".to_owned(),
                    Version::Mended => format!("state.tmp.{name}"),
                };
                disk.write(&temporary, name).await;
                log.add(format_args!("{name} wrote"));
                let renamed = disk.rename(&temporary, "state").await;
                log.add(format_args!("{name} renamed"));
                assert_eq!(renamed, Ok(()), "rename by {name}");
            })
        };
        let first = save("A");
        sleep(3).await;
        save("B").await;
        first.await;
        assert!(disk.content("state").is_some());
    });
}
