//! The same random script runs on a real directory and on a disk: every result and every error must
//! be equal.
//!
//! The steps choose among few names, so that they meet each other's files. If the test fails, it
//! prints the start of the script's random numbers and the steps up to the difference.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::{Attributes, Disk, DiskFile, Kind, OpenFlags};
use super::random::Random;

/// How many scripts run unless `NODELOOP_SEEDS` sets another number.
const SCRIPTS: u64 = 60;
const STEPS: usize = 120;
const OPEN_FILES: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    Read(PathBuf),
    Write(PathBuf, Vec<u8>),
    Copy(PathBuf, PathBuf),
    CreateDir(PathBuf, u32),
    CreateDirs(PathBuf, u32),
    RemoveFile(PathBuf),
    RemoveDir(PathBuf),
    RemoveDirAll(PathBuf),
    Rename(PathBuf, PathBuf),
    Metadata(PathBuf),
    SymlinkMetadata(PathBuf),
    Canonicalize(PathBuf),
    HardLink(PathBuf, PathBuf),
    Symlink(PathBuf, PathBuf),
    ReadLink(PathBuf),
    SetMode(PathBuf, u32),
    Exists(PathBuf),
    ReadDir(PathBuf),
    Open(usize, PathBuf, OpenFlags),
    OnFile(usize, FileStep),
}

#[derive(Debug, Clone)]
enum FileStep {
    Close,
    Read(usize),
    Write(Vec<u8>),
    ReadAt(usize, u64),
    WriteAt(Vec<u8>, u64),
    Seek(SeekFrom),
    SetLength(u64),
    Sync,
    Metadata,
    SetMode(u32),
}

/// Makes the steps of a script.
struct Script {
    random: Random,
    root: PathBuf,
}

impl Script {
    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.random.below(of.len() as u64) as usize].clone()
    }

    /// One to three names, with what may stand around them.
    fn relative(&mut self) -> String {
        let mut path = String::new();
        for _ in 0..=self.random.below(3) {
            path += self.pick(&["a", "b", "c", "d", "a", "b", "..", ".", "a/", "b//c"]);
            path += "/";
        }
        if self.random.below(8) > 0 {
            path.truncate(path.trim_end_matches('/').len());
        }
        path
    }

    fn path(&mut self) -> PathBuf {
        // A path that leads out of the directory would touch the real system.
        loop {
            let relative = self.relative();
            let mut depth = 0_i32;
            let stays = Path::new(&relative).components().all(|part| {
                depth += match part.as_os_str().to_str() {
                    Some("..") => -1,
                    Some(".") => 0,
                    _ => 1,
                };
                depth >= 0
            });
            if stays {
                // Unlike `join`, this keeps a slash at the end.
                return PathBuf::from(format!("{}/s/s/{relative}", self.root.display()));
            }
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.pick(&[0, 1, 3, 10, 511, 512, 4095, 4096, 5000]);
        let first = self.random.next() as u8;
        (0..length).map(|at| first.wrapping_add(at as u8)).collect()
    }

    fn flags(&mut self) -> OpenFlags {
        let mut one_of = |count| self.random.below(count) == 0;
        let mut flags = OpenFlags {
            read: one_of(2),
            write: one_of(2),
            append: one_of(4),
            truncate: one_of(4),
            create: one_of(3),
            create_new: one_of(6),
            no_follow: one_of(8),
            directory: one_of(12),
            ..OpenFlags::default()
        };
        if flags.create || flags.create_new {
            flags.mode = self.random.below(2).eq(&0).then_some(0o640);
            flags.directory = false; // Linux refuses both since 6.4
        }
        flags
    }

    fn step(&mut self) -> Step {
        let mode = self.pick(&[0o700, 0o755, 0o777, 0o644, 0o500]);
        let slot = self.random.below(OPEN_FILES as u64) as usize;
        match self.random.below(30) {
            0 => Step::Read(self.path()),
            1 | 2 => Step::Write(self.path(), self.bytes()),
            3 => Step::Copy(self.path(), self.path()),
            4 | 5 => Step::CreateDir(self.path(), mode),
            6 => Step::CreateDirs(self.path(), mode),
            7 => Step::RemoveFile(self.path()),
            8 => Step::RemoveDir(self.path()),
            // A removal that fails half-way has removed entries in an order of its own.
            9 if self.random.below(3) == 0 && rustix::process::geteuid().is_root() => {
                Step::RemoveDirAll(self.path())
            }
            9..=11 => Step::Rename(self.path(), self.path()),
            12 => Step::Metadata(self.path()),
            13 => Step::SymlinkMetadata(self.path()),
            // `realpath` does not check whether a user may search a directory for `.` and `..`.
            14 if rustix::process::geteuid().is_root() => Step::Canonicalize(self.path()),
            14 => Step::Exists(self.path()),
            15 => Step::HardLink(self.path(), self.path()),
            16 | 17 => {
                // Few steps up, so that the target of a link stays in the directory as well.
                let target = match self.random.below(4) {
                    0 => self.path(),
                    1 => PathBuf::from("../a"),
                    _ => PathBuf::from(self.pick(&["a", "b", "c/", "d/.", "a/b", ".", "c"])),
                };
                Step::Symlink(target, self.path())
            }
            18 => Step::ReadLink(self.path()),
            19 => Step::SetMode(self.path(), mode),
            20 => Step::Exists(self.path()),
            21 => Step::ReadDir(self.path()),
            22..=24 => Step::Open(slot, self.path(), self.flags()),
            _ => Step::OnFile(slot, self.file_step(mode)),
        }
    }

    fn file_step(&mut self, mode: u32) -> FileStep {
        let offset = self.pick(&[0, 1, 600, 4096, 10_000, u64::MAX, i64::MAX as u64 + 1]);
        let distance = self.pick(&[0, 1, -1, 700, -700, i64::MIN, 5_000]);
        let length = self.pick(&[0, 1, 100, 5_000]);
        match self.random.below(12) {
            0 => FileStep::Close,
            1 | 2 => FileStep::Read(length),
            3 | 4 => FileStep::Write(self.bytes()),
            5 => FileStep::ReadAt(length, offset),
            6 => FileStep::WriteAt(self.bytes(), offset),
            7 => FileStep::Seek(match self.random.below(3) {
                0 => SeekFrom::Start(offset),
                1 => SeekFrom::Current(distance),
                _ => SeekFrom::End(distance),
            }),
            8 => FileStep::SetLength(self.pick(&[0, 2, 4_000, 9_000])),
            9 => FileStep::Sync,
            10 => FileStep::Metadata,
            _ => FileStep::SetMode(mode),
        }
    }
}

