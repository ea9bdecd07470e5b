//! Runs that fail, programs that were changed, and files that are damaged.

use std::time::Duration;

use nodeloop::flight_recorder::FlightRecorder;
use nodeloop::test::{Log, Replay, ReplayErrorKind, ReplayFailure, Replayed};
use nodeloop::{EventLoop, RunError, fs, set_immediate, spawn, try_spawn};

use crate::common::limit::{limit, limit_of};

/// Records a run of `program`, and returns the bytes of the recording.
fn record<F: AsyncFnOnce(Log)>(program: F) -> (Vec<u8>, Result<(), RunError>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.flight");
    let recorder = FlightRecorder::to_file(&path).payloads(true);
    let mut event_loop = EventLoop::builder().record(recorder).build().unwrap();
    let result = event_loop.run(program(Log::new()));
    drop(event_loop);
    (std::fs::read(&path).unwrap(), result)
}

fn replayed<F: AsyncFnOnce(Log)>(bytes: &[u8], program: F) -> Result<Replayed<()>, ReplayFailure> {
    let replay = Replay::from_bytes(bytes.to_vec()).unwrap();
    replay.run(async || program(Log::new()).await)
}

async fn steps(log: Log) {
    for step in 0..4 {
        nodeloop::time::sleep(Duration::from_millis(1)).await;
        log.add(format!("step {step}"));
    }
    log.add(
        fs::read_to_string("tests/flight/main.rs")
            .await
            .unwrap()
            .len(),
    );
}

/// Panics in an immediate unless it is mended.
async fn failing(log: Log, is_mended: bool) {
    log.add(fs::read("Cargo.toml").await.unwrap().len());
    if !is_mended {
        set_immediate(|| panic!("the bug"));
    }
    nodeloop::time::sleep(Duration::from_millis(1)).await;
    log.add("after the bug");
}

#[test]
fn a_panic_repeats_until_the_program_is_mended() {
    let _limit = limit();
    let (bytes, result) = record(async |log| failing(log, false).await);
    assert!(matches!(result, Err(RunError::Uncaught(_))));
    let failure = replayed(&bytes, async |log| failing(log, false).await).unwrap_err();
    assert!(
        matches!(&failure, ReplayFailure::Run(RunError::Uncaught(error)) if error.message() == "the bug"),
        "{failure}"
    );
    let mended = replayed(&bytes, async |log| failing(log, true).await).unwrap();
    assert_eq!(mended, Replayed::RecordingEnded);
}

#[test]
fn a_recording_in_memory_is_written_when_a_run_fails() {
    let _limit = limit();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("failure.flight");
    let fail_in_main = async || -> () {
        nodeloop::time::sleep(Duration::from_millis(1)).await;
        panic!("in the main future");
    };
    let fail_by_rejection = async || {
        let rejected = try_spawn(async {
            nodeloop::time::sleep(Duration::from_millis(1)).await;
            Err::<(), _>("a reason")
        });
        drop(rejected);
        nodeloop::time::sleep(Duration::from_millis(5)).await;
    };
    let build = || {
        let recorder = FlightRecorder::in_memory().on_failure(&path);
        EventLoop::builder().record(recorder).build().unwrap()
    };
    assert!(build().run(fail_in_main()).is_err());
    let failure = Replay::open(&path).unwrap().run(fail_in_main).unwrap_err();
    assert!(
        failure.to_string().contains("in the main future"),
        "{failure}"
    );

    std::fs::remove_file(&path).unwrap();
    assert!(build().block_on(fail_in_main()).is_err());
    let replay = Replay::open(&path).unwrap();
    let failure = replay.run_with(|event_loop| event_loop.block_on(fail_in_main()));
    let failure = failure.unwrap_err();
    assert!(
        failure.to_string().contains("in the main future"),
        "{failure}"
    );

    std::fs::remove_file(&path).unwrap();
    assert!(build().run(fail_by_rejection()).is_err());
    let failure = Replay::open(&path)
        .unwrap()
        .run(fail_by_rejection)
        .unwrap_err();
    assert!(failure.to_string().contains("a reason"), "{failure}");

    std::fs::remove_file(&path).unwrap();
    build().run(async {}).unwrap();
    assert!(!path.exists(), "a run that does not fail leaves no file");
}

