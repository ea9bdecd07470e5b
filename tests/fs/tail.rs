//! `examples/tail.rs`: growth, truncation and rotation of the file, and commands.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use nodeloop::{Promise, spawn, test};

use crate::common::limit::limit;

#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../../examples/tail.rs"]
mod program;

const PERIOD: Duration = Duration::from_millis(200);

/// The example's task, with channels in place of the standard streams.
struct Tail {
    path: PathBuf,
    commands: mpsc::UnboundedSender<io::Result<String>>,
    printed: mpsc::UnboundedReceiver<String>,
    task: Promise<io::Result<()>>,
    /// Dropped last: it removes the folder.
    _folder: tempfile::TempDir,
}

impl Tail {
    /// Follows a new file with this content, or one that does not exist yet, until `quit`.
    fn start(content: Option<&str>, quit: impl Future + 'static) -> Tail {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let (commands, lines) = mpsc::unbounded();
        let (print, printed) = mpsc::unbounded();
        let followed = path.clone();
        let task = spawn(async move {
            let mut print = |bytes: &[u8]| {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                print.unbounded_send(text).map_err(io::Error::other)
            };
            program::follow(&followed, lines, quit, &mut print).await
        });
        Tail {
            path,
            commands,
            printed,
            task,
            _folder: folder,
        }
    }

    fn append(&self, text: &str) {
        let file = File::options().append(true).create(true).open(&self.path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn command(&self, command: &str) {
        self.commands
            .unbounded_send(Ok(command.to_owned()))
            .unwrap();
    }

    /// Lets one period pass and returns what the look at its end printed.
    async fn look(&mut self, t: &test::Test) -> String {
        t.advance(PERIOD).await;
        self.printed.next().await.unwrap()
    }
}

#[test]
#[cfg_attr(
    windows,
    ignore = "the example compares creation times, which a new file of the same name inherits there"
)]
fn it_prints_what_is_added_to_the_file_of_this_name() {
    let _limit = limit();
    test::run(async |t| {
        let _held = t.hold_time(); // the looks are real jobs
        let mut tail = Tail::start(Some("old\n"), std::future::pending::<()>());
        assert_eq!(tail.look(&t).await, "");
        tail.append("one\ntw");
        assert_eq!(tail.look(&t).await, "one\ntw");
        tail.append("o\n");
        assert_eq!(tail.look(&t).await, "o\n");

        fs::write(&tail.path, "short\n").unwrap(); // truncates
        assert_eq!(tail.look(&t).await, "short\n");

        // A rotation: the last line of the old file, and then the new file from its start.
        tail.append("last\n");
        fs::rename(&tail.path, tail.path.with_extension("1")).unwrap();
        assert_eq!(tail.look(&t).await, "last\n");
        assert_eq!(tail.look(&t).await, "");
        tail.append("a file that is longer than the old one\n");
        assert_eq!(tail.look(&t).await, "");
        assert_eq!(
            tail.look(&t).await,
            "a file that is longer than the old one\n"
        );

        fs::remove_file(&tail.path).unwrap();
        assert_eq!(tail.look(&t).await, "");
        tail.append("again\n");
        assert_eq!(tail.look(&t).await, "");
        assert_eq!(tail.look(&t).await, "again\n");
        tail.command("quit");
        tail.task.await.unwrap();
    });
}

#[test]
fn it_waits_for_a_file_and_obeys_commands() {
    let _limit = limit();
    test::run(async |t| {
        let _held = t.hold_time();
        let (quit, quits) = oneshot::channel::<()>();
        let mut tail = Tail::start(None, quits);
        assert_eq!(tail.look(&t).await, "");
        tail.append("one\n");
        assert_eq!(tail.look(&t).await, "");
        assert_eq!(tail.look(&t).await, "one\n");

        tail.command("pause");
        tail.append("two\n");
        t.advance(PERIOD * 5).await;
        assert!(tail.printed.try_recv().is_err());
        tail.command("resume");
        assert_eq!(tail.look(&t).await, "two\n");

        tail.commands.close_channel(); // the end of the standard input ends nothing
        tail.append("three\n");
        assert_eq!(tail.look(&t).await, "three\n");
        quit.send(()).unwrap();
        tail.task.await.unwrap();
    });
}