/// A result as text.
fn text<T: std::fmt::Debug>(result: io::Result<T>) -> Result<String, io::Error> {
    result.map(|value| format!("{value:?}"))
}

/// What is compared of metadata: numbers of inodes, times and the sizes of directories differ.
#[derive(Debug)]
#[expect(dead_code, reason = "compared as text")]
struct Facts {
    kind: Kind,
    length: u64,
    mode: u32,
    user: u32,
    group: u32,
    links: u64,
}

impl From<Attributes> for Facts {
    fn from(attributes: Attributes) -> Facts {
        Facts {
            kind: attributes.kind,
            length: attributes.length,
            mode: attributes.mode,
            user: attributes.user,
            group: attributes.group,
            links: attributes.links,
        }
    }
}

impl From<fs::Metadata> for Facts {
    fn from(metadata: fs::Metadata) -> Facts {
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Symlink,
            _ => Kind::File,
        };
        let is_directory = kind == Kind::Directory;
        Facts {
            kind,
            length: if is_directory { 0 } else { metadata.len() },
            mode: metadata.mode() & 0o7777,
            user: metadata.uid(),
            group: metadata.gid(),
            // Some file systems do not count the subdirectories.
            links: if is_directory { 0 } else { metadata.nlink() },
        }
    }
}

fn facts_of(attributes: Attributes) -> Facts {
    let is_directory = attributes.kind == Kind::Directory;
    let mut facts = Facts::from(attributes);
    if is_directory {
        facts.links = 0;
    }
    facts
}

#[derive(Default)]
struct Real {
    open: [Option<fs::File>; OPEN_FILES],
}

