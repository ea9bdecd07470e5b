//! The bytes of a file: pages that are allocated when they are written, and what a crash may lose.
//!
//! [`Content`] is what a reader sees. `synced` is what the last sync has made durable, and `pending`
//! are the changes since. After a crash each sector of [`SECTOR`] bytes is as it was at some moment
//! between the last sync and the crash, chosen for each sector on its own, and so is the length.
//!
//! Invariant: bytes of a page after the length are zero.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::reactor::choices::Choices;

pub(super) const PAGE: u64 = 4096;

/// What a disk writes at once or not at all.
pub(super) const SECTOR: u64 = 512;

/// The most changes of a file that are pending. The oldest is written back when there are more, as a
/// system writes back pages in the background.
const MAX_PENDING: usize = 1024;

type Page = [u8; PAGE as usize];

/// Pages by their number. A page that was never written is absent and reads as zeros.
#[derive(Clone, Default)]
struct Pages {
    pages: BTreeMap<u64, Arc<Page>>,
    length: u64,
}

enum Change {
    Write { offset: u64, bytes: Box<[u8]> },
    SetLength(u64),
}

#[derive(Default)]
pub(super) struct Content {
    current: Pages,
    synced: Pages,
    pending: VecDeque<Change>,
}

impl Pages {
    fn read(&self, offset: u64, target: &mut [u8]) -> usize {
        let rest = self.length.saturating_sub(offset);
        let count = rest.min(target.len() as u64);
        let target = &mut target[..count as usize];
        for (page, within, part) in parts(offset, count) {
            let part = &mut target[part];
            match self.pages.get(&page) {
                Some(page) => part.copy_from_slice(&page[within..within + part.len()]),
                None => part.fill(0),
            }
        }
        count as usize
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (page, within, part) in parts(offset, bytes.len() as u64) {
            let page = self.pages.entry(page);
            let page = Arc::make_mut(page.or_insert_with(|| Arc::new([0; PAGE as usize])));
            let part = &bytes[part];
            page[within..within + part.len()].copy_from_slice(part);
        }
        if !bytes.is_empty() {
            self.length = self.length.max(offset + bytes.len() as u64);
        }
    }

    fn set_length(&mut self, length: u64) {
        let kept = length.div_ceil(PAGE);
        drop(self.pages.split_off(&kept));
        let within = (length % PAGE) as usize;
        if within > 0
            && let Some(page) = self.pages.get_mut(&(length / PAGE))
        {
            Arc::make_mut(page)[within..].fill(0);
        }
        self.length = length;
    }

    /// Returns the sectors that are allocated and contain bytes after `length`.
    fn sectors_after(&self, length: u64) -> Vec<u64> {
        let pages = self.pages.range(length / PAGE..).map(|(page, _)| *page);
        let sectors = pages.flat_map(|page| page * (PAGE / SECTOR)..(page + 1) * (PAGE / SECTOR));
        sectors
            .filter(|sector| (sector + 1) * SECTOR > length)
            .collect()
    }

    /// Fills the bytes of a sector after `length` with zeros.
    fn clear_sector(&mut self, sector: u64, length: u64) {
        let start = (sector * SECTOR).max(length);
        let within = (start % PAGE) as usize;
        let end = within + ((sector + 1) * SECTOR - start) as usize;
        if let Some(page) = self.pages.get_mut(&(start / PAGE)) {
            Arc::make_mut(page)[within..end].fill(0);
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { offset, bytes } => self.write(*offset, bytes),
            Change::SetLength(length) => self.set_length(*length),
        }
    }
}

