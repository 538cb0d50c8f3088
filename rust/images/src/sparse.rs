//! Maps of sparse files: the old GNU format and the pax formats 0.0, 0.1 and 1.0 (GNU tar manual, Sparse Formats).

use std::io::Read;

use crate::error::{damaged, Result};
use crate::header::{parse_size, Entry, Segment, BLOCK};
use crate::limits::MAX_SEGMENTS;
use crate::pax::{parse_decimal, PaxRecords};
use crate::stream::Stream;

pub fn read_old_gnu<R: Read>(
    stream: &mut Stream<R>,
    header: &[u8; BLOCK],
    entry: &mut Entry,
) -> Result<()> {
    let size = parse_size(&header[483..495])?;
    let mut segments = Vec::new();
    add_segments(&header[386..482], &mut segments)?;
    let mut is_extended = header[482] != 0;
    while is_extended {
        let block = stream.peek(BLOCK)?;
        if block.len() < BLOCK {
            return damaged("the tar archive ends within the map of a sparse file");
        }
        add_segments(&block[..504], &mut segments)?;
        is_extended = block[504] != 0;
        stream.consume(BLOCK);
    }
    set_segments(entry, segments, size)
}

fn add_segments(fields: &[u8], segments: &mut Vec<Segment>) -> Result<()> {
    for fields in fields.chunks_exact(24) {
        if fields[0] == 0 {
            break;
        }
        push(
            segments,
            parse_size(&fields[..12])?,
            parse_size(&fields[12..])?,
        )?;
    }
    Ok(())
}

fn push(segments: &mut Vec<Segment>, offset: u64, size: u64) -> Result<()> {
    if segments.len() >= MAX_SEGMENTS {
        return damaged(format!(
            "the tar archive has a sparse file with more than {MAX_SEGMENTS} segments"
        ));
    }
    segments.push(Segment { offset, size });
    Ok(())
}

pub fn read_pax<R: Read>(
    stream: &mut Stream<R>,
    records: &mut PaxRecords,
    entry: &mut Entry,
) -> Result<()> {
    if let Some(name) = records.sparse_name.take() {
        entry.path = name;
    }
    let numbers = if records.sparse_major == Some(1) {
        read_map(stream, entry)?
    } else {
        std::mem::take(&mut records.sparse_map)
    };
    if numbers.len() % 2 == 1 {
        return damaged("the tar archive has an invalid map of a sparse file");
    }
    let mut segments = Vec::new();
    for pair in numbers.chunks_exact(2) {
        push(&mut segments, pair[0], pair[1])?;
    }
    let size = records.sparse_size.unwrap_or(entry.stored_size);
    set_segments(entry, segments, size)
}

/// Read the map of format 1.0, decimal lines at the start of the content: the number of segments, then their numbers.
fn read_map<R: Read>(stream: &mut Stream<R>, entry: &mut Entry) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    let mut expected = None;
    let mut digits = Vec::new();
    while expected != Some(numbers.len()) {
        let block = stream.peek(BLOCK)?;
        if block.len() < BLOCK || entry.stored_size < BLOCK as u64 {
            return damaged("the tar archive ends within the map of a sparse file");
        }
        for byte in block {
            if *byte != b'\n' {
                digits.push(*byte);
                if digits.len() > 20 {
                    return damaged("the tar archive has an invalid map of a sparse file");
                }
                continue;
            }
            let Some(number) = parse_decimal(&digits) else {
                return damaged("the tar archive has an invalid map of a sparse file");
            };
            digits.clear();
            if expected.is_none() {
                if number > MAX_SEGMENTS as u64 {
                    return damaged(format!(
                        "the tar archive has a sparse file with more than {MAX_SEGMENTS} segments"
                    ));
                }
                expected = Some(2 * number as usize);
            } else {
                numbers.push(number);
            }
            if expected == Some(numbers.len()) {
                break;
            }
        }
        stream.consume(BLOCK);
        entry.stored_size -= BLOCK as u64;
    }
    Ok(numbers)
}

/// Set the segments of a file: in order, without overlap, within the size, and as large together as its data.
fn set_segments(entry: &mut Entry, segments: Vec<Segment>, size: u64) -> Result<()> {
    let (mut end, mut data) = (0u64, 0u64);
    for segment in &segments {
        let Some(next) = segment.offset.checked_add(segment.size) else {
            return damaged("the tar archive has an invalid map of a sparse file");
        };
        if segment.offset < end || next > size {
            return damaged("the tar archive has an invalid map of a sparse file");
        }
        end = next;
        data += segment.size;
    }
    if data != entry.stored_size {
        return damaged("the tar archive has a sparse file with another size than its map");
    }
    entry.size = size;
    entry.segments = Some(segments);
    Ok(())
}