impl Real {
    fn run(&mut self, step: Step) -> Result<String, io::Error> {
        match step {
            Step::Read(path) => text(fs::read(path)),
            Step::Write(path, bytes) => text(fs::write(path, bytes)),
            Step::Copy(from, to) => text(fs::copy(from, to)),
            Step::CreateDir(path, mode) => text(fs::DirBuilder::new().mode(mode).create(path)),
            Step::CreateDirs(path, mode) => {
                let mut builder = fs::DirBuilder::new();
                text(builder.mode(mode).recursive(true).create(path))
            }
            Step::RemoveFile(path) => text(fs::remove_file(path)),
            Step::RemoveDir(path) => text(fs::remove_dir(path)),
            Step::RemoveDirAll(path) => text(fs::remove_dir_all(path)),
            Step::Rename(from, to) => text(fs::rename(from, to)),
            Step::Metadata(path) => text(fs::metadata(path).map(Facts::from)),
            Step::SymlinkMetadata(path) => text(fs::symlink_metadata(path).map(Facts::from)),
            Step::Canonicalize(path) => text(fs::canonicalize(path)),
            Step::HardLink(original, link) => text(fs::hard_link(original, link)),
            Step::Symlink(target, link) => text(std::os::unix::fs::symlink(target, link)),
            Step::ReadLink(path) => text(fs::read_link(path)),
            Step::SetMode(path, mode) => {
                text(fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            }
            Step::Exists(path) => text(fs::exists(path)),
            Step::ReadDir(path) => text(fs::read_dir(path).map(|entries| {
                let names = entries.map(|entry| entry.unwrap().file_name());
                let mut names = names.collect::<Vec<_>>();
                names.sort();
                names
            })),
            Step::Open(slot, path, flags) => {
                let opened = Real::open(&path, flags);
                text(opened.map(|file| self.open[slot] = Some(file)))
            }
            Step::OnFile(slot, FileStep::Close) => {
                Ok(format!("{}", self.open[slot].take().is_some()))
            }
            Step::OnFile(slot, step) => match &self.open[slot] {
                Some(file) => Real::run_on_file(file, step),
                None => Ok("closed".to_owned()),
            },
        }
    }

    fn open(path: &Path, flags: OpenFlags) -> io::Result<fs::File> {
        use rustix::fs::OFlags;

        let mut custom = OFlags::empty();
        custom.set(OFlags::NOFOLLOW, flags.no_follow);
        custom.set(OFlags::DIRECTORY, flags.directory);
        fs::File::options()
            .read(flags.read)
            .write(flags.write)
            .append(flags.append)
            .truncate(flags.truncate)
            .create(flags.create)
            .create_new(flags.create_new)
            .custom_flags(custom.bits() as i32)
            .mode(flags.mode.unwrap_or(0o666))
            .open(path)
    }

    fn run_on_file(mut file: &fs::File, step: FileStep) -> Result<String, io::Error> {
        let is_directory = file.metadata().unwrap().is_dir();
        match step {
            FileStep::Close => unreachable!("the caller closes"),
            FileStep::Read(length) => {
                let mut bytes = vec![0; length];
                text(file.read(&mut bytes).map(|count| (count, bytes)))
            }
            FileStep::Write(bytes) => text(file.write_all(&bytes)),
            FileStep::ReadAt(length, offset) => {
                let mut bytes = vec![0; length];
                text(file.read_at(&mut bytes, offset).map(|count| (count, bytes)))
            }
            FileStep::WriteAt(bytes, offset) => text(file.write_at(&bytes, offset)),
            FileStep::Seek(_) if is_directory => Ok("a directory has positions of its own".into()),
            FileStep::Seek(target) => text(file.seek(target)),
            FileStep::SetLength(length) => text(file.set_len(length)),
            FileStep::Sync => text(file.sync_all()),
            FileStep::Metadata => text(file.metadata().map(Facts::from)),
            FileStep::SetMode(mode) => text(file.set_permissions(fs::Permissions::from_mode(mode))),
        }
    }
}

struct Simulated {
    disk: Disk,
    open: [Option<DiskFile>; OPEN_FILES],
}

impl Simulated {
    fn run(&mut self, step: Step) -> Result<String, io::Error> {
        let disk = &self.disk;
        match step {
            Step::Read(path) => text(disk.read_all(&path)),
            Step::Write(path, bytes) => text(disk.write_all(&path, &bytes)),
            Step::Copy(from, to) => text(disk.copy(&from, &to)),
            Step::CreateDir(path, mode) => text(disk.create_dir(&path, mode)),
            Step::CreateDirs(path, mode) => text(disk.create_dirs(&path, mode)),
            Step::RemoveFile(path) => text(disk.remove_file(&path)),
            Step::RemoveDir(path) => text(disk.remove_dir(&path)),
            Step::RemoveDirAll(path) => text(disk.remove_dir_all(&path)),
            Step::Rename(from, to) => text(disk.rename(&from, &to)),
            Step::Metadata(path) => text(disk.metadata(&path).map(facts_of)),
            Step::SymlinkMetadata(path) => text(disk.symlink_metadata(&path).map(facts_of)),
            Step::Canonicalize(path) => text(disk.canonicalize(&path)),
            Step::HardLink(original, link) => text(disk.hard_link(&original, &link)),
            Step::Symlink(target, link) => text(disk.symlink(&target, &link)),
            Step::ReadLink(path) => text(disk.read_link(&path)),
            Step::SetMode(path, mode) => text(disk.set_mode(&path, mode)),
            Step::Exists(path) => text(disk.try_exists(&path)),
            Step::ReadDir(path) => text(disk.read_dir(&path).map(|entries| {
                let names = entries.into_iter().map(|entry| entry.name);
                names.collect::<Vec<_>>()
            })),
            Step::Open(slot, path, flags) => {
                let opened = disk.open(&path, flags);
                text(opened.map(|file| self.open[slot] = Some(file)))
            }
            Step::OnFile(slot, FileStep::Close) => {
                Ok(format!("{}", self.open[slot].take().is_some()))
            }
            Step::OnFile(slot, step) => match &self.open[slot] {
                Some(file) => Simulated::run_on_file(file, step),
                None => Ok("closed".to_owned()),
            },
        }
    }

