//! The disk and the pool of a host.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, StreamExt, TryStreamExt};
use nodeloop::fs::{self, File};
use nodeloop::test::{DiskError, DiskFault, DiskOperation, World};
use nodeloop::time::{Instant, sleep, wait_for_jobs};
use nodeloop::{queue_work, spawn_blocking};

use crate::common::limit::limit;
use crate::notes::{failure, ms};

#[test]
fn each_host_has_a_disk_of_its_own() {
    let _limit = limit();
    let world = World::new();
    for name in ["a", "b"] {
        world.host(name).run(async move || {
            fs::write("/tmp/name", name).await?;
            let mut names = Vec::new();
            let mut entries = fs::read_dir("/tmp").await?;
            while let Some(entry) = entries.try_next().await? {
                assert!(entry.file_type()?.is_file());
                assert_eq!(entry.metadata().await?.len(), 1);
                names.push(entry.path());
            }
            assert_eq!(names, [std::path::Path::new("/tmp/name")]);
            fs::read_to_string("/tmp/name")
                .await
                .map(|text| assert_eq!(text, name))
        });
    }
    world.run();
    assert!(
        !std::fs::exists("/tmp/name").unwrap_or(true),
        "the real disk is not used"
    );
    assert_eq!(world.host("b").disk().read("/tmp/name").unwrap(), b"b");
}

#[test]
fn a_file_is_a_stream_of_bytes() {
    let _limit = limit();
    let world = World::new();
    world.host("a").run(async || {
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .open("/tmp/file")
            .await?;
        file.write_all(b"one two").await?;
        file.seek(std::io::SeekFrom::Start(4)).await?;
        let mut text = String::new();
        file.read_to_string(&mut text).await?;
        assert_eq!(text, "two");
        file.set_len(3).await?;
        assert_eq!(fs::read("/tmp/file").await?, b"one");
        let error = file.into_std().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        std::io::Result::Ok(())
    });
    world.run();
}

#[test]
fn times_are_those_of_the_virtual_clock() {
    let _limit = limit();
    let world = World::new();
    world
        .host("a")
        .set_job_duration(ms(5)..=ms(5))
        .run(async || {
            sleep(ms(100)).await;
            fs::write("/tmp/a", "x").await.unwrap();
            let first = fs::metadata("/tmp/a").await.unwrap();
            sleep(Duration::from_secs(3600)).await;
            fs::write("/tmp/a", "y").await.unwrap();
            let second = fs::metadata("/tmp/a").await.unwrap();
            let modified = |it: &fs::Metadata| it.modified().unwrap();
            let between = modified(&second).duration_since(modified(&first)).unwrap();
            assert_eq!(between, Duration::from_secs(3600) + ms(10));
            assert_eq!(second.created().unwrap(), modified(&first));
            let file = File::options().write(true).open("/tmp/a").await.unwrap();
            let moment = modified(&first) - Duration::from_secs(7);
            let times = std::fs::FileTimes::new().set_modified(moment);
            file.set_times(times).await.unwrap();
            let third = file.metadata().await.unwrap();
            assert_eq!(modified(&third), moment);
            assert_eq!(third.accessed().unwrap(), second.accessed().unwrap());
        });
    world.run();
}

#[test]
fn jobs_take_time_and_wait_for_a_thread() {
    let _limit = limit();
    let world = World::new();
    let log = world.log();
    let host = world.host("a");
    // The default is four threads.
    host.set_job_times(|job| Some([ms(50), ms(10), ms(20), ms(30), ms(5)][job.number as usize]));
    let job_log = log.clone();
    host.run(async move || {
        let start = Instant::now();
        for number in 0..5 {
            let log = job_log.clone();
            queue_work(
                move || number,
                move |number| log.add(format!("{number} at {}", start.elapsed().as_millis())),
            );
        }
    });
    world.run();
    log.assert_order(["1 at 10", "4 at 15", "2 at 20", "3 at 30", "0 at 50"]);
}

