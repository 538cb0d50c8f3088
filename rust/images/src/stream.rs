//! The uncompressed archive as a buffered stream with its digest. Data is not copied to be skipped.

use std::io::Read;

use sha2::{Digest, Sha256};

use crate::error::{exceeds, Result};
use crate::limits::Limits;
use crate::unpack::{Stored, Unpacker};

/// Bytes that `peek` can return in one piece.
pub const MAX_PEEK: usize = 1 << 20;
/// Small enough for the caches of a core, in which decompression, digest and reader find the data.
const CHUNK: usize = 128 << 10;

/// Bytes that are moved to the start of the buffer instead of moving on in it.
const CHEAP_COPY: usize = 8 << 10;

pub struct Stream<R> {
    unpacker: Unpacker<R>,
    digest: Sha256,
    size: u64,
    limits: Limits,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    is_finished: bool,
}

/// Digests and sizes of the blob and of the archive.
pub struct Digests {
    pub stored: [u8; 32],
    pub stored_size: u64,
    pub unpacked: [u8; 32],
    pub unpacked_size: u64,
}

impl<R: Read> Stream<R> {
    pub fn new(source: R, limits: &Limits) -> Result<Self> {
        Ok(Self {
            unpacker: Unpacker::new(source, limits)?,
            digest: Sha256::new(),
            size: 0,
            limits: limits.clone(),
            buffer: vec![0; MAX_PEEK + CHUNK].into_boxed_slice(),
            start: 0,
            end: 0,
            is_finished: false,
        })
    }

    /// Return the next `count` bytes without consuming them, fewer at the end. `count` is at most `MAX_PEEK`.
    pub fn peek(&mut self, count: usize) -> Result<&[u8]> {
        while self.end - self.start < count && !self.is_finished {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.end.min(self.start + count)])
    }

    /// Return the bytes in the buffer, at least one before the end.
    pub fn available(&mut self) -> Result<&[u8]> {
        if self.start == self.end && !self.is_finished {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Consume bytes that `peek` or `available` returned.
    pub fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }

    /// Consume up to `count` bytes; return their number, which is less only at the end.
    pub fn skip(&mut self, count: u64) -> Result<u64> {
        let mut remaining = count;
        while remaining > 0 {
            let size = self.available()?.len() as u64;
            if size == 0 {
                break;
            }
            let size = size.min(remaining);
            self.consume(size as usize);
            remaining -= size;
        }
        Ok(count - remaining)
    }

    /// Read to the end of the blob and return the digests.
    pub fn finish(mut self) -> Result<Digests> {
        self.skip(u64::MAX)?;
        let Stored { digest, size } = self.unpacker.finish();
        let unpacked: [u8; 32] = self.digest.finalize().into();
        Ok(Digests {
            stored: digest.unwrap_or(unpacked),
            stored_size: size,
            unpacked,
            unpacked_size: self.size,
        })
    }

    fn fill(&mut self) -> Result<()> {
        let is_full = self.end + CHUNK > self.buffer.len();
        if is_full || self.end - self.start <= CHEAP_COPY {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let size = self
            .unpacker
            .read(&mut self.buffer[self.end..self.end + CHUNK])?;
        self.digest.update(&self.buffer[self.end..self.end + size]);
        self.end += size;
        self.size += size as u64;
        self.is_finished = size < CHUNK;
        self.check_size()
    }

    fn check_size(&self) -> Result<()> {
        let limits = &self.limits;
        if self.size > limits.unpacked {
            return exceeds("the unpacked layer", limits.unpacked, "bytes");
        }
        let stored = self.unpacker.stored_size();
        if self.size > limits.free_ratio && self.size / limits.ratio > stored {
            return exceeds(
                &format!(
                    "the layer unpacks {stored} bytes to more than {} and",
                    self.size
                ),
                limits.ratio,
                "unpacked bytes for each stored byte",
            );
        }
        Ok(())
    }
}