    fn run_on_file(file: &DiskFile, step: FileStep) -> Result<String, io::Error> {
        let is_directory = file.metadata().unwrap().kind == Kind::Directory;
        match step {
            FileStep::Close => unreachable!("the caller closes"),
            FileStep::Read(length) => {
                let mut bytes = vec![0; length];
                text(file.read(&mut bytes).map(|count| (count, bytes)))
            }
            FileStep::Write(bytes) => text(file.write_all(&bytes)),
            FileStep::ReadAt(length, offset) => {
                let mut bytes = vec![0; length];
                text(file.read_at(&mut bytes, offset).map(|count| (count, bytes)))
            }
            FileStep::WriteAt(bytes, offset) => text(file.write_at(&bytes, offset)),
            FileStep::Seek(_) if is_directory => Ok("a directory has positions of its own".into()),
            FileStep::Seek(target) => text(file.seek(target)),
            FileStep::SetLength(length) => text(file.set_len(length)),
            FileStep::Sync => text(file.sync()),
            FileStep::Metadata => text(file.metadata().map(facts_of)),
            FileStep::SetMode(mode) => text(file.set_mode(mode)),
        }
    }
}

fn are_equal(real: &Result<String, io::Error>, simulated: &Result<String, io::Error>) -> bool {
    match (real, simulated) {
        (Ok(real), Ok(simulated)) => real == simulated,
        // Some errors of std have no number.
        (Err(real), Err(simulated)) => {
            let number = real.raw_os_error();
            real.kind() == simulated.kind()
                && (number.is_none() || number == simulated.raw_os_error())
        }
        _ => false,
    }
}

#[test]
fn a_disk_does_what_a_real_directory_does() {
    let (mut compared, mut failed) = (0, 0);
    let scripts = std::env::var("NODELOOP_SEEDS");
    let scripts = scripts.map_or(SCRIPTS, |count| count.parse().unwrap());
    for start in 0..scripts {
        let directory = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(directory.path()).unwrap();
        let disk = Disk::new();
        let base = root.join("s/s");
        fs::create_dir_all(&base).unwrap();
        disk.create_dir_all(&base).unwrap();
        let made = fs::metadata(&base).unwrap();
        disk.set_user(made.uid(), made.gid());
        disk.lock().user.umask = !made.mode() & 0o777;
        // Other users own the directories of the system.
        for path in [&base, &root.join("s")] {
            let mut volume = disk.lock();
            let number = volume.find(path, super::super::Follow::Yes).unwrap();
            let inode = volume.inode_mut(number);
            (inode.user, inode.group) = (made.uid(), made.gid());
            inode.mode = made.mode() & 0o7777;
        }
        let mut real = Real::default();
        let mut simulated = Simulated {
            disk,
            open: Default::default(),
        };
        let random = Random::new(start);
        let mut script = Script { random, root };
        let mut steps = Vec::new();
        for _ in 0..STEPS {
            let step = script.step();
            steps.push(format!("{step:?}").chars().take(160).collect::<String>());
            let expected = real.run(step.clone());
            let found = simulated.run(step);
            assert!(
                are_equal(&expected, &found),
                "script {start}:\n{}\nreal:      {expected:?}\nsimulated: {found:?}",
                steps.join("\n")
            );
            compared += 1;
            failed += u64::from(expected.is_err());
        }
    }
    // Neither successes nor errors are rare.
    assert!(
        failed * 4 > compared && failed * 4 < compared * 3,
        "{failed} of {compared} failed"
    );
}