#[test]
fn jobs_of_no_duration_finish_in_their_order() {
    let _limit = limit();
    let world = World::new();
    let log = world.log();
    let job_log = log.clone();
    world.host("a").run(async move || {
        for number in 0..3 {
            let log = job_log.clone();
            queue_work(
                || (),
                move |()| {
                    let tick = log.clone();
                    nodeloop::next_tick(move || tick.add(format!("tick {number}")));
                    log.add(format!("job {number}"));
                },
            );
        }
        nodeloop::set_immediate(job_log.callback("immediate"));
    });
    world.run();
    log.assert_order([
        "job 0",
        "tick 0",
        "job 1",
        "tick 1",
        "job 2",
        "tick 2",
        "immediate",
    ]);
    assert_eq!(world.now(), ms(0));
}

#[test]
fn a_job_runs_outside_of_the_loop_and_may_panic() {
    let _limit = limit();
    let world = World::new();
    world.host("a").run(async || {
        let called = spawn_blocking(|| std::panic::catch_unwind(nodeloop::why_alive).is_err());
        assert!(called.await, "no loop is running there, as on a thread");
        let nested = spawn_blocking(|| nodeloop::block_on(async { 7 }));
        assert_eq!(nested.await, 7);
        let panics = spawn_blocking(|| panic!("on purpose")).settled().await;
        assert!(panics.is_err());
    });
    world.run();
}

#[test]
fn a_job_that_has_not_started_can_be_cancelled() {
    let _limit = limit();
    let world = World::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let numbers = seen.clone();
    let host = world.host("a");
    host.set_job_duration(ms(10)..=ms(10));
    host.run(async move || {
        let start = Instant::now();
        let jobs: Vec<_> = (0..9)
            .map(|number| {
                let numbers = numbers.clone();
                let done = move |()| numbers.borrow_mut().push((number, start.elapsed()));
                queue_work(|| (), done)
            })
            .collect();
        assert!(!jobs[3].cancel(), "it runs");
        assert!(jobs[4].cancel());
        wait_for_jobs();
        assert_eq!(start.elapsed(), ms(20), "eight jobs on four threads");
    });
    world.run();
    // The loop was blocked until all had finished.
    let expected = [0, 1, 2, 3, 5, 6, 7, 8].map(|number| (number, ms(20)));
    assert_eq!(*seen.borrow(), expected);
}

#[test]
fn a_stuck_job_is_named_in_the_report() {
    let _limit = limit();
    let world = World::new();
    let host = world.host("a");
    host.set_job_times(|_| None);
    host.run(async || fs::read("/tmp/a").await.map(drop));
    let text = failure(&world);
    assert!(text.contains("no program can continue"), "{text}");
    assert!(text.contains("a job of the worker pool"), "{text}");
}

