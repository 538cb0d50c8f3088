//! Decompression of a blob, detected by its first bytes. Computes the digest and size of the blob on the way.
//!
//! gzip with several members and zstd with several and with skippable frames are read to their end; other bytes after
//! them are an error, as in containerd and Docker. The CRC of gzip is not compared: callers compare the digest of the
//! whole archive.

use std::io::{ErrorKind, Read};

use flate2::{Decompress, FlushDecompress, Status};
use sha2::{Digest, Sha256};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use crate::error::{damaged, exceeds, Error, Result};
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
        inflater: Decompress,
        is_open: bool,
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
                inflater: Decompress::new(false),
                is_open: false,
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

    /// Fill the buffer; return the number of bytes, which is less only at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut end = 0;
        while end < buffer.len() {
            let size = self.read_some(&mut buffer[end..])?;
            if size == 0 {
                break;
            }
            end += size;
        }
        Ok(end)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let blob = &mut self.blob;
        match &mut self.format {
            Format::Plain => {
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
            Format::Gzip { inflater, is_open } => read_gzip(blob, inflater, is_open, buffer),
            Format::Zstd { context, is_open } => read_zstd(blob, context, is_open, buffer),
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
    inflater: &mut Decompress,
    is_open: &mut bool,
    buffer: &mut [u8],
) -> Result<usize> {
    loop {
        if !*is_open {
            if blob.fill(1)? == 0 {
                return Ok(0);
            }
            read_gzip_header(blob)?;
            inflater.reset(false);
            *is_open = true;
        }
        blob.fill(1)?;
        let (consumed, produced) = (inflater.total_in(), inflater.total_out());
        let status = inflater
            .decompress(blob.available(), buffer, FlushDecompress::None)
            .map_err(|error| {
                Error::Damaged(format!(
                    "the gzip data of the layer is damaged: {}",
                    error.message().unwrap_or("invalid deflate data")
                ))
            })?;
        let consumed = (inflater.total_in() - consumed) as usize;
        let produced = (inflater.total_out() - produced) as usize;
        blob.start += consumed;
        if status == Status::StreamEnd {
            read_gzip_trailer(blob, inflater.total_out())?;
            *is_open = false;
        } else if consumed == 0 && produced == 0 {
            return damaged("the layer ends within its gzip data");
        }
        if produced > 0 {
            return Ok(produced);
        }
    }
}

/// Read the CRC, which is not compared, and the size of a gzip member.
fn read_gzip_trailer<R: Read>(blob: &mut Blob<R>, unpacked: u64) -> Result<()> {
    let mut trailer = [0; 8];
    for byte in &mut trailer {
        *byte = blob.next_byte("the end of its gzip data")?;
    }
    if trailer[4..] != (unpacked as u32).to_le_bytes() {
        return damaged("the gzip data of the layer has another size than its trailer states");
    }
    Ok(())
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
