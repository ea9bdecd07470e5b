//! Children and signals. They belong to the process, so the main loop alone has them.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use fastrand::Rng;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use nodeloop::process::{Command, Stdio};
use nodeloop::promise::with_resolver;
use nodeloop::signal::{SignalKind, on_signal, signal};
use nodeloop::time::{sleep, timeout};
use rustix::process::{Signal, getpid, kill_process};

use super::{bytes, short};
use crate::account::{Item, Ledger};

/// Children that end by themselves: with output, with an exit code, not at all started.
pub async fn children(ledger: Ledger, mut rng: Rng) {
    let length = rng.usize(..100_000);
    let sent = bytes(&mut rng, length);
    let _child = ledger.until_dropped(Item::Child);
    ledger.owe(Item::Byte, length as u64);
    let mut command = Command::new("cat");
    let mut cat = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`cat`");
    let (mut stdin, mut stdout) = (
        cat.stdin.take().expect("piped"),
        cat.stdout.take().expect("piped"),
    );
    let expected = sent.clone();
    let writing = ledger.spawn(async move {
        stdin.write_all(&sent).await.expect("`cat` reads");
    });
    let mut received = Vec::new();
    stdout.read_to_end(&mut received).await.expect("the end");
    assert!(received == expected, "`cat` has other bytes");
    ledger.back(Item::Byte, received.len() as u64);
    writing.await;
    assert!(cat.wait().await.expect("it ends").success());

    let code = i32::from(rng.u8(0..100));
    let _child = ledger.until_dropped(Item::Child);
    let script = format!("printf out; printf err >&2; exit {code}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .output()
        .await
        .expect("`sh`");
    assert_eq!(output.status.code(), Some(code));
    assert_eq!(
        (&output.stdout[..], &output.stderr[..]),
        (&b"out"[..], &b"err"[..])
    );

    let missing = Command::new("/missing/program").spawn();
    assert!(missing.is_err(), "there is no such program");
}

/// Children that are killed: by a signal, by a drop, by a timeout of their output.
pub async fn killed_children(ledger: Ledger, mut rng: Rng) {
    let _child = ledger.until_dropped(Item::Child);
    ledger.owe(Item::Callback, 1);
    let mut child = Command::new("sleep").arg("3600").spawn().expect("`sleep`");
    let own = ledger.clone();
    child.on_exit(move |_| own.back(Item::Callback, 1));
    sleep(short(&mut rng, 2)).await;
    child
        .signal(SignalKind::terminate())
        .expect("it is running");
    let status = child.wait().await.expect("it ends");
    assert_eq!(status.signal(), Some(SignalKind::terminate().as_raw()));

    let _child = ledger.until_dropped(Item::Child);
    let mut command = Command::new("sleep");
    command.arg("3600").kill_on_drop(true);
    drop(command.spawn().expect("`sleep`"));

    let _child = ledger.until_dropped(Item::Child);
    let mut command = Command::new("sleep");
    let output = command.arg("3600").kill_on_drop(true).output();
    assert!(
        timeout(Duration::from_millis(2), output).await.is_err(),
        "an hour is longer"
    );

    let _child = ledger.until_dropped(Item::Child);
    let mut child = Command::new("sleep").arg("3600").spawn().expect("`sleep`");
    child.kill().await.expect("it is running");
}

/// Signals of this process to itself. Signals of one kind that are sent at once may arrive as one,
/// so each activity waits for one after its own.
pub async fn signals(ledger: Ledger, mut rng: Rng) {
    // Both are ignored by default, so one that arrives after its listener was removed does no harm.
    let (kind, number) = match rng.bool() {
        true => (SignalKind::window_change(), Signal::WINCH),
        false => (SignalKind::from_raw(Signal::URG.as_raw()), Signal::URG),
    };
    for _ in 0..rng.usize(1..4) {
        ledger.owe(Item::Signal, 2);
        let (heard, resolver) = with_resolver();
        let listener = on_signal(kind, move || resolver.resolve(())).expect("it exists");
        let mut stream = signal(kind).expect("it exists");
        kill_process(getpid(), number).expect("this process");
        heard.await;
        ledger.back(Item::Signal, 1);
        stream.recv().await.expect("a signal");
        ledger.back(Item::Signal, 1);
        assert!(listener.remove(), "it was there");
    }
}
