//! What a crash keeps.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::{Disk, DiskFile, OpenFlags};

const SEEDS: u64 = 300;

fn create(disk: &Disk, path: &str) -> DiskFile {
    let flags = OpenFlags {
        read: true,
        write: true,
        create: true,
        ..OpenFlags::default()
    };
    disk.open(Path::new(path), flags).unwrap()
}

fn sync_directory(disk: &Disk, path: &str) {
    let flags = OpenFlags {
        read: true,
        ..OpenFlags::default()
    };
    disk.open(Path::new(path), flags).unwrap().sync().unwrap();
}

fn rename(disk: &Disk, from: &str, to: &str) {
    disk.rename(Path::new(from), Path::new(to)).unwrap();
}

/// What is found after a crash, over all seeds: the files and their contents.
fn found(script: impl Fn(&Disk)) -> BTreeSet<Vec<(PathBuf, String)>> {
    let after = |seed| {
        let disk = Disk::new();
        script(&disk);
        disk.crash(seed);
        let again = disk.files();
        disk.crash(seed + 1);
        assert_eq!(disk.files(), again, "what was found is durable");
        let text = |path: &PathBuf| String::from_utf8(disk.read(path).unwrap()).unwrap();
        again
            .iter()
            .map(|path| (path.clone(), text(path)))
            .collect()
    };
    (0..SEEDS).map(after).collect()
}

fn one(path: &str, text: &str) -> Vec<(PathBuf, String)> {
    vec![(path.into(), text.to_owned())]
}

#[test]
fn a_file_and_its_entry_are_synced_separately() {
    let nothing_synced = found(|disk| create(disk, "/a").write_all(b"x").unwrap());
    assert_eq!(
        nothing_synced,
        [vec![], one("/a", ""), one("/a", "\0"), one("/a", "x")].into()
    );
    let file_synced = found(|disk| {
        let file = create(disk, "/a");
        file.write_all(b"x").unwrap();
        file.sync().unwrap();
    });
    assert_eq!(file_synced, [vec![], one("/a", "x")].into());
    let both_synced = found(|disk| {
        let file = create(disk, "/a");
        file.write_all(b"x").unwrap();
        file.sync().unwrap();
        sync_directory(disk, "/");
    });
    assert_eq!(both_synced, [one("/a", "x")].into());
}

#[test]
fn a_rename_replaces_a_file_completely_or_not_at_all() {
    let found = found(|disk| {
        disk.write("/config", "old").unwrap();
        let file = create(disk, "/config.new");
        file.write_all(b"new").unwrap();
        file.sync().unwrap();
        rename(disk, "/config.new", "/config");
    });
    let with_both = [one("/config", "old"), one("/config.new", "new")].concat();
    let expected = [one("/config", "old"), one("/config", "new"), with_both];
    assert_eq!(found, expected.into());
}

#[test]
fn a_file_that_is_moved_between_directories_is_in_one_of_them() {
    let found = found(|disk| {
        disk.create_dir_all("/a").unwrap();
        disk.create_dir_all("/b").unwrap();
        disk.write("/a/file", "x").unwrap();
        rename(disk, "/a/file", "/b/file");
        disk.remove_dir(Path::new("/a")).unwrap();
        // The sync of the second directory includes the move, and with it that of the first.
        disk.write("/b/other", "").unwrap();
    });
    let moved = [one("/b/file", "x"), one("/b/other", "")].concat();
    assert_eq!(found, [moved].into());

    let found = self::found(|disk| {
        disk.create_dir_all("/a").unwrap();
        disk.create_dir_all("/b").unwrap();
        disk.write("/a/file", "x").unwrap();
        rename(disk, "/a/file", "/b/file");
        disk.remove_dir(Path::new("/a")).unwrap();
    });
    assert_eq!(found, [one("/a/file", "x"), one("/b/file", "x")].into());
}

#[test]
fn a_directory_that_is_moved_keeps_what_it_contains() {
    let found = found(|disk| {
        disk.create_dir_all("/a/x").unwrap();
        disk.create_dir_all("/b").unwrap();
        disk.write("/a/x/file", "x").unwrap();
        rename(disk, "/a/x", "/b/x");
        rename(disk, "/a", "/b/x/a");
    });
    assert_eq!(found, [one("/a/x/file", "x"), one("/b/x/file", "x")].into());
}

#[test]
fn a_removed_file_may_return_until_its_directory_is_synced() {
    let found = found(|disk| {
        disk.write("/a", "x").unwrap();
        disk.remove_file(Path::new("/a")).unwrap();
    });
    assert_eq!(found, [vec![], one("/a", "x")].into());
    let disk = Disk::new();
    disk.write("/a", "x").unwrap();
    disk.remove_file(Path::new("/a")).unwrap();
    sync_directory(&disk, "/");
    assert_eq!(disk.lock().inodes.len(), 2, "the root and /tmp");
}

#[test]
fn a_file_that_was_open_is_closed() {
    let disk = Disk::new();
    let file = create(&disk, "/a");
    let removed = create(&disk, "/b");
    disk.sync();
    disk.remove_file(Path::new("/b")).unwrap();
    sync_directory(&disk, "/");
    assert_eq!(disk.open_files(), 2);
    disk.crash(1);
    assert_eq!(disk.open_files(), 0);
    assert!(file.write_all(b"x").is_err());
    let other = create(&disk, "/a");
    drop(file); // it must not close the other file
    drop(removed);
    other.write_all(b"y").unwrap();
    assert_eq!(disk.read("/a").unwrap(), b"y");
}

#[test]
fn a_file_that_is_opened_for_synced_writes_loses_nothing() {
    for seed in 0..SEEDS {
        let disk = Disk::new();
        disk.write("/log", "").unwrap();
        let flags = OpenFlags {
            append: true,
            sync: true,
            ..OpenFlags::default()
        };
        let file = disk.open(Path::new("/log"), flags).unwrap();
        file.write_all(b"one ").unwrap();
        file.write_all(b"two").unwrap();
        disk.crash(seed);
        assert_eq!(disk.read("/log").unwrap(), b"one two");
    }
}

/// Nothing accumulates in a program that never syncs.
#[test]
fn pending_changes_are_bounded() {
    let disk = Disk::new();
    for _ in 0..5_000 {
        drop(create(&disk, "/a"));
        rename(&disk, "/a", "/b");
        disk.remove_file(Path::new("/b")).unwrap();
    }
    let kept = disk.lock().inodes.len();
    assert!(kept < 2_000, "{kept} inodes");
    disk.sync();
    assert_eq!(disk.lock().inodes.len(), 2);
}
