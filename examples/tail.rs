//! Follows files as they grow, as `tail -f` does, and obeys commands from the standard input:
//! `follow FILE`, `stop FILE`, `list`, `quit`.
//!
//! ```text
//! cargo run --example tail
//! follow /var/log/syslog
//! ```
//!
//! Run: by hand, because it follows files until the end of its input

use std::collections::BTreeMap;
use std::io::{self, SeekFrom};

use nodeloop::futures::io::BufReader;
use nodeloop::prelude::*;
use nodeloop::{fs, io::stdin};

/// How often a file is read again.
pub const PERIOD: Duration = Duration::from_millis(250);

#[nodeloop::main]
async fn main() -> io::Result<()> {
    let commands = BufReader::new(stdin()).lines();
    obey(commands, |line| println!("{line}")).await
}

/// Obeys the commands until `quit` or the end of the stream.
pub async fn obey(
    mut commands: impl Stream<Item = io::Result<String>> + Unpin,
    print: impl Fn(String) + Clone + 'static,
) -> io::Result<()> {
    let mut followed = BTreeMap::new(); // dropping an entry ends its task
    while let Some(command) = commands.next().await.transpose()? {
        match command.split_once(' ').unwrap_or((&command, "")) {
            ("follow", file) => {
                let (path, print) = (file.to_owned(), print.clone());
                let task = spawn(async move {
                    if let Err(error) = follow(&path, &print).await {
                        print(format!("{path}: {error}"));
                    }
                });
                followed.insert(file.to_owned(), task.settled().abort_on_drop());
            }
            ("stop", file) => drop(followed.remove(file)),
            ("list", _) => {
                followed.retain(|_, task| !task.is_finished());
                print(format!("{:?}", followed.keys()));
            }
            ("quit", _) => break,
            _ => print(format!("{command}: not a command")),
        }
    }
    Ok(())
}

/// Prints the lines that are added to a file. A file that becomes shorter is read from its start.
async fn follow(path: &str, print: impl Fn(String)) -> io::Result<()> {
    let mut file = fs::File::open(path).await?;
    let mut position = file.seek(SeekFrom::End(0)).await?;
    print(format!("{path}: followed from byte {position}"));
    let mut text = Vec::new();
    loop {
        if file.metadata().await?.len() < position {
            position = file.seek(SeekFrom::Start(0)).await?;
        }
        position += file.read_to_end(&mut text).await? as u64;
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            print(format!("{path}: {}", String::from_utf8_lossy(&line[..end])));
        }
        sleep(PERIOD).await;
    }
}
