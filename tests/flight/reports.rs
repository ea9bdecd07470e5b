//! What a replay and a recorder print, word for word.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::path::{Path, PathBuf};

use futures::{AsyncReadExt, AsyncWriteExt};
use nodeloop::flight_recorder::FlightRecorder;
use nodeloop::net::{TcpListener, TcpStream, UdpSocket};
use nodeloop::test::{self, Log, Replay, Replayed, replay};
use nodeloop::{EventLoop, fs, spawn};
use tempfile::TempDir;

use crate::common::limit::limit;
use crate::common::process::command_of;

async fn received(log: Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"12").await.unwrap();
    });
    let mut text = String::new();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.read_to_string(&mut text).await.unwrap();
    server.await;
    log.add(format!("got {text}"));
}

async fn read_file(log: Log) {
    let text = fs::read_to_string("Cargo.toml").await.unwrap();
    log.add(&text[..9]);
}

fn recorded<F: AsyncFnOnce(Log)>(payloads: bool, program: F) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.flight");
    let recorder = FlightRecorder::to_file(&path).payloads(payloads);
    let mut event_loop = EventLoop::builder().record(recorder).build().unwrap();
    event_loop.run(program(Log::new())).unwrap();
    (directory, path)
}

fn difference<F: AsyncFnOnce(Log)>(path: &Path, program: F) -> String {
    let replay = Replay::open(path).unwrap();
    let failed = replay.run(async || program(Log::new()).await);
    failed.unwrap_err().to_string()
}

/// The lines of a difference from that of the program on.
fn of_program(report: &str) -> Vec<&str> {
    let lines = report.lines();
    lines
        .skip_while(|line| !line.starts_with("   program: "))
        .collect()
}

const ADVICE: &str = "make the program do the same, or record it again";

#[test]
fn a_difference_without_payloads_names_the_zeros() {
    let _limit = limit();
    let zeros = "the recording has no payloads, so the program reads zeros: record with \
                 `FlightRecorder::payloads(true)`";
    let (_directory, path) = recorded(false, received);
    let report = difference(&path, received);
    assert_eq!(of_program(&report)[1..], [zeros, ADVICE], "{report}");
    let (_directory, path) = recorded(false, read_file);
    let report = difference(&path, read_file);
    assert_eq!(of_program(&report)[1..], [zeros, ADVICE], "{report}");
    let (_directory, path) = recorded(true, received);
    let report = difference(&path, async |log| {
        received(log.clone()).await;
        log.add("more");
    });
    assert_eq!(of_program(&report)[1..], [ADVICE], "{report}");
}

#[test]
fn a_failure_without_payloads_names_the_zeros() {
    let _limit = limit();
    let failing = async |log: Log| {
        let text = fs::read("Cargo.toml").await.unwrap();
        assert_eq!(text[0], b'[', "the file");
        log.add("read");
    };
    let (_directory, path) = recorded(false, failing);
    let report = difference(&path, failing);
    let zeros = "the recording has no payloads, so the program reads zeros: record with \
                 `FlightRecorder::payloads(true)`";
    assert!(
        report.starts_with("the replayed run has failed: "),
        "{report}"
    );
    assert_eq!(report.lines().last(), Some(zeros), "{report}");
}

#[test]
fn the_debug_form_of_an_error_is_its_text_with_the_path() {
    let _limit = limit();
    let (directory, path) = recorded(true, async |_| ());
    let foreign = Replay::open("Cargo.toml").unwrap_err();
    let expected = "Cargo.toml: the file is no recording of a flight recorder: pass one";
    assert_eq!(
        (format!("{foreign:?}"), foreign.to_string()),
        (expected.into(), expected.into())
    );
    assert_eq!(foreign.path(), Some(Path::new("Cargo.toml")));
    let missing = Replay::open(directory.path()).unwrap_err();
    let expected = format!(
        "{}: the recording can't be read: ",
        directory.path().display()
    );
    assert!(format!("{missing:?}").starts_with(&expected), "{missing:?}");
    let bytes = std::fs::read(&path).unwrap();
    let incomplete = Replay::from_bytes(bytes[..30].to_vec()).unwrap_err();
    let expected = "the file ends before the first record: record it again";
    assert_eq!(
        (format!("{incomplete:?}"), incomplete.path()),
        (expected.into(), None)
    );
}

#[test]
fn the_end_of_a_program_is_named() {
    let _limit = limit();
    let (_directory, path) = recorded(true, received);
    let shorter = difference(&path, async |_| ());
    let [program, advice] = of_program(&shorter)[..] else {
        panic!("{shorter}");
    };
    let expected = "   program: the program has ended, whose run began at tests/flight/";
    assert!(program.starts_with(expected), "{program}");
    assert_eq!(advice, ADVICE);
    let longer = difference(&path, async |log| {
        received(log).await;
        fs::read("Cargo.toml").await.unwrap();
    });
    assert!(
        longer.contains("  recorded: the program has ended\n"),
        "{longer}"
    );
}

#[test]
fn a_call_after_the_end_of_a_replay_says_so() {
    let _limit = limit();
    let (_directory, path) = recorded(true, received);
    let log = Log::new();
    difference(&path, async |_| {
        log.add("a label that was not recorded");
        let error = UdpSocket::bind("127.0.0.1:0").await.unwrap_err();
        assert!(
            error.to_string().contains("the replay has ended here"),
            "{error}"
        );
        log.add("asserted");
    });
    assert_eq!(log.labels()[1], "asserted");
}

