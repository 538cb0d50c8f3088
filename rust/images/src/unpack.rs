//! Decompression of a blob, detected by its first bytes. Computes the digest and size of the blob on the way.
//!
//! gzip with several members and zstd with several and with skippable frames are read to their end; other bytes after
//! them are an error, as in containerd and Docker. The CRC of gzip is not compared: callers compare the digest of the
//! whole archive.

use std::io::{ErrorKind, Read};

use sha2::{Digest, Sha256};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use crate::error::{damaged, exceeds, Error, Result};
use crate::inflate::{Fault, Inflater, HISTORY, MIN_INPUT};
use crate::limits::{Limits, MAX_ZSTD_WINDOW};

const CHUNK: usize = 256 << 10;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const OTHER_FORMATS: [(&[u8], &str); 4] = [
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
];

/// The blob as stored.
pub struct Blob<R> {
    source: R,
    digest: Option<Sha256>,
    size: u64,
    limit: u64,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl<R: Read> Blob<R> {
    fn new(source: R, limit: u64) -> Self {
        let buffer = vec![0; CHUNK].into_boxed_slice();
        Self {
            source,
            digest: Some(Sha256::new()),
            size: 0,
            limit,
            buffer,
            start: 0,
            end: 0,
        }
    }

    fn available(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Read until `count` bytes are available or the blob ends; return the number of available bytes.
    fn fill(&mut self, count: usize) -> Result<usize> {
        while self.end - self.start < count {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            let size = read_some(&mut self.source, &mut self.buffer[self.end..])?;
            if size == 0 {
                break;
            }
            self.account(self.end, size)?;
            self.end += size;
        }
        Ok(self.end - self.start)
    }

    fn account(&mut self, start: usize, size: usize) -> Result<()> {
        self.size += size as u64;
        if self.size > self.limit {
            return exceeds("the stored layer", self.limit, "bytes");
        }
        if let Some(digest) = &mut self.digest {
            digest.update(&self.buffer[start..start + size]);
        }
        Ok(())
    }

    /// Return the next byte; `part` is named if the blob ends there.
    fn next_byte(&mut self, part: &str) -> Result<u8> {
        if self.fill(1)? == 0 {
            return damaged(format!("the layer ends within {part}"));
        }
        self.start += 1;
        Ok(self.buffer[self.start - 1])
    }
}

fn read_some(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match source.read(buffer) {
            Ok(size) if size <= buffer.len() => return Ok(size),
            Ok(_) => return damaged("the origin of the layer returned more bytes than requested"),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Source(error)),
        }
    }
}

enum Format {
    Plain,
    Gzip {
        inflater: Inflater,
        is_open: bool,
        /// Bytes of the current member.
        size: u64,
    },
    Zstd {
        context: Box<DCtx<'static>>,
        is_open: bool,
    },
}

/// The uncompressed archive as a stream.
pub struct Unpacker<R> {
    blob: Blob<R>,
    format: Format,
}

/// Digest and size of the blob; None as digest if it equals that of the archive because nothing was compressed.
pub struct Stored {
    pub digest: Option<[u8; 32]>,
    pub size: u64,
}

impl<R: Read> Unpacker<R> {
    pub fn new(source: R, limits: &Limits) -> Result<Self> {
        let mut blob = Blob::new(source, limits.stored);
        // Digest later what the detection reads, in case that the blob is not compressed.
        blob.fill(8)?;
        let head = blob.available();
        let format = if head.starts_with(GZIP) {
            Format::Gzip {
                inflater: Inflater::new(),
                is_open: false,
                size: 0,
            }
        } else if head.starts_with(ZSTD) || is_skippable_frame(head) {
            let Some(mut context) = DCtx::try_create() else {
                return damaged("no memory for the decompression of zstd");
            };
            if context
                .set_parameter(DParameter::WindowLogMax(MAX_ZSTD_WINDOW))
                .is_err()
            {
                return damaged("the window of zstd cannot be limited");
            }
            Format::Zstd {
                context: Box::new(context),
                is_open: false,
            }
        } else {
            for (magic, name) in OTHER_FORMATS {
                if head.starts_with(magic) {
                    return damaged(format!(
                        "the layer is compressed with {name}, which container runtimes do not support; use gzip or zstd"
                    ));
                }
            }
            blob.digest = None;
            Format::Plain
        };
        Ok(Self { blob, format })
    }

    /// Bytes of the blob that were read.
    pub fn stored_size(&self) -> u64 {
        self.blob.size
    }

    /// Bytes before those that are read next which must stay in the buffer.
    pub fn history(&self) -> usize {
        match self.format {
            Format::Gzip { .. } => HISTORY,
            _ => 0,
        }
    }

    /// Add the next bytes to the buffer from `start` on until `limit` is reached, which may exceed it by `SLACK`; return
    /// their number. Only at the end, the limit is not reached.
    pub fn read(&mut self, buffer: &mut [u8], start: usize, limit: usize) -> Result<usize> {
        let mut end = start;
        while end < limit {
            let size = self.read_some(buffer, end, limit)?;
            if size == 0 {
                break;
            }
            end += size;
        }
        Ok(end - start)
    }