#[test]
fn a_full_disk_a_limit_of_files_and_a_broken_device() {
    let _limit = limit();
    let world = World::new();
    let host = world.host("a");
    let disk = host.disk();
    disk.set_capacity(Some(8192));
    disk.set_max_open_files(Some(2));
    disk.inject(DiskFault::error(DiskOperation::Sync, DiskError::Io).on("/tmp/log"));
    host.run(async || {
        let error = fs::write("/tmp/big", vec![0; 10_000]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(
            error.to_string().starts_with("write of \"/tmp/big\""),
            "{error}"
        );
        fs::remove_file("/tmp/big").await.unwrap();
        let mut file = File::create("/tmp/log").await.unwrap();
        file.write_all(b"x").await.unwrap();
        let error = file.sync_all().await.unwrap_err();
        if cfg!(unix) {
            assert_eq!(fs::PathError::of(&error).unwrap().raw_os_error(), Some(5));
        }
        let other = File::create("/tmp/other").await.unwrap();
        let third = File::create("/tmp/third").await.unwrap_err();
        assert!(
            third
                .to_string()
                .to_lowercase()
                .contains("too many open files"),
            "{third}"
        );
        drop(other);
        drop(file);
        let reads = futures::stream::iter(0..10).map(|_| fs::read("/tmp/log"));
        let reads: Vec<_> = reads.buffer_unordered(4).collect().await;
        assert!(
            reads.iter().all(Result::is_ok),
            "a job is one after another"
        );
    });
    world.run();
    assert_eq!(disk.unfired_faults(), [""; 0]);
}

#[test]
fn a_disk_survives_a_crash_and_forgets_what_was_not_synced() {
    let _limit = limit();
    let mut kept = Vec::new();
    for seed in 0..20 {
        let world = World::builder().seed(nodeloop::Seed::new(seed)).build();
        let host = world.host("a");
        host.disk().write("/tmp/starts", "").unwrap();
        let starts = Rc::new(RefCell::new(Vec::new()));
        let seen = starts.clone();
        host.serve(async move || {
            let text = fs::read_to_string("/tmp/starts").await.unwrap();
            seen.borrow_mut().push(text.clone());
            let mut file = File::options()
                .append(true)
                .open("/tmp/starts")
                .await
                .unwrap();
            file.write_all(b"x").await.unwrap();
            if text.is_empty() {
                file.sync_all().await.unwrap();
            }
            file.flush().await.unwrap();
            sleep(ms(1000)).await;
        });
        let restarted = host.clone();
        world.host("operator").run(async move || {
            for _ in 0..2 {
                sleep(ms(10)).await;
                restarted.crash();
                restarted.restart();
            }
            sleep(ms(10)).await;
        });
        world.run();
        let starts = starts.take();
        assert_eq!(starts[..2], ["", "x"], "the first write was synced");
        kept.push(starts[2].clone());
    }
    kept.sort();
    kept.dedup();
    assert_eq!(kept, ["x", "x\0", "xx"]);
}

#[test]
fn children_and_workers_are_refused() {
    let _limit = limit();
    let world = World::new();
    world.host("a").run(async || {
        let child = nodeloop::process::Command::new("true").spawn();
        let error = child.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("another host"), "{error}");
        let worker = nodeloop::worker::Worker::<(), (), ()>::spawn(async |_| ());
        let error = worker.map(drop).expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    });
    world.run();
}

/// The place of a job is a line of the program: that of the call or, for what a trait polls, the one that opened
/// the file.
#[test]
fn every_job_is_at_a_line_of_the_program() {
    let _limit = limit();
    let world = World::new();
    let places = Rc::new(RefCell::new(Vec::new()));
    let host = world.host("h");
    let noted = places.clone();
    host.set_job_times(move |job| {
        noted.borrow_mut().push(job.location);
        Some(ms(1))
    });
    for number in 0..40 {
        host.disk().write(format!("/tmp/{number}"), "").unwrap();
    }
    host.run(async || {
        let mut file = File::options();
        let mut file = file
            .read(true)
            .write(true)
            .create(true)
            .open("/tmp/file")
            .await?;
        file.write_all(b"text").await?;
        file.flush().await?;
        file.seek(std::io::SeekFrom::End(-2)).await?;
        file.read_to_string(&mut String::new()).await?;
        file.set_len(10).await?;
        file.sync_all().await?;
        file.sync_data().await?;
        file.metadata().await?;
        file.set_times(std::fs::FileTimes::new()).await?;
        file.try_clone().await?;
        #[cfg(unix)]
        file.read_exact_at(&mut [0; 4], 0).await?;
        let mut entries = fs::read_dir("/tmp").await?;
        while entries.next_entry().await?.is_some() {}
        nodeloop::net::lookup_host("h:80").await?;
        let listener = nodeloop::net::TcpListener::bind("h:80").await?;
        nodeloop::net::TcpStream::connect("h:80").await?;
        let socket = nodeloop::net::UdpSocket::bind("h:80").await?;
        socket.connect("h:80").await?;
        socket.send_to(b"text", "h:80").await?;
        drop(listener);
        std::io::Result::Ok(())
    });
    world.run();
    let places = places.borrow();
    let foreign = places.iter().filter(|place| place.file() != file!());
    assert_eq!(
        foreign.collect::<Vec<_>>(),
        [] as [&&std::panic::Location<'_>; 0]
    );
    assert!(
        places.len() >= if cfg!(unix) { 20 } else { 19 },
        "{places:?}"
    );
}