#[test]
fn a_damaged_recording_is_told_from_one_that_has_ended() {
    let _limit = limit();
    let (_directory, path) = recorded(true, received);
    let bytes = std::fs::read(&path).unwrap();
    let run = |bytes: Vec<u8>| {
        let replay = Replay::from_bytes(bytes).unwrap();
        replay.run(async || received(Log::new()).await).unwrap()
    };
    let half = bytes.len() / 2;
    let cut = Replayed::Damaged {
        byte: half,
        what: "the file ends within a block",
    };
    assert_eq!(run(bytes[..half].to_vec()), cut);
    let mut flipped = bytes;
    flipped[half] ^= 1;
    let replayed = run(flipped);
    let is_found = matches!(
        replayed,
        Replayed::Damaged {
            what: "the check of a block is wrong",
            ..
        }
    );
    assert!(is_found, "{replayed:?}");
}

/// Replays a file that is cut off; run by the test below.
#[test]
#[ignore = "prints, as a child of `what_is_lost_is_printed`"]
fn prints_what_is_lost() {
    let _limit = limit();
    let (_directory, path) = recorded(true, received);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..100]).unwrap();
    let _ = replay(&path, async || received(Log::new()).await);
    let gone = tempfile::tempdir().unwrap();
    let recorder = FlightRecorder::in_memory().on_failure(gone.path().join("gone.flight"));
    let mut event_loop = EventLoop::builder()
        .record(recorder.clone())
        .build()
        .unwrap();
    drop(gone);
    event_loop.run(async { panic!("the bug") }).unwrap_err();
    recorder.flush().unwrap_err();
    #[cfg(target_os = "linux")]
    drop(recording_to_a_broken_pipe());
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot start a process")]
fn what_is_lost_is_printed() {
    let _limit = limit();
    let output = command_of(prints_what_is_lost).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    for expected in [
        "run.flight: the file ends within a block (byte 100): replayed up to there\n",
        "nodeloop: the recording of the failed run could not be written to ",
        "gone.flight: ",
    ] {
        assert!(printed.contains(expected), "no {expected:?} in: {printed}");
    }
    if cfg!(target_os = "linux") {
        let early = printed.matches("nodeloop: the recording ends early, because ");
        assert_eq!(early.count(), 1, "{printed}");
    }
}

/// Records to a pipe that nobody reads any more, as a disk that becomes full.
#[cfg(target_os = "linux")]
fn recording_to_a_broken_pipe() -> (TempDir, FlightRecorder, EventLoop) {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::{CWD, Mode, OFlags, mkfifoat};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.flight");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let mut options = std::fs::File::options();
    let reader = options
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(&path);
    let recorder = FlightRecorder::to_file(&path);
    let event_loop = EventLoop::builder().record(recorder.clone()).build();
    drop(reader.unwrap());
    (directory, recorder, event_loop.unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_written_ends_the_recording_and_not_the_loop() {
    let _limit = limit();
    let (_directory, recorder, mut event_loop) = recording_to_a_broken_pipe();
    event_loop.run(async {}).unwrap();
    let error = recorder.flush().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    event_loop.run(async {}).unwrap();
    assert_eq!(
        recorder.flush().unwrap_err().to_string(),
        "the recording has ended, because its file could not be written"
    );
    let full = EventLoop::builder().record("/dev/full").build();
    let error = full.map(drop).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let expected = "the recording could not be written to /dev/full: ";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[test]
fn a_recording_that_cannot_be_created_is_named() {
    let _limit = limit();
    let path = "/no/such/directory/x";
    let built = EventLoop::builder().record(path).build();
    let error = built.map(drop).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    let expected = "the recording could not be written to /no/such/directory/x: ";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[test]
fn a_recording_to_a_file_refuses_another_one() {
    let refused = catch_unwind(|| FlightRecorder::to_file("a").on_failure("b")).map(drop);
    let message = refused.unwrap_err().downcast::<&str>().unwrap();
    let expected = "`on_failure` was called for a recording to a file, which contains a failed run \
                    anyway: remove the call, or record with `FlightRecorder::in_memory`";
    assert_eq!(*message, expected);
}

/// Returns where `call` panics.
fn place_of_panic(call: impl FnOnce()) -> String {
    let (sender, places) = std::sync::mpsc::channel();
    let own = std::thread::current().id();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == own {
            let file = info.location().map(Location::file);
            let _ = sender.send(file.unwrap_or_default().to_owned());
        }
    }));
    let failed = catch_unwind(AssertUnwindSafe(call));
    std::panic::set_hook(hook);
    assert!(failed.is_err());
    places.recv().unwrap()
}

/// Changes the hook of the process; run by the test below.
#[test]
#[ignore = "a child of `a_replay_panics_at_its_caller`"]
fn panics_at_the_caller() {
    let _limit = limit();
    let (_directory, path) = recorded(true, received);
    let empty = tempfile::NamedTempFile::new().unwrap();
    let missing = Path::new("no such file");
    assert!(Replay::open(missing).is_err());
    for path in [missing, empty.path(), Path::new("Cargo.toml")] {
        let place = place_of_panic(|| {
            let _ = replay(path, async || ());
        });
        assert_eq!(place, file!(), "{}", path.display());
    }
    let in_a_loop = place_of_panic(|| {
        test::run(async |_| {
            let _ = replay(&path, async || ());
        });
    });
    assert_eq!(in_a_loop, file!());
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot start a process")]
fn a_replay_panics_at_its_caller() {
    let _limit = limit();
    let output = command_of(panics_at_the_caller).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
}