/// Cuts a range of bytes at the ends of pages: the page, the offset in it, and the range's part.
fn parts(offset: u64, count: u64) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == count {
            return None;
        }
        let (page, within) = ((offset + done) / PAGE, (offset + done) % PAGE);
        let length = (PAGE - within).min(count - done);
        let part = done as usize..(done + length) as usize;
        done += length;
        Some((page, within as usize, part))
    })
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        self.current.length
    }

    /// Returns the number of bytes of the disk that the file takes.
    pub(super) fn allocated(&self) -> u64 {
        self.current.pages.len() as u64 * PAGE
    }

    pub(super) fn read(&self, offset: u64, target: &mut [u8]) -> usize {
        self.current.read(offset, target)
    }

    /// Returns how many of `count` bytes at `offset` can be written if `free` more bytes can be
    /// allocated.
    pub(super) fn writable(&self, offset: u64, count: u64, free: u64) -> u64 {
        let mut free_pages = free / PAGE;
        let mut writable = 0;
        for (page, _, part) in parts(offset, count) {
            if !self.current.pages.contains_key(&page) {
                if free_pages == 0 {
                    break;
                }
                free_pages -= 1;
            }
            writable = part.end as u64;
        }
        writable
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.change(Change::Write {
            offset,
            bytes: bytes.into(),
        });
    }

    pub(super) fn set_length(&mut self, length: u64) {
        if length != self.current.length {
            self.change(Change::SetLength(length));
        }
    }

    fn change(&mut self, change: Change) {
        self.current.apply(&change);
        self.pending.push_back(change);
        if self.pending.len() > MAX_PENDING
            && let Some(oldest) = self.pending.pop_front()
        {
            self.synced.apply(&oldest);
        }
    }

    /// Makes the current bytes and the length durable.
    pub(super) fn sync(&mut self) {
        self.synced = self.current.clone();
        self.pending.clear();
    }

    /// Turns the bytes and the length into what is found after a crash of the file at `path`.
    pub(super) fn crash(&mut self, choices: &Choices, path: &str) {
        let changes = self.pending.len();
        let moment = |what: &dyn Fn() -> String| {
            let lost = choices.choose(changes + 1, |lost| {
                let what = what();
                format!("the crash lost the last {lost} of {changes} changes of {what} of {path}")
            });
            (changes - lost) as u64
        };
        let moment_of = |sector: u64| moment(&|| format!("sector {sector}"));
        let length_at = moment(&|| "the length".to_owned());
        let mut sectors = BTreeMap::new();
        let mut length = self.synced.length;
        for (number, change) in self.pending.iter().enumerate() {
            let is_before = |moment: u64| (number as u64) < moment;
            let longer = match change {
                Change::Write { offset, bytes } => {
                    for (sector, part) in sectors_of(*offset, bytes.len() as u64) {
                        if is_before(*sectors.entry(sector).or_insert_with(|| moment_of(sector))) {
                            let at = *offset + part.start as u64;
                            self.synced.write(at, &bytes[part]);
                        }
                    }
                    length.max(*offset + bytes.len() as u64)
                }
                Change::SetLength(length) => {
                    for sector in self.synced.sectors_after(*length) {
                        if is_before(*sectors.entry(sector).or_insert_with(|| moment_of(sector))) {
                            self.synced.clear_sector(sector, *length);
                        }
                    }
                    *length
                }
            };
            if is_before(length_at) {
                length = longer;
            }
        }
        // Bytes that were written after the length that was found do not belong to the file.
        self.synced.set_length(length);
        self.current = self.synced.clone();
        self.pending.clear();
    }
}

