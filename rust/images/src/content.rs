//! Content of files for random access: in memory, or in an unlinked temporary file if it is large.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};

/// Bytes that are read at a time from a temporary file.
pub const WINDOW: usize = 1 << 20;

/// The content of a file.
#[derive(Clone, Copy)]
pub enum Data<'a> {
    Memory(&'a [u8]),
    /// A part of an open file: start and size.
    File(&'a File, u64, u64),
}

impl<'a> Data<'a> {
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, _, size) => *size,
        }
    }

    /// Return a part; None if it is not completely within the content.
    pub fn part(&self, offset: u64, size: u64) -> Option<Data<'a>> {
        if offset.checked_add(size)? > self.len() {
            return None;
        }
        Some(match self {
            Self::Memory(bytes) => Self::Memory(&bytes[offset as usize..(offset + size) as usize]),
            Self::File(file, start, _) => Self::File(file, start + offset, size),
        })
    }

    /// Return a part as bytes; None if it is not completely within the content or cannot be read. Callers limit the size.
    pub fn bytes(&self, offset: u64, size: u64) -> Option<Cow<'a, [u8]>> {
        match self.part(offset, size)? {
            Data::Memory(bytes) => Some(Cow::Borrowed(bytes)),
            Data::File(file, start, size) => {
                let mut buffer = vec![0; usize::try_from(size).ok()?];
                read_exact_at(file, &mut buffer, start).ok()?;
                Some(Cow::Owned(buffer))
            }
        }
    }

    /// Call a function with all bytes in pieces; each piece repeats the last `overlap` bytes of the previous one.
    pub fn for_each_window(
        &self,
        overlap: usize,
        mut visit: impl FnMut(&[u8], bool) -> bool,
    ) -> io::Result<()> {
        let (file, start, size) = match self {
            Self::Memory(bytes) => {
                visit(bytes, true);
                return Ok(());
            }
            Self::File(file, start, size) => (file, *start, *size),
        };
        let mut buffer = vec![0; WINDOW + overlap];
        let mut offset = 0;
        loop {
            let count = (size - offset).min(buffer.len() as u64) as usize;
            read_exact_at(file, &mut buffer[..count], start + offset)?;
            let is_last = offset + count as u64 == size;
            if !visit(&buffer[..count], is_last) || is_last {
                return Ok(());
            }
            offset += (count - overlap) as u64;
        }
    }
}

#[cfg(unix)]
pub fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
pub fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            size => {
                buffer = &mut buffer[size..];
                offset += size as u64;
            }
        }
    }
    Ok(())
}

/// A reusable place for the content of one file after the other.
pub struct Spool {
    folder: PathBuf,
    memory: Vec<u8>,
    memory_limit: u64,
    file: Option<File>,
    file_size: u64,
    is_in_file: bool,
}

impl Spool {
    pub fn new(folder: &Path, memory_limit: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            memory: Vec::new(),
            memory_limit,
            file: None,
            file_size: 0,
            is_in_file: false,
        }
    }

    /// Remove the content and prepare for content of the expected size.
    pub fn reset(&mut self, expected_size: u64) -> Result<()> {
        self.memory.clear();
        if let (Some(file), true) = (&mut self.file, self.is_in_file) {
            file.set_len(0).map_err(Error::Spill)?;
            file.rewind().map_err(Error::Spill)?;
        }
        self.file_size = 0;
        self.is_in_file = false;
        if expected_size > self.memory_limit {
            self.move_to_file()
        } else {
            self.memory.reserve_exact(expected_size as usize);
            Ok(())
        }
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.is_in_file && (self.memory.len() + bytes.len()) as u64 > self.memory_limit {
            self.move_to_file()?;
        }
        if let (Some(file), true) = (&mut self.file, self.is_in_file) {
            file.write_all(bytes).map_err(Error::Spill)?;
            self.file_size += bytes.len() as u64;
        } else {
            self.memory.extend_from_slice(bytes);
        }
        Ok(())
    }

    pub fn data(&self) -> Data<'_> {
        match &self.file {
            Some(file) if self.is_in_file => Data::File(file, 0, self.file_size),
            _ => Data::Memory(&self.memory),
        }
    }

    pub fn len(&self) -> u64 {
        self.data().len()
    }

    fn move_to_file(&mut self) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self
                .file
                .insert(tempfile::tempfile_in(&self.folder).map_err(Error::Spill)?),
        };
        file.write_all(&self.memory).map_err(Error::Spill)?;
        self.file_size = self.memory.len() as u64;
        self.memory.clear();
        self.is_in_file = true;
        Ok(())
    }
}

/// Content of the selected files of a layer: in memory up to a limit, then in an unlinked temporary file.
pub struct ContentStore {
    folder: PathBuf,
    memory_limit: u64,
    memory_size: u64,
    file: Option<File>,
    file_size: u64,
}

/// Content that a `ContentStore` keeps.
#[derive(Clone)]
pub enum Kept {
    Memory(Arc<[u8]>),
    File {
        offset: u64,
        size: usize,
    },
    /// A named temporary file, which callers read by its path.
    Named(Arc<Path>),
}

impl ContentStore {
    pub fn new(folder: &Path, memory_limit: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            memory_limit,
            memory_size: 0,
            file: None,
            file_size: 0,
        }
    }

    /// Keep the content of a file that is in memory.
    pub fn keep(&mut self, bytes: &[u8]) -> Result<Kept> {
        let size = bytes.len() as u64;
        if self.memory_size + size <= self.memory_limit {
            self.memory_size += size;
            return Ok(Kept::Memory(bytes.into()));
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self
                .file
                .insert(tempfile::tempfile_in(&self.folder).map_err(Error::Spill)?),
        };
        file.write_all(bytes).map_err(Error::Spill)?;
        let offset = self.file_size;
        self.file_size += size;
        Ok(Kept::File {
            offset,
            size: bytes.len(),
        })
    }

    /// Copy large content to a named temporary file, which the owner of the folder deletes.
    pub fn keep_named(&self, data: &Data<'_>) -> Result<Kept> {
        let (mut file, path) = tempfile::Builder::new()
            .prefix("database-")
            .tempfile_in(&self.folder)
            .and_then(|file| file.keep().map_err(|error| error.error))
            .map_err(Error::Spill)?;
        let mut outcome = Ok(());
        data.for_each_window(0, |bytes, _| {
            outcome = file.write_all(bytes);
            outcome.is_ok()
        })
        .and(outcome)
        .map_err(Error::Spill)?;
        Ok(Kept::Named(path.into()))
    }

    /// Return kept content; empty for named files.
    pub fn load<'a>(&self, kept: &'a Kept) -> Result<Cow<'a, [u8]>> {
        match (kept, &self.file) {
            (Kept::Memory(bytes), _) => Ok(Cow::Borrowed(bytes)),
            (Kept::File { offset, size }, Some(file)) => {
                let mut buffer = vec![0; *size];
                read_exact_at(file, &mut buffer, *offset).map_err(Error::Spill)?;
                Ok(Cow::Owned(buffer))
            }
            _ => Ok(Cow::Borrowed(&[])),
        }
    }
}

/// Return the little-endian number in the first 8 bytes. Panics if there are fewer.
pub fn read_word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(word)
}
