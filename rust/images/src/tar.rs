//! Entries of a tar archive as container runtimes read it: ustar, pax, GNU and old formats.
//!
//! Reads like Go's archive/tar, which containerd, Docker and Podman use: global pax headers have no effect, sizes of
//! links and folders are ignored, names of GNU headers win over pax. Unlike it, padding may be absent at the end. The
//! crate `tar` allocates headers of any size, and its raw mode ignores sizes in pax headers and maps of sparse files.

use std::io::Read;

use crate::error::{damaged, Result};
use crate::header::{parse_number, parse_size, until_nul, Entry, Kind, BLOCK};
use crate::limits::MAX_EXTENDED_HEADER;
use crate::pax::{self, PaxRecords};
use crate::sparse;
use crate::stream::Stream;

/// Return the next entry, None at the end. The content of the previous entry must be consumed.
pub fn next_entry<R: Read>(stream: &mut Stream<R>) -> Result<Option<Entry>> {
    let mut records = PaxRecords::default();
    let mut long_name = None;
    let mut long_target = None;
    loop {
        let Some(header) = read_header(stream)? else {
            return Ok(None);
        };
        match header[156] {
            b'x' => records = pax::parse(&read_extended(stream, &header)?)?,
            b'g' => {
                read_extended(stream, &header)?;
            }
            b'L' => long_name = Some(read_long_text(stream, &header)?),
            b'K' => long_target = Some(read_long_text(stream, &header)?),
            _ => return build_entry(stream, &header, records, long_name, long_target).map(Some),
        }
    }
}

/// Consume the padding after content of `size` bytes. It may be absent at the end of the archive.
pub fn skip_padding<R: Read>(stream: &mut Stream<R>, size: u64) -> Result<()> {
    stream.skip(padding(size)).map(|_| ())
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

fn read_header<R: Read>(stream: &mut Stream<R>) -> Result<Option<[u8; BLOCK]>> {
    let Some(block) = read_block(stream)? else {
        return Ok(None);
    };
    if block != [0; BLOCK] {
        check_sum(&block)?;
        return Ok(Some(block));
    }
    match read_block(stream)? {
        Some(block) if block != [0; BLOCK] => {
            damaged("the tar archive has an empty block between entries")
        }
        _ => Ok(None),
    }
}

fn read_block<R: Read>(stream: &mut Stream<R>) -> Result<Option<[u8; BLOCK]>> {
    let bytes = stream.peek(BLOCK)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let Ok(block) = <[u8; BLOCK]>::try_from(bytes) else {
        return damaged("the tar archive ends within a header");
    };
    stream.consume(BLOCK);
    Ok(Some(block))
}

/// Verify the sum of the header's bytes, which old programs computed with signed ones.
fn check_sum(block: &[u8; BLOCK]) -> Result<()> {
    let expected = parse_number(&block[148..156]).ok();
    let (mut unsigned, mut signed) = (0i64, 0i64);
    for (index, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&index) {
            b' '
        } else {
            *byte
        };
        unsigned += i64::from(byte);
        signed += i64::from(byte as i8);
    }
    if expected != Some(unsigned) && expected != Some(signed) {
        return damaged("the layer has a block with a wrong checksum where a tar header is expected; it is no tar archive or damaged");
    }
    Ok(())
}

fn read_extended<R: Read>(stream: &mut Stream<R>, header: &[u8; BLOCK]) -> Result<Vec<u8>> {
    let size = parse_size(&header[124..136])?;
    if size > MAX_EXTENDED_HEADER {
        return damaged(format!(
            "a tar header of {size} bytes for extended attributes or a long name exceeds the limit of 1 MiB"
        ));
    }
    let bytes = stream.peek(size as usize)?.to_vec();
    if (bytes.len() as u64) < size {
        return damaged("the tar archive ends within a header");
    }
    stream.consume(bytes.len());
    skip_padding(stream, size)?;
    Ok(bytes)
}

fn read_long_text<R: Read>(stream: &mut Stream<R>, header: &[u8; BLOCK]) -> Result<Vec<u8>> {
    Ok(until_nul(&read_extended(stream, header)?).to_vec())
}

fn build_entry<R: Read>(
    stream: &mut Stream<R>,
    header: &[u8; BLOCK],
    mut records: PaxRecords,
    long_name: Option<Vec<u8>>,
    long_target: Option<Vec<u8>>,
) -> Result<Entry> {
    let flag = header[156];
    let has_data = !matches!(flag, b'1'..=b'6');
    let size = match records.size {
        Some(size) => size,
        None => parse_size(&header[124..136])?,
    };
    let stored_size = if has_data { size } else { 0 };
    let mut entry = Entry {
        path: long_name.unwrap_or_else(|| records.path.take().unwrap_or_else(|| name(header))),
        target: long_target.unwrap_or_else(|| {
            records
                .target
                .take()
                .unwrap_or_else(|| until_nul(&header[157..257]).to_vec())
        }),
        kind: Kind::Other,
        mode: (parse_number(&header[100..108])? & 0o7777) as u32,
        owner: records
            .owner
            .unwrap_or(parse_number(&header[108..116])? as u64),
        group: records
            .group
            .unwrap_or(parse_number(&header[116..124])? as u64),
        stored_size,
        size: stored_size,
        segments: None,
    };
    entry.kind = match flag {
        0 if entry.path.ends_with(b"/") => Kind::Folder,
        0 | b'0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::SymbolicLink,
        b'5' => Kind::Folder,
        _ => Kind::Other,
    };
    if flag == b'S' {
        sparse::read_old_gnu(stream, header, &mut entry)?;
    } else if entry.kind == Kind::File && records.is_sparse() {
        sparse::read_pax(stream, &mut records, &mut entry)?;
    }
    Ok(entry)
}

/// Return the name of a header: in ustar with its prefix, whose place GNU and old formats use otherwise.
fn name(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_nul(&header[..100]);
    let prefix = match &header[257..265] {
        b"ustar\x0000" if header[508..512] == *b"tar\0" => until_nul(&header[345..476]),
        b"ustar\x0000" => until_nul(&header[345..500]),
        _ => b"",
    };
    if prefix.is_empty() {
        return name.to_vec();
    }
    [prefix, b"/", name].concat()
}