/// Cuts a range of bytes at the ends of sectors: the sector, and the range's part.
fn sectors_of(offset: u64, count: u64) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == count {
            return None;
        }
        let length = (SECTOR - (offset + done) % SECTOR).min(count - done);
        let part = done as usize..(done + length) as usize;
        let sector = (offset + done) / SECTOR;
        done += length;
        Some((sector, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::choices::Seed;

    fn choices_of(seed: u64) -> Choices {
        Choices::new(Seed::new(seed))
    }

    fn bytes_of(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0; content.length() as usize];
        assert_eq!(content.read(0, &mut bytes), bytes.len());
        bytes
    }

    #[test]
    fn a_hole_reads_as_zeros_and_takes_no_space() {
        let mut content = Content::default();
        content.write(1 << 40, b"end");
        assert_eq!(
            (content.length(), content.allocated()),
            ((1 << 40) + 3, PAGE)
        );
        let mut target = [1; 4];
        assert_eq!(content.read((1 << 40) - 2, &mut target), 4);
        assert_eq!(&target, b"\0\0en");
        content.set_length(2);
        assert_eq!((bytes_of(&content), content.allocated()), (vec![0, 0], 0));
    }

    #[test]
    fn what_was_cut_off_does_not_return() {
        let mut content = Content::default();
        content.write(0, b"0123456789");
        content.set_length(4);
        content.set_length(8);
        assert_eq!(bytes_of(&content), b"0123\0\0\0\0");
        content.write(0, b"");
        assert_eq!(content.length(), 8);
    }

    #[test]
    fn a_write_ends_where_the_space_does() {
        let mut content = Content::default();
        content.write(0, b"x");
        assert_eq!(content.writable(1, 10_000, 0), PAGE - 1);
        assert_eq!(content.writable(1, 10_000, PAGE), 2 * PAGE - 1);
        assert_eq!(content.writable(PAGE, 1, PAGE - 1), 0);
        assert_eq!(content.writable(0, 5, 0), 5);
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_any_part_of_the_rest() {
        let mut found = std::collections::BTreeSet::new();
        for start in 0..200 {
            let mut content = Content::default();
            content.write(0, &[1; 1024]);
            content.sync();
            content.write(0, &[2; 1024]);
            content.write(0, &[3; 10]);
            content.crash(&choices_of(start), "/file");
            let bytes = bytes_of(&content);
            assert_eq!(bytes.len(), 1024);
            assert!(bytes[10..512].iter().all(|byte| *byte == bytes[10]));
            assert!(bytes[..10].iter().all(|byte| *byte == bytes[0]));
            found.insert((bytes[0], bytes[10], bytes[512]));
        }
        // The second write to a sector includes the first.
        let expected = [
            (1, 1, 1),
            (1, 1, 2),
            (2, 2, 1),
            (2, 2, 2),
            (3, 2, 1),
            (3, 2, 2),
        ];
        assert_eq!(found, expected.into());
    }

    #[test]
    fn a_crash_may_shorten_what_was_appended() {
        let mut found = std::collections::BTreeSet::new();
        for start in 0..200 {
            let mut content = Content::default();
            content.write(0, b"ab");
            content.sync();
            content.write(2, b"cd");
            content.crash(&choices_of(start), "/file");
            found.insert(bytes_of(&content));
        }
        // The length and the sector are written in any order.
        let expected = [b"ab".to_vec(), b"ab\0\0".to_vec(), b"abcd".to_vec()];
        assert_eq!(found, expected.into());
    }

    #[test]
    fn a_sector_that_was_written_after_a_cut_includes_the_cut() {
        let mut found = std::collections::BTreeSet::new();
        for start in 0..200 {
            let mut content = Content::default();
            content.write(0, b"0123456789");
            content.sync();
            content.set_length(4);
            content.write(6, b"x");
            content.crash(&choices_of(start), "/file");
            found.insert(bytes_of(&content));
        }
        let expected: [&[u8]; 8] = [
            b"0123456789",
            b"0123",
            b"0123456",
            b"0123\0\0\0\0\0\0",
            b"0123\0\0\0",
            b"0123\0\0x\0\0\0",
            b"0123\0\0x",
            b"0123",
        ];
        assert_eq!(found, expected.map(<[u8]>::to_vec).into());
    }

    #[test]
    fn changes_are_written_back_when_there_are_many() {
        let mut content = Content::default();
        for number in 0..5000_u32 {
            content.write(0, &number.to_le_bytes());
        }
        assert_eq!(content.pending.len(), MAX_PENDING);
        content.crash(&choices_of(1), "/file");
        let bytes = bytes_of(&content).try_into().unwrap();
        assert!(u32::from_le_bytes(bytes) >= 5000 - MAX_PENDING as u32 - 1);
    }
}
