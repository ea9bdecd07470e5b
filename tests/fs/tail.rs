//! The program of `examples/tail.rs`: it follows files, and obeys commands.

use std::fs;
use std::io::{self, Write};

use futures::StreamExt;
use futures::channel::mpsc;
use nodeloop::{spawn, test};

use super::tempdir;
use crate::common::limit::limit;

#[allow(dead_code)]
#[path = "../../examples/tail.rs"]
mod program;

#[test]
fn it_follows_files_and_obeys_commands() {
    let _limit = limit();
    test::run(async |t| {
        let folder = tempdir();
        let path = folder.path().join("log");
        fs::write(&path, "old\n").unwrap();
        let name = path.display();
        let append = |text: &str| {
            let mut file = fs::File::options().append(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };

        let (command, commands) = mpsc::unbounded();
        let (printed, mut lines) = mpsc::unbounded();
        let say = |text: String| command.unbounded_send(io::Result::Ok(text)).unwrap();
        let print = move |line| printed.unbounded_send(line).unwrap();
        let program = spawn(program::obey(commands, print));

        say(format!("follow {name}"));
        let started = lines.next().await.unwrap();
        assert_eq!(started, format!("{name}: followed from byte 4"));
        say("follow no/such/file".to_owned());
        let missing = lines.next().await.unwrap();
        assert!(missing.starts_with("no/such/file: "), "{missing}");

        append("one\ntwo\nthr");
        t.advance(program::PERIOD).await;
        assert_eq!(lines.next().await, Some(format!("{name}: one")));
        assert_eq!(lines.next().await, Some(format!("{name}: two")));
        append("ee\n");
        t.advance(program::PERIOD).await;
        assert_eq!(lines.next().await, Some(format!("{name}: three")));

        fs::write(&path, "new\n").unwrap(); // shorter than before
        t.advance(program::PERIOD).await;
        assert_eq!(lines.next().await, Some(format!("{name}: new")));

        say("list".to_owned());
        assert_eq!(lines.next().await, Some(format!("[\"{name}\"]")));
        say(format!("stop {name}"));
        say("list".to_owned());
        say("fly".to_owned());
        assert_eq!(lines.next().await.as_deref(), Some("[]"));
        assert_eq!(lines.next().await.as_deref(), Some("fly: not a command"));
        say("quit".to_owned());
        program.await.unwrap();
        assert_eq!(lines.next().await, None);
    });
}
