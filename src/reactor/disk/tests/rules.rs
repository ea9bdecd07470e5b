//! Limits, faults, permissions and times.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use crate::reactor::choices::{Choices, Seed};

use super::super::{Disk, DiskError, DiskFault, DiskFile, DiskOperation, OpenFlags};

fn open(disk: &Disk, path: &str) -> io::Result<DiskFile> {
    let flags = OpenFlags {
        read: true,
        write: true,
        create: true,
        ..OpenFlags::default()
    };
    disk.open(Path::new(path), flags)
}

fn number_of<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

const EIO: Option<i32> = Some(5);
const EACCES: Option<i32> = Some(13);
const EMFILE: Option<i32> = Some(24);

#[test]
fn a_full_disk_takes_what_fits_and_no_more() {
    let disk = Disk::new();
    disk.set_capacity(Some(3 * 4096));
    disk.write("/kept", [1; 4096]).unwrap();
    let file = open(&disk, "/log").unwrap();
    assert_eq!(file.write_at(&[2; 10_000], 0).unwrap(), 8192);
    let error = file.write_all_at(b"x", 8192).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(
        (disk.used(), disk.read("/log").unwrap().len()),
        (12_288, 8192)
    );
    file.write_all_at(b"over what is there", 0).unwrap();
    disk.remove_file(Path::new("/kept")).unwrap();
    file.write_all_at(b"x", 8192).unwrap();
    // A file that is open keeps its space after it was removed.
    disk.remove_file(Path::new("/log")).unwrap();
    assert_eq!(disk.used(), 3 * 4096);
    drop(file);
    assert_eq!(disk.used(), 0);
}

#[test]
fn the_number_of_open_files_is_limited() {
    let disk = Disk::new();
    disk.set_max_open_files(Some(2));
    let file = open(&disk, "/a").unwrap();
    let clone = file.try_clone().unwrap();
    assert_eq!(number_of(open(&disk, "/b")), EMFILE);
    assert_eq!(number_of(file.try_clone()), EMFILE);
    assert_eq!(number_of(disk.read_all(Path::new("/a"))), EMFILE);
    assert_eq!(
        disk.read("/a").unwrap(),
        b"",
        "the test has descriptors of its own"
    );
    drop(clone);
    drop(open(&disk, "/b").unwrap());
    assert_eq!(disk.open_files(), 1);
}

#[test]
fn faults_take_effect_where_and_when_they_should() {
    let disk = Disk::new();
    disk.create_dir_all("/data").unwrap();
    let file = open(&disk, "/data/log").unwrap();
    let fault = DiskFault::error(DiskOperation::Write, DiskError::Io);
    disk.inject(fault.on("/data").after(1).times(2));
    disk.inject(DiskFault::error(DiskOperation::Rename, DiskError::Full));
    let writes = (0..4).map(|_| number_of(file.write_all(b"x")));
    assert_eq!(writes.collect::<Vec<_>>(), [None, EIO, EIO, None]);
    assert_eq!(disk.read("/data/log").unwrap(), b"xx");
    assert_eq!(
        disk.unfired_faults(),
        ["Error(Full) of Rename, which saw 0 operations"]
    );
    disk.clear_faults();
    assert_eq!(disk.unfired_faults(), [""; 0]);

    disk.inject(DiskFault::short(DiskOperation::Read, 1));
    let mut bytes = [0; 2];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 1);
    assert_eq!(disk.read_all(Path::new("/data/log")).unwrap(), b"xx");
    disk.inject(DiskFault::short(DiskOperation::Write, 3));
    assert_eq!(file.write_at(b"12345", 0).unwrap(), 3);
    file.write_all_at(b"12345", 0).unwrap();
    assert_eq!(disk.read("/data/log").unwrap(), b"12345");
}

#[test]
fn a_fault_with_a_probability_is_repeated_by_its_seed() {
    let pattern = |seed| {
        let disk = Disk::new();
        disk.set_choices(Choices::new(Seed::new(seed)));
        disk.write("/a", "x").unwrap();
        let fault = DiskFault::error(DiskOperation::Read, DiskError::Io);
        disk.inject(fault.with_probability(0.3));
        let reads = (0..1000).map(|_| disk.read_all(Path::new("/a")).is_err());
        reads.collect::<Vec<bool>>()
    };
    assert_eq!(pattern(7), pattern(7));
    assert_ne!(pattern(7), pattern(8));
    // Each function reads until the end, which is two operations: half of them fail.
    let failed = pattern(7).iter().filter(|failed| **failed).count();
    assert!((400..620).contains(&failed), "{failed}");
}

#[test]
fn permissions_are_those_of_the_user() {
    let disk = Disk::new();
    disk.create_dir_all("/etc").unwrap();
    disk.write("/etc/secret", "x").unwrap();
    disk.set_mode(Path::new("/etc/secret"), 0o600).unwrap();
    disk.set_mode(Path::new("/etc"), 0o755).unwrap();
    disk.set_user(2000, 2000);
    assert_eq!(number_of(disk.read_all(Path::new("/etc/secret"))), EACCES);
    assert_eq!(
        number_of(disk.remove_file(Path::new("/etc/secret"))),
        EACCES
    );
    assert_eq!(
        number_of(disk.set_mode(Path::new("/etc/secret"), 0o777)),
        Some(1)
    );
    assert_eq!(number_of(open(&disk, "/etc/new")), EACCES);
    drop(open(&disk, "/new").unwrap());
    disk.set_user(0, 0);
    assert_eq!(disk.read_all(Path::new("/etc/secret")).unwrap(), b"x");
    disk.set_owner(Path::new("/etc/secret"), (Some(2000), None), true)
        .unwrap();
    disk.set_user(2000, 2000);
    assert_eq!(disk.read_all(Path::new("/etc/secret")).unwrap(), b"x");
}

#[test]
fn changes_are_stamped_with_the_time_of_the_disk() {
    let seconds = Duration::from_secs;
    let disk = Disk::new();
    disk.set_now(seconds(10));
    let file = open(&disk, "/a").unwrap();
    disk.set_now(seconds(20));
    file.write_all(b"x").unwrap();
    disk.set_now(seconds(30));
    file.set_mode(0o600).unwrap();
    let times = file.metadata().unwrap().times;
    assert_eq!(times.created, seconds(10));
    assert_eq!((times.accessed, times.modified), (seconds(10), seconds(20)));
    assert_eq!(times.changed, seconds(30));
    file.set_times(None, Some(seconds(5))).unwrap();
    assert_eq!(file.metadata().unwrap().times.modified, seconds(5));
    let root = disk.metadata(Path::new("/")).unwrap().times;
    assert_eq!(root.modified, seconds(10), "when the entry was added");
}