#[test]
fn a_recording_in_memory_is_saved_on_demand() {
    let _limit = limit();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saved.flight");
    let recorder = FlightRecorder::in_memory().payloads(true);
    let saved = recorder.clone();
    let mut event_loop = EventLoop::builder().record(recorder).build().unwrap();
    event_loop
        .run(async {
            steps(Log::new()).await;
            saved.save(&path).unwrap();
            steps(Log::new()).await;
        })
        .unwrap();
    drop(event_loop);
    assert!(saved.save(&path).is_err(), "the loop is gone");
    let replayed = Replay::open(&path).unwrap().run(async || {
        steps(Log::new()).await;
        steps(Log::new()).await;
    });
    assert_eq!(replayed.unwrap(), Replayed::RecordingEnded);
}

#[test]
fn the_ring_keeps_its_limit_and_is_refused_without_its_start() {
    let _limit = limit();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ring.flight");
    let limit = 64 << 10;
    let recorder = FlightRecorder::in_memory().limit(limit);
    let mut event_loop = EventLoop::builder()
        .record(recorder.clone())
        .build()
        .unwrap();
    event_loop
        .run(async {
            let log = Log::new();
            for number in 0..20_000 {
                log.add(format!("label {number}"));
            }
            recorder.save(&path).unwrap();
        })
        .unwrap();
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length <= limit as u64 + (17 << 10), "{length}");
    let replay = Replay::open(&path).unwrap();
    let last = &replay.lines()[replay.lines().len() - 2];
    assert!(last.contains("label 19999"), "{last}");
    let failure = replay.run(async || {}).unwrap_err();
    assert!(matches!(failure, ReplayFailure::NoStart), "{failure}");
}

#[test]
fn a_second_loop_that_records_to_the_same_file_is_refused() {
    let _limit = limit();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.flight");
    let record = |path| {
        EventLoop::builder()
            .record(FlightRecorder::to_file(path))
            .build()
    };
    let mut first = record(path.clone()).unwrap();
    let same = directory.path().join(".").join("run.flight");
    let error = record(same.clone()).expect_err("the file belongs to the first loop");
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    let expected = format!(
        "the recording could not be written to {}: another loop of this process records to it; use a \
         file for each loop",
        same.display()
    );
    assert_eq!(error.to_string(), expected);
    first.run(steps(Log::new())).unwrap();
    let other = record(directory.path().join("other.flight")).unwrap();
    drop((first, other));
    // The refused loop has not touched it.
    let bytes = std::fs::read(&path).unwrap();
    assert!(matches!(
        replayed(&bytes, steps),
        Ok(Replayed::Finished(()))
    ));
    record(path).expect("the first loop is gone");
}

#[test]
fn a_recorder_in_memory_belongs_to_one_loop_at_a_time() {
    let _limit = limit();
    let recorder = FlightRecorder::in_memory();
    let build = || EventLoop::builder().record(recorder.clone()).build();
    let first = build().unwrap();
    let error = build().expect_err("the recorder belongs to the first loop");
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    assert_eq!(
        error.to_string(),
        "another loop records with this recorder; use a recorder for each loop"
    );
    drop(first);
    build().expect("the first loop is gone");
}

