//! Follows a file as `tail -n 0 -F` does: prints what is added, also after truncation and rotation.
//!
//! `cargo run --example tail -- a.log` reads `pause`, `resume` and `quit`. Ctrl-C ends it, too.
//!
//! Run: by hand, because it follows the file until `quit`

use std::io::{self, SeekFrom, Write};
use std::{path::Path, pin::pin, time::Duration};

use nodeloop::futures::{Stream, io::BufReader, select_biased};
use nodeloop::prelude::*;
use nodeloop::{fs::File, signal, time};

const PERIOD: Duration = Duration::from_millis(200);

#[nodeloop::main]
async fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or("a.log".into());
    let commands = BufReader::new(nodeloop::io::stdin()).lines();
    let mut print = |bytes: &[u8]| io::stdout().write_all(bytes);
    follow(path.as_ref(), commands, signal::ctrl_c(), &mut print).await
}

type Print<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// Prints what is added to a file, until `quit` is ready or commanded.
pub async fn follow(
    path: &Path,
    commands: impl Stream<Item = io::Result<String>>,
    quit: impl Future,
    print: Print<'_>,
) -> io::Result<()> {
    let mut file = File::open(path).await.ok();
    if let Some(file) = &mut file {
        file.seek(SeekFrom::End(0)).await?;
    }
    let (mut commands, mut quit) = (pin!(commands.fuse()), pin!(quit.fuse()));
    let (mut looks, mut paused) = (time::interval(PERIOD).fuse(), false);
    loop {
        select_biased! {
            _ = quit => return Ok(()),
            command = commands.next() => match command.transpose()?.as_deref() {
                Some("pause") => paused = true,
                Some("resume") => paused = false,
                Some("quit") => return Ok(()),
                Some(other) => eprintln!("`{other}` is not pause, resume or quit"),
                None => {} // the standard input has ended
            },
            _ = looks.next() => if !paused { look(path, &mut file, print).await? },
        }
    }
}

/// Prints what is new in the open file. If another one has replaced it, the next look reads that.
async fn look(path: &Path, open: &mut Option<File>, print: Print<'_>) -> io::Result<()> {
    let new = File::open(path).await.ok(); // none while it is being replaced
    let is_new = new.is_some() && id(new.as_ref()).await? != id(open.as_ref()).await?;
    let mut bytes = Vec::new();
    if let Some(file) = open {
        if file.metadata().await?.len() < file.stream_position().await? {
            file.seek(SeekFrom::Start(0)).await?; // it was truncated
        }
        file.read_to_end(&mut bytes).await?;
    }
    if is_new {
        *open = new;
    }
    print(&bytes)
}

async fn id(file: Option<&File>) -> io::Result<Option<impl PartialEq + use<>>> {
    let Some(file) = file else { return Ok(None) };
    let metadata = file.metadata().await?;
    #[cfg(unix)]
    return Ok(Some(std::os::unix::fs::MetadataExt::ino(&metadata)));
    #[cfg(not(unix))]
    Ok(metadata.created().ok())
}
