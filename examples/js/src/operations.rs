//! The operations of `fs`, with values that may be sent to another thread.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::processes;

/// The open files, by descriptor.
static OPEN: LazyLock<Mutex<HashMap<i32, Arc<File>>>> = LazyLock::new(Mutex::default);

/// An argument of an operation.
#[derive(Debug, Clone)]
pub(crate) enum Argument {
    Nothing,
    Number(f64),
    Text(String),
}

/// The result of an operation.
#[derive(Debug)]
pub(crate) enum Reply {
    Nothing,
    Number(f64),
    Text(String),
    Numbers(Vec<f64>),
    Texts(Vec<String>),
    Bytes(Vec<u8>),
}

/// An error of the system.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) errno: i32,
    pub(crate) syscall: &'static str,
    pub(crate) path: Option<String>,
    pub(crate) destination: Option<String>,
    text: String,
}

impl Failure {
    pub(crate) fn code(&self) -> &'static str {
        known(self.errno).map_or("UNKNOWN", |(code, _)| code)
    }

    /// Returns the message as Node writes it: `ENOENT: no such file or directory, open 'x'`.
    pub(crate) fn message(&self) -> String {
        let text = known(self.errno).map_or(self.text.as_str(), |(_, text)| text);
        let mut message = format!("{}: {text}, {}", self.code(), self.syscall);
        if let Some(path) = &self.path {
            message += &format!(" '{path}'");
        }
        if let Some(destination) = &self.destination {
            message += &format!(" -> '{destination}'");
        }
        message
    }
}

/// Returns the name and libuv's text of an error number of Linux.
fn known(errno: i32) -> Option<(&'static str, &'static str)> {
    Some(match errno {
        1 => ("EPERM", "operation not permitted"),
        2 => ("ENOENT", "no such file or directory"),
        5 => ("EIO", "i/o error"),
        9 => ("EBADF", "bad file descriptor"),
        11 => ("EAGAIN", "resource temporarily unavailable"),
        13 => ("EACCES", "permission denied"),
        16 => ("EBUSY", "resource busy or locked"),
        17 => ("EEXIST", "file already exists"),
        18 => ("EXDEV", "cross-device link not permitted"),
        20 => ("ENOTDIR", "not a directory"),
        21 => ("EISDIR", "illegal operation on a directory"),
        22 => ("EINVAL", "invalid argument"),
        24 => ("EMFILE", "too many open files"),
        28 => ("ENOSPC", "no space left on device"),
        30 => ("EROFS", "read-only file system"),
        36 => ("ENAMETOOLONG", "name too long"),
        39 => ("ENOTEMPTY", "directory not empty"),
        40 => ("ELOOP", "too many symbolic links encountered"),
        _ => return None,
    })
}

/// The arguments of one operation.
struct Arguments<'a>(&'a [Argument]);

impl Arguments<'_> {
    fn text(&self, index: usize) -> &str {
        match self.0.get(index) {
            Some(Argument::Text(text)) => text,
            _ => "",
        }
    }

    fn number(&self, index: usize) -> f64 {
        match self.0.get(index) {
            Some(Argument::Number(number)) => *number,
            _ => 0.0,
        }
    }

    fn flag(&self, index: usize) -> bool {
        self.number(index) != 0.0
    }

    /// Bytes, which are passed as a text.
    fn bytes(&self, index: usize) -> Vec<u8> {
        bytes_of(self.text(index))
    }

    /// The open file of a descriptor.
    fn file(&self) -> io::Result<Arc<File>> {
        let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&(self.number(0) as i32))
            .cloned()
            .ok_or_else(bad_descriptor)
    }
}

/// The bytes of a text that has one character for each.
pub(crate) fn bytes_of(text: &str) -> Vec<u8> {
    text.chars().map(|character| character as u8).collect()
}

fn bad_descriptor() -> io::Error {
    io::Error::from_raw_os_error(9)
}

/// Performs an operation.
pub(crate) fn perform(name: &str, arguments: &[Argument]) -> Result<Reply, Failure> {
    let given = Arguments(arguments);
    run(name, &given).map_err(|error| {
        let takes_path = matches!(arguments.first(), Some(Argument::Text(_)));
        let takes_two = matches!(name, "rename" | "copyFile" | "symlink");
        Failure {
            errno: error.raw_os_error().unwrap_or(5),
            syscall: syscall(name),
            path: takes_path.then(|| shown(name, &given)),
            destination: takes_two.then(|| given.text(1).to_owned()),
            text: error.to_string(),
        }
    })
}