#[test]
fn the_file_for_a_failure_is_checked_when_the_loop_is_built() {
    let _limit = limit();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let refused = [
        directory.path().to_owned(),
        directory.path().join("missing/failed.flight"),
        file.join("failed.flight"),
    ];
    for path in refused {
        let recorder = FlightRecorder::in_memory().on_failure(&path);
        let error = EventLoop::builder().record(recorder).build().unwrap_err();
        let expected = format!(
            "the recording of a failed run can't be written to {}: ",
            path.display()
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    for path in [
        directory.path().join("failed.flight"),
        "failed.flight".into(),
    ] {
        let recorder = FlightRecorder::in_memory().on_failure(&path);
        EventLoop::builder().record(recorder).build().unwrap();
        assert!(!path.exists(), "{}", path.display());
    }
}

#[test]
#[should_panic(expected = "a limit of 0 bytes leaves nothing of a recording")]
fn a_limit_of_zero_is_refused() {
    let _ = FlightRecorder::in_memory().limit(0);
}

#[test]
fn a_file_ends_at_its_limit() {
    let _limit = limit();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("limited.flight");
    let recorder = FlightRecorder::to_file(&path).limit(40 << 10);
    let program = async || {
        let log = Log::new();
        for number in 0..20_000 {
            log.add(format!("label {number}"));
            if number % 100 == 0 {
                nodeloop::yield_now().await;
                nodeloop::time::Instant::now();
            }
        }
    };
    let mut event_loop = EventLoop::builder().record(recorder).build().unwrap();
    event_loop.run(program()).unwrap();
    drop(event_loop);
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length <= 40 << 10, "{length}");
    let replayed = Replay::open(&path).unwrap().run(program);
    assert_eq!(replayed.unwrap(), Replayed::RecordingEnded);
}

#[test]
fn a_changed_program_is_a_difference() {
    let _limit = limit();
    let (bytes, result) = record(steps);
    result.unwrap();
    let difference = |failure: ReplayFailure| match failure {
        ReplayFailure::Diverged(report) => report.to_string(),
        other => panic!("{other}"),
    };
    let shorter = replayed(&bytes, async |log| log.add("step 0")).unwrap_err();
    let shorter = difference(shorter);
    assert!(
        shorter.contains("recorded: a reading of the clock"),
        "{shorter}"
    );
    assert!(
        shorter.contains("program: the label \"step 0\" at tests/flight/failures.rs"),
        "{shorter}"
    );

    let longer = replayed(&bytes, async |log| {
        steps(log.clone()).await;
        steps(log).await;
    });
    let longer = difference(longer.unwrap_err());
    assert!(
        longer.contains("program: a reading of the clock in the task of tests/flight/"),
        "{longer}"
    );

    let other_call = replayed(&bytes, async |log| {
        let socket = nodeloop::net::UdpSocket::bind("127.0.0.1:0").await;
        log.add(socket.is_ok());
    });
    let other_call = difference(other_call.unwrap_err());
    assert!(
        other_call.contains("program: bind at tests/flight/failures.rs"),
        "{other_call}"
    );

    let without_end = replayed(&bytes, async |log| {
        spawn(steps(log)).detach();
    });
    assert!(
        without_end.is_ok(),
        "the run lasts as long as its tasks: {without_end:?}"
    );
}

#[test]
fn a_file_that_is_cut_off_is_replayed_up_to_there() {
    let _limit = limit_of(
        Duration::from_secs(60),
        "a replay for each byte of a recording",
    );
    let (bytes, result) = record(steps);
    result.unwrap();
    let whole = Replay::from_bytes(bytes.clone()).unwrap().lines().to_vec();
    let mut before = 0;
    for length in 0..bytes.len() {
        let replay = match Replay::from_bytes(bytes[..length].to_vec()) {
            Ok(replay) => replay,
            Err(error) if matches!(error.kind(), ReplayErrorKind::Incomplete) => {
                assert_eq!(before, 0, "a longer part can be replayed");
                continue;
            }
            Err(error) => panic!("{length} bytes: {error}"),
        };
        let lines = replay.lines().to_vec();
        assert!(whole.starts_with(&lines), "{length} bytes");
        assert!(lines.len() >= before, "{length} bytes");
        before = lines.len();
        assert!(replay.damage().is_some(), "{length} bytes");
        if lines.len() < whole.len() - 1 {
            // Something other than the end of the loop is missing.
            let replayed = replay.run(async || steps(Log::new()).await);
            let is_damaged = matches!(replayed, Ok(Replayed::Damaged { .. }));
            assert!(is_damaged, "{length} bytes: {replayed:?}");
        }
    }
    assert!(before >= whole.len() - 1);
}

#[test]
fn a_changed_byte_is_found_or_changes_nothing() {
    let _limit = limit();
    let (bytes, result) = record(steps);
    result.unwrap();
    let whole = Replay::from_bytes(bytes.clone()).unwrap().lines().to_vec();
    for index in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 0x55;
        match Replay::from_bytes(damaged) {
            Err(error) => assert!(
                !matches!(error.kind(), ReplayErrorKind::Io(_)),
                "byte {index}: {error}"
            ),
            Ok(replay) => {
                let is_same = replay.lines() == whole;
                assert!(is_same || replay.damage().is_some(), "byte {index}");
            }
        }
    }
}

#[test]
fn foreign_files_and_other_versions_are_refused() {
    let _limit = limit();
    let error = Replay::open("Cargo.toml").unwrap_err();
    assert!(matches!(error.kind(), ReplayErrorKind::Foreign), "{error}");
    let error = Replay::open("no such file").unwrap_err();
    assert!(matches!(error.kind(), ReplayErrorKind::Io(_)), "{error}");
    let (mut bytes, result) = record(steps);
    result.unwrap();
    bytes[b"nodeloop flight recording\n".len()] = 99;
    let error = Replay::from_bytes(bytes).unwrap_err();
    assert!(
        error.to_string().contains("version 99 of the format"),
        "{error}"
    );
}
