//! Central directory of zip files (APPNOTE 6.3, with zip64), and single entries. Never reads entries that nobody wants.
//!
//! The crate `zip` copies the whole directory into a map first, which takes most of the time for archives of classes.

use std::borrow::Cow;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::content::{Data, WINDOW};
use crate::error::Result;

const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
const END_SIZE: u64 = 22;
const LOCATOR_SIZE: u64 = 20;
const CENTRAL_SIZE: usize = 46;
const MAX_COMMENT: u64 = 0xffff;
/// Bytes of a central directory.
const MAX_DIRECTORY: u64 = 128 << 20;
const ENCRYPTED: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// The reason why an archive or an entry cannot be read.
pub type Reason = &'static str;

#[derive(Clone, Debug)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    pub size: u64,
    stored_size: u64,
    offset: u64,
    method: u16,
    flags: u16,
    crc: u32,
}

pub struct Directory<'a> {
    data: Data<'a>,
    bytes: Cow<'a, [u8]>,
    /// Bytes before the archive, such as a start script.
    start: u64,
}

/// Return True for a file without content and for a zip archive of nothing but its end, perhaps with a comment.
pub fn is_empty(data: &Data<'_>) -> bool {
    let size = data.len();
    if size == 0 {
        return true;
    }
    data.bytes(0, END_SIZE).is_some_and(|end| {
        // Numbers of disks and entries, size and offset of the directory.
        long(&end, 0) == END
            && end[4..20].iter().all(|byte| *byte == 0)
            && END_SIZE + u64::from(short(&end, 20)) == size
    })
}

impl<'a> Directory<'a> {
    pub fn read(data: Data<'a>) -> std::result::Result<Self, Reason> {
        let tail_size = data.len().min(END_SIZE + MAX_COMMENT);
        let tail_start = data.len() - tail_size;
        let tail = data
            .bytes(tail_start, tail_size)
            .ok_or("the file cannot be read")?;
        let index = (0..tail.len().saturating_sub(END_SIZE as usize - 1))
            .rev()
            .find(|index| {
                let comment = u64::from(short(&tail, index + 20));
                long(&tail, *index) == END && *index as u64 + END_SIZE + comment <= tail_size
            })
            .ok_or("no zip archive or its end is missing")?;
        let end = &tail[index..];
        let mut directory_end = tail_start + index as u64;
        let (mut size, mut offset) = (u64::from(long(end, 12)), u64::from(long(end, 16)));
        if size == 0xffff_ffff || offset == 0xffff_ffff || short(end, 10) == 0xffff {
            if let Some((end_64, size_64, offset_64)) = read_end_64(&data, directory_end) {
                (directory_end, size, offset) = (end_64, size_64, offset_64);
            }
        }
        if size == 0 {
            // An archive without entries is `is_empty`; this one has content.
            return Err("the directory of the zip archive is missing");
        }
        if size > MAX_DIRECTORY {
            return Err("the directory of the zip archive exceeds the limit of 128 MiB");
        }
        let directory_start = directory_end
            .checked_sub(size)
            .ok_or("the directory of the zip archive is damaged")?;
        let start = directory_start
            .checked_sub(offset)
            .ok_or("the directory of the zip archive is damaged")?;
        let bytes = data
            .bytes(directory_start, size)
            .ok_or("the directory of the zip archive is damaged")?;
        Ok(Self { data, bytes, start })
    }