fn shown(name: &str, given: &Arguments<'_>) -> String {
    match name {
        "mkdtemp" => format!("{}XXXXXX", given.text(0)),
        _ => given.text(0).to_owned(),
    }
}

/// The name of the system call in messages.
fn syscall(name: &str) -> &'static str {
    const SAME: &[&str] = &[
        "access",
        "chdir",
        "chmod",
        "close",
        "fstat",
        "fsync",
        "ftruncate",
        "lstat",
        "mkdir",
        "mkdtemp",
        "open",
        "read",
        "readlink",
        "realpath",
        "rename",
        "rm",
        "rmdir",
        "spawn",
        "stat",
        "symlink",
        "unlink",
        "write",
    ];
    match name {
        "copyFile" => "copyfile",
        "readdir" => "scandir",
        "readText" | "truncate" => "open",
        _ => SAME
            .iter()
            .find(|same| **same == name)
            .unwrap_or(&"unknown"),
    }
}

fn run(name: &str, given: &Arguments<'_>) -> io::Result<Reply> {
    match name {
        "spawn" => processes::run(given.0),
        "open" | "close" | "read" | "write" | "fstat" | "fsync" | "ftruncate" => {
            with_descriptor(name, given)
        }
        "stat" | "lstat" | "access" | "kind" | "readdir" | "readText" | "readlink" | "realpath" => {
            look(name, given)
        }
        _ => change(name, given),
    }
}

/// Operations on a descriptor.
fn with_descriptor(name: &str, given: &Arguments<'_>) -> io::Result<Reply> {
    match name {
        "open" => {
            let file = open(given.text(0), given.text(1))?;
            let fd = file.as_raw_fd();
            let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            open.insert(fd, Arc::new(file));
            Ok(Reply::Number(f64::from(fd)))
        }
        "close" => {
            let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            open.remove(&(given.number(0) as i32))
                .ok_or_else(bad_descriptor)?;
            Ok(Reply::Nothing)
        }
        "read" => read(given),
        "write" => write(given),
        "fstat" => Ok(Reply::Numbers(facts(&given.file()?.metadata()?))),
        "fsync" => given.file()?.sync_all().map(|()| Reply::Nothing),
        _ => given
            .file()?
            .set_len(given.number(1) as u64)
            .map(|()| Reply::Nothing),
    }
}

fn read(given: &Arguments<'_>) -> io::Result<Reply> {
    let (mut bytes, position) = (vec![0; given.number(1) as usize], given.number(2));
    let count = if given.number(0) == 0.0 {
        io::stdin().read(&mut bytes)?
    } else if position >= 0.0 {
        given.file()?.read_at(&mut bytes, position as u64)?
    } else {
        (&*given.file()?).read(&mut bytes)?
    };
    bytes.truncate(count);
    Ok(Reply::Bytes(bytes))
}

fn write(given: &Arguments<'_>) -> io::Result<Reply> {
    let (bytes, position) = (given.bytes(1), given.number(2));
    let count = match given.number(0) as i32 {
        1 => io::stdout().write_all(&bytes).map(|()| bytes.len())?,
        2 => io::stderr().write_all(&bytes).map(|()| bytes.len())?,
        _ if position >= 0.0 => given.file()?.write_at(&bytes, position as u64)?,
        _ => (&*given.file()?).write(&bytes)?,
    };
    Ok(Reply::Number(count as f64))
}

fn open(path: &str, flags: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    match flags.trim_end_matches('s').replace("sr", "r").as_str() {
        "r+" => options.read(true).write(true),
        "w" => options.write(true).create(true).truncate(true),
        "w+" => options.read(true).write(true).create(true).truncate(true),
        "wx" | "xw" => options.write(true).create_new(true),
        "a" => options.append(true).create(true),
        "a+" => options.read(true).append(true).create(true),
        "ax" | "xa" => options.append(true).create_new(true),
        _ => options.read(true),
    };
    options.open(path)
}

