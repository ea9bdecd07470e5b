//! The traits of std for metadata, on Unix.

use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::time::Duration;

use crate::fs::metadata::{FileType, Metadata, Source, TypeSource, since_epoch};
use crate::reactor::disk::{Attributes, Kind, Times};

/// Returns the bits of permissions.
pub(in crate::fs) fn mode_of(permissions: &Permissions) -> u32 {
    permissions.mode() & 0o7777
}

/// Returns the permissions of a file of a simulated disk.
pub(in crate::fs) fn permissions(attributes: &Attributes) -> Permissions {
    Permissions::from_mode(mode_with_type(attributes))
}

/// Returns what a recording contains of metadata. What is neither a directory nor a link is a file there.
pub(in crate::fs) fn attributes_of(metadata: &std::fs::Metadata) -> Attributes {
    let time = |seconds: i64, nanoseconds: i64| {
        Duration::new(seconds.max(0).cast_unsigned(), nanoseconds as u32)
    };
    let changed = time(metadata.ctime(), metadata.ctime_nsec());
    let created = metadata.created().ok().map(since_epoch);
    Attributes {
        inode: metadata.ino(),
        kind: match metadata.file_type() {
            file_type if file_type.is_dir() => Kind::Directory,
            file_type if file_type.is_symlink() => Kind::Symlink,
            _ => Kind::File,
        },
        length: metadata.len(),
        allocated: metadata.blocks() * 512,
        mode: metadata.mode() & 0o7777,
        user: metadata.uid(),
        group: metadata.gid(),
        links: metadata.nlink(),
        times: Times {
            accessed: time(metadata.atime(), metadata.atime_nsec()),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed,
            created: created.unwrap_or(changed),
        },
    }
}

fn mode_with_type(attributes: &Attributes) -> u32 {
    let file_type = match attributes.kind {
        Kind::File => 0o100_000,
        Kind::Directory => 0o040_000,
        Kind::Symlink => 0o120_000,
        Kind::Socket => 0o140_000,
    };
    file_type | attributes.mode
}

impl Metadata {
    fn number(
        &self,
        real: fn(&std::fs::Metadata) -> u64,
        simulated: fn(&Attributes) -> u64,
    ) -> u64 {
        match &self.source {
            Source::Real(metadata) => real(metadata),
            Source::Simulated(attributes) => simulated(attributes),
        }
    }

    fn time(&self, real: fn(&std::fs::Metadata) -> i64, simulated: fn(&Attributes) -> i64) -> i64 {
        match &self.source {
            Source::Real(metadata) => real(metadata),
            Source::Simulated(attributes) => simulated(attributes),
        }
    }
}

fn seconds(time: Duration) -> i64 {
    time.as_secs() as i64
}

fn nanoseconds(time: Duration) -> i64 {
    i64::from(time.subsec_nanos())
}

impl MetadataExt for Metadata {
    fn dev(&self) -> u64 {
        self.number(MetadataExt::dev, |_| 1)
    }

    fn ino(&self) -> u64 {
        self.number(MetadataExt::ino, |attributes| attributes.inode)
    }

    fn mode(&self) -> u32 {
        match &self.source {
            Source::Real(metadata) => metadata.mode(),
            Source::Simulated(attributes) => mode_with_type(attributes),
        }
    }

    fn nlink(&self) -> u64 {
        self.number(MetadataExt::nlink, |attributes| attributes.links)
    }

    fn uid(&self) -> u32 {
        match &self.source {
            Source::Real(metadata) => metadata.uid(),
            Source::Simulated(attributes) => attributes.user,
        }
    }

    fn gid(&self) -> u32 {
        match &self.source {
            Source::Real(metadata) => metadata.gid(),
            Source::Simulated(attributes) => attributes.group,
        }
    }

    fn rdev(&self) -> u64 {
        self.number(MetadataExt::rdev, |_| 0)
    }

    fn size(&self) -> u64 {
        self.len()
    }

    fn atime(&self) -> i64 {
        self.time(MetadataExt::atime, |it| seconds(it.times.accessed))
    }

    fn atime_nsec(&self) -> i64 {
        self.time(MetadataExt::atime_nsec, |it| nanoseconds(it.times.accessed))
    }

    fn mtime(&self) -> i64 {
        self.time(MetadataExt::mtime, |it| seconds(it.times.modified))
    }

    fn mtime_nsec(&self) -> i64 {
        self.time(MetadataExt::mtime_nsec, |it| nanoseconds(it.times.modified))
    }

    fn ctime(&self) -> i64 {
        self.time(MetadataExt::ctime, |it| seconds(it.times.changed))
    }

    fn ctime_nsec(&self) -> i64 {
        self.time(MetadataExt::ctime_nsec, |it| nanoseconds(it.times.changed))
    }

    fn blksize(&self) -> u64 {
        self.number(MetadataExt::blksize, |_| 4096)
    }

    /// Returns the number of blocks of 512 bytes.
    fn blocks(&self) -> u64 {
        self.number(MetadataExt::blocks, |attributes| attributes.allocated / 512)
    }
}

impl FileType {
    fn is_real(&self, is: fn(&std::fs::FileType) -> bool) -> bool {
        matches!(&self.0, TypeSource::Real(file_type) if is(file_type))
    }
}

impl FileTypeExt for FileType {
    fn is_block_device(&self) -> bool {
        self.is_real(FileTypeExt::is_block_device)
    }

    fn is_char_device(&self) -> bool {
        self.is_real(FileTypeExt::is_char_device)
    }

    fn is_fifo(&self) -> bool {
        self.is_real(FileTypeExt::is_fifo)
    }

    fn is_socket(&self) -> bool {
        self.is_real(FileTypeExt::is_socket)
            || matches!(&self.0, TypeSource::Simulated(Kind::Socket))
    }
}