    fn read_some(&mut self, buffer: &mut [u8], start: usize, limit: usize) -> Result<usize> {
        let blob = &mut self.blob;
        match &mut self.format {
            Format::Plain => {
                let buffer = &mut buffer[start..limit];
                let available = blob.available();
                if !available.is_empty() {
                    let size = available.len().min(buffer.len());
                    buffer[..size].copy_from_slice(&available[..size]);
                    blob.start += size;
                    return Ok(size);
                }
                let size = read_some(&mut blob.source, buffer)?;
                blob.size += size as u64;
                if blob.size > blob.limit {
                    return exceeds("the stored layer", blob.limit, "bytes");
                }
                Ok(size)
            }
            Format::Gzip {
                inflater,
                is_open,
                size,
            } => read_gzip(blob, inflater, (is_open, size), buffer, start, limit),
            Format::Zstd { context, is_open } => {
                read_zstd(blob, context, is_open, &mut buffer[start..limit])
            }
        }
    }

    pub fn finish(self) -> Stored {
        Stored {
            digest: self.blob.digest.map(|digest| digest.finalize().into()),
            size: self.blob.size,
        }
    }
}

fn is_skippable_frame(head: &[u8]) -> bool {
    head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18]
}

fn read_gzip<R: Read>(
    blob: &mut Blob<R>,
    inflater: &mut Inflater,
    (is_open, member_size): (&mut bool, &mut u64),
    buffer: &mut [u8],
    start: usize,
    limit: usize,
) -> Result<usize> {
    loop {
        if !*is_open {
            if blob.fill(1)? == 0 {
                return Ok(0);
            }
            read_gzip_header(blob)?;
            inflater.reset();
            *is_open = true;
            *member_size = 0;
        }
        blob.fill(MIN_INPUT)?;
        // Distances must not reach into an earlier member.
        let first = start - start.min((*member_size).min(HISTORY as u64) as usize);
        let (consumed, produced) = inflater
            .inflate(
                blob.available(),
                &mut buffer[first..],
                start - first,
                limit - first,
            )
            .map_err(describe_fault)?;
        blob.start += consumed;
        *member_size += produced as u64;
        if inflater.is_done() {
            for _ in 0..4 {
                blob.next_byte("the end of its gzip data")?; // CRC
            }
            let mut size = [0; 4];
            for byte in &mut size {
                *byte = blob.next_byte("the end of its gzip data")?;
            }
            if u32::from_le_bytes(size) != *member_size as u32 {
                return damaged(
                    "the gzip data of the layer has another size than its trailer states",
                );
            }
            *is_open = false;
        }
        if produced > 0 {
            return Ok(produced);
        }
    }
}

fn describe_fault(fault: Fault) -> Error {
    Error::Damaged(match fault {
        Fault::Truncated => "the layer ends within its gzip data".to_owned(),
        Fault::Damaged(reason) => format!("the gzip data of the layer is damaged: {reason}"),
    })
}

/// Read the header of a gzip member (RFC 1952, section 2.3).
fn read_gzip_header<R: Read>(blob: &mut Blob<R>) -> Result<()> {
    const PART: &str = "a gzip header";
    blob.fill(GZIP.len())?;
    if !blob.available().starts_with(GZIP) {
        return damaged("the layer has other bytes after its gzip data");
    }
    let mut head = [0; 10];
    for byte in &mut head {
        *byte = blob.next_byte(PART)?;
    }
    let flags = head[3];
    if head[2] != 8 || flags & 0xe0 != 0 {
        return damaged("the layer has a gzip header of an unknown kind");
    }
    if flags & 4 != 0 {
        let size = usize::from(u16::from_le_bytes([
            blob.next_byte(PART)?,
            blob.next_byte(PART)?,
        ]));
        for _ in 0..size {
            blob.next_byte(PART)?;
        }
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let mut size = 0;
            while blob.next_byte(PART)? != 0 {
                size += 1;
                if size > 64 << 10 {
                    return damaged(
                        "the layer has a name in a gzip header that exceeds the limit of 64 KiB",
                    );
                }
            }
        }
    }
    if flags & 2 != 0 {
        blob.next_byte(PART)?;
        blob.next_byte(PART)?;
    }
    Ok(())
}

fn read_zstd<R: Read>(
    blob: &mut Blob<R>,
    context: &mut DCtx<'static>,
    is_open: &mut bool,
    buffer: &mut [u8],
) -> Result<usize> {
    loop {
        let at_end = blob.fill(1)? == 0;
        if at_end && !*is_open {
            return Ok(0);
        }
        let mut input = InBuffer::around(blob.available());
        let mut output = OutBuffer::around(buffer);
        let hint = context
            .decompress_stream(&mut output, &mut input)
            .map_err(|code| {
                Error::Damaged(format!(
                    "the zstd data of the layer is damaged or needs too much memory: {}",
                    zstd_safe::get_error_name(code)
                ))
            })?;
        let (consumed, produced) = (input.pos(), output.pos());
        blob.start += consumed;
        *is_open = hint != 0;
        if produced > 0 {
            return Ok(produced);
        }
        if consumed == 0 && *is_open {
            return damaged("the layer ends within its zstd data");
        }
    }
}