/// Operations that change nothing.
fn look(name: &str, given: &Arguments<'_>) -> io::Result<Reply> {
    let path = given.text(0);
    Ok(match name {
        "stat" => Reply::Numbers(facts(&fs::metadata(path)?)),
        "lstat" => Reply::Numbers(facts(&fs::symlink_metadata(path)?)),
        "access" => access(&fs::metadata(path)?, given.number(1) as u32)?,
        "kind" => {
            fs::metadata(path).map_or(Reply::Nothing, |found| Reply::Text(kind(&found).to_owned()))
        }
        "readdir" => {
            let mut found = Vec::new();
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let kind = entry.metadata().map_or("other", |found| kind(&found));
                found.push((
                    entry.file_name().to_string_lossy().into_owned(),
                    kind.to_owned(),
                ));
            }
            found.sort();
            Reply::Texts(
                found
                    .into_iter()
                    .flat_map(|(name, kind)| [name, kind])
                    .collect(),
            )
        }
        "readText" => Reply::Text(String::from_utf8_lossy(&fs::read(path)?).into_owned()),
        "readlink" => Reply::Text(fs::read_link(path)?.to_string_lossy().into_owned()),
        _ => Reply::Text(fs::canonicalize(path)?.to_string_lossy().into_owned()),
    })
}

/// Whether the mode permits it to somebody: root, for whom tests run, may read and write everything.
fn access(found: &Metadata, mode: u32) -> io::Result<Reply> {
    const EXECUTE: u32 = 1;
    if mode & EXECUTE != 0 && found.is_file() && found.permissions().mode() & 0o111 == 0 {
        return Err(io::Error::from_raw_os_error(13));
    }
    Ok(Reply::Nothing)
}

fn kind(found: &Metadata) -> &'static str {
    let found = found.file_type();
    if found.is_symlink() {
        "link"
    } else if found.is_dir() {
        "directory"
    } else if found.is_file() {
        "file"
    } else {
        "other"
    }
}

/// The numbers of `fs.Stats`, in the order of `js/stats.js`.
fn facts(found: &Metadata) -> Vec<f64> {
    let ms = |seconds: i64, nanoseconds: i64| seconds as f64 * 1e3 + nanoseconds as f64 / 1e6;
    let birth = found.created().ok();
    let birth = birth.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let whole = [
        found.dev(),
        u64::from(found.mode()),
        found.nlink(),
        u64::from(found.uid()),
        u64::from(found.gid()),
        found.rdev(),
        found.blksize(),
        found.ino(),
        found.size(),
        found.blocks(),
    ];
    let mut facts: Vec<f64> = whole.iter().map(|number| *number as f64).collect();
    facts.push(ms(found.atime(), found.atime_nsec()));
    facts.push(ms(found.mtime(), found.mtime_nsec()));
    facts.push(ms(found.ctime(), found.ctime_nsec()));
    facts.push(birth.map_or(0.0, |time| time.as_secs_f64() * 1e3));
    facts
}

/// Operations that change the file system.
fn change(name: &str, given: &Arguments<'_>) -> io::Result<Reply> {
    let (path, other) = (given.text(0), given.text(1));
    match name {
        "chdir" => std::env::set_current_dir(path)?,
        "chmod" => fs::set_permissions(path, fs::Permissions::from_mode(given.number(1) as u32))?,
        "copyFile" => copy(path, other, given.number(2) as u32)?,
        "mkdir" => DirBuilder::new().recursive(given.flag(1)).create(path)?,
        "mkdtemp" => return make_temporary(path),
        "rename" => fs::rename(path, other)?,
        "rm" => remove(path, given.flag(1), given.flag(2))?,
        "rmdir" => fs::remove_dir(path)?,
        "symlink" => std::os::unix::fs::symlink(path, other)?,
        "truncate" => OpenOptions::new()
            .write(true)
            .open(path)?
            .set_len(given.number(1) as u64)?,
        "unlink" => fs::remove_file(path)?,
        _ => panic!("`{name}` is no operation: add it to `operations.rs`"),
    }
    Ok(Reply::Nothing)
}

fn copy(from: &str, to: &str, mode: u32) -> io::Result<()> {
    const EXCLUSIVE: u32 = 1;
    if mode & EXCLUSIVE != 0 && Path::new(to).exists() {
        return Err(io::Error::from_raw_os_error(17));
    }
    fs::copy(from, to).map(drop)
}

fn remove(path: &str, is_recursive: bool, is_forced: bool) -> io::Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() && is_recursive => fs::remove_dir_all(path),
        Ok(found) if found.is_dir() => Err(io::Error::from_raw_os_error(21)),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if is_forced && error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Makes a directory whose name nobody has used.
fn make_temporary(prefix: &str) -> io::Result<Reply> {
    let mut seed = u64::from(std::process::id())
        ^ std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |time| time.as_nanos() as u64);
    loop {
        let letters = (0..6).map(|_| {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            char::from(b'a' + ((seed >> 33) % 26) as u8)
        });
        let path = format!("{prefix}{}", letters.collect::<String>());
        match fs::create_dir(&path) {
            Ok(()) => return Ok(Reply::Text(path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