    /// Iterate over the entries; the iteration ends with an error if the directory is damaged.
    pub fn entries(&self) -> Entries<'_> {
        Entries { bytes: &self.bytes }
    }

    /// Return the content of an entry as it is in the archive.
    fn locate(&self, entry: &Entry<'_>) -> std::result::Result<Data<'a>, Reason> {
        const DAMAGED: Reason = "an entry is not within the zip archive";
        if entry.flags & ENCRYPTED != 0 {
            return Err("the entry is encrypted");
        }
        let offset = self.start.checked_add(entry.offset).ok_or(DAMAGED)?;
        let header = self.data.bytes(offset, 30).ok_or(DAMAGED)?;
        if long(&header, 0) != LOCAL {
            return Err(DAMAGED);
        }
        let names = u64::from(short(&header, 26)) + u64::from(short(&header, 28));
        let content = offset.checked_add(30 + names).ok_or(DAMAGED)?;
        self.data.part(content, entry.stored_size).ok_or(DAMAGED)
    }

    /// Return the content of an uncompressed entry without reading it; None if it is compressed.
    pub fn locate_stored(
        &self,
        entry: &Entry<'_>,
    ) -> std::result::Result<Option<Data<'a>>, Reason> {
        if entry.method != STORED {
            return Ok(None);
        }
        if entry.size != entry.stored_size {
            return Err("an entry has another size than the zip archive states");
        }
        self.locate(entry).map(Some)
    }

    /// Return the content of an entry of at most `limit` bytes.
    pub fn read_entry(
        &self,
        entry: &Entry<'_>,
        limit: u64,
    ) -> std::result::Result<Vec<u8>, Reason> {
        if entry.size > limit {
            return Err("an entry exceeds the limit for its size");
        }
        let mut content = Vec::with_capacity(entry.size as usize);
        let outcome = self.copy_entry(entry, |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        });
        match outcome {
            Ok(Ok(())) => Ok(content),
            Ok(Err(reason)) => Err(reason),
            Err(_) => Err("the file cannot be read"),
        }
    }

    /// Call a function with the decompressed content of an entry in pieces, at most as many bytes as the archive states.
    pub fn copy_entry(
        &self,
        entry: &Entry<'_>,
        mut write: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<std::result::Result<(), Reason>> {
        let stored = match self.locate(entry) {
            Ok(data) => data,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut size = 0;
        let mut crc = Crc::new();
        let mut outcome = Ok(());
        let mut visit = |bytes: &[u8]| {
            size += bytes.len() as u64;
            if size > entry.size {
                return false;
            }
            crc.update(bytes);
            outcome = write(bytes);
            outcome.is_ok()
        };
        let is_complete = match entry.method {
            STORED => stored.for_each_window(0, |bytes, _| visit(bytes)).is_ok(),
            DEFLATED => inflate(&stored, &mut visit),
            _ => return Ok(Err("the entry has an unknown compression method")),
        };
        outcome?;
        if !is_complete {
            return Ok(Err("the compressed data of an entry is damaged"));
        }
        if size != entry.size {
            return Ok(Err("an entry has another size than the zip archive states"));
        }
        if crc.sum() != entry.crc {
            return Ok(Err("an entry has a wrong checksum"));
        }
        Ok(Ok(()))
    }
}

/// Return the end of the directory, its size and its offset from the record of zip64 before the end record.
fn read_end_64(data: &Data<'_>, end: u64) -> Option<(u64, u64, u64)> {
    let locator = data.bytes(end.checked_sub(LOCATOR_SIZE)?, LOCATOR_SIZE)?;
    if long(&locator, 0) != LOCATOR_64 {
        return None;
    }
    // Without a start script the record is where the locator states, otherwise directly before it.
    let before = end.checked_sub(LOCATOR_SIZE + 56)?;
    [quad(&locator, 8), before].into_iter().find_map(|offset| {
        let record = data.bytes(offset, 56)?;
        (long(&record, 0) == END_64).then(|| (offset, quad(&record, 40), quad(&record, 48)))
    })
}

/// Inflate raw deflate data; return True if the data is complete.
fn inflate(stored: &Data<'_>, visit: &mut impl FnMut(&[u8]) -> bool) -> bool {
    let mut inflater = Decompress::new(false);
    let mut buffer = vec![0; WINDOW.min(64 << 10)];
    let mut is_complete = false;
    let outcome = stored.for_each_window(0, |bytes, _| {
        let mut rest = bytes;
        loop {
            let (consumed, produced) = (inflater.total_in(), inflater.total_out());
            let Ok(status) = inflater.decompress(rest, &mut buffer, FlushDecompress::None) else {
                return false;
            };
            let consumed = (inflater.total_in() - consumed) as usize;
            let produced = (inflater.total_out() - produced) as usize;
            rest = &rest[consumed..];
            if produced > 0 && !visit(&buffer[..produced]) {
                return false;
            }
            if status == Status::StreamEnd {
                is_complete = true;
                return false;
            }
            if produced < buffer.len() && (rest.is_empty() || consumed == 0) {
                return true;
            }
        }
    });
    outcome.is_ok() && is_complete
}

pub struct Entries<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = std::result::Result<Entry<'a>, Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.bytes;
        // A digital signature may follow the entries.
        if bytes.len() < CENTRAL_SIZE || long(bytes, 0) != CENTRAL {
            return None;
        }
        let name_size = usize::from(short(bytes, 28));
        let extra_size = usize::from(short(bytes, 30));
        let comment_size = usize::from(short(bytes, 32));
        let end = CENTRAL_SIZE + name_size + extra_size + comment_size;
        if end > bytes.len() {
            self.bytes = &[];
            return Some(Err("the directory of the zip archive is damaged"));
        }
        self.bytes = &bytes[end..];
        let mut entry = Entry {
            name: &bytes[CENTRAL_SIZE..CENTRAL_SIZE + name_size],
            size: u64::from(long(bytes, 24)),
            stored_size: u64::from(long(bytes, 20)),
            offset: u64::from(long(bytes, 42)),
            method: short(bytes, 10),
            flags: short(bytes, 8),
            crc: long(bytes, 16),
        };
        read_extra_64(
            &bytes[CENTRAL_SIZE + name_size..CENTRAL_SIZE + name_size + extra_size],
            &mut entry,
        );
        Some(Ok(entry))
    }
}

/// Set the numbers of an entry that do not fit 32 bits from its extra field.
fn read_extra_64(extra: &[u8], entry: &mut Entry<'_>) {
    let mut rest = extra;
    while rest.len() >= 4 {
        let size = usize::from(short(rest, 2));
        let Some(field) = rest.get(4..4 + size) else {
            return;
        };
        if short(rest, 0) == 1 {
            let mut numbers = field.chunks_exact(8).map(|bytes| quad(bytes, 0));
            for value in [&mut entry.size, &mut entry.stored_size, &mut entry.offset] {
                if *value == 0xffff_ffff {
                    *value = numbers.next().unwrap_or(*value);
                }
            }
            return;
        }
        rest = &rest[4 + size..];
    }
}

fn short(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

fn long(bytes: &[u8], offset: usize) -> u32 {
    u32::from(short(bytes, offset)) | u32::from(short(bytes, offset + 2)) << 16
}

fn quad(bytes: &[u8], offset: usize) -> u64 {
    u64::from(long(bytes, offset)) | u64::from(long(bytes, offset + 4)) << 32
}
