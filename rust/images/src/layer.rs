//! One pass over a layer. Reads each byte once, in order, and writes nothing except temporary files within limits.

use std::io::Read;

use crate::collector::{Collector, Layer, Request};
use crate::content::{Data, Spool};
use crate::error::{damaged, describe_amount, Result};
use crate::header::{Entry, Kind};
use crate::paths::clean;
use crate::stream::{Stream, MAX_PEEK};
use crate::tar::{next_entry, skip_padding};

/// Bytes that show the kind of a file.
const HEAD: usize = 64;
const TRUNCATED: &str = "the tar archive ends within the content of a file";

/// Read a layer: a tar archive, compressed with gzip, zstd or not at all.
pub fn read_layer<R: Read>(source: R, request: &Request<'_>) -> Result<Layer> {
    let mut stream = Stream::new(source, request.limits)?;
    let mut collector = Collector::new(request);
    let mut spool = Spool::new(request.folder, request.limits.memory);
    while let Some(entry) = next_entry(&mut stream)? {
        let unread = read_entry(&mut stream, &mut collector, &mut spool, request, &entry)?;
        if stream.skip(unread)? < unread {
            return damaged(TRUNCATED);
        }
        skip_padding(&mut stream, entry.stored_size)?;
    }
    let digests = stream.finish()?;
    Ok(collector.finish(Some(digests)))
}

/// Read an entry; return the number of bytes of its content that were not consumed.
fn read_entry<R: Read>(
    stream: &mut Stream<R>,
    collector: &mut Collector<'_>,
    spool: &mut Spool,
    request: &Request<'_>,
    entry: &Entry,
) -> Result<u64> {
    let path = match clean(&entry.path) {
        Ok(path) => path,
        Err(reason) => {
            collector.count()?;
            collector.add_problem(&entry.path[..entry.path.len().min(256)], reason);
            return Ok(entry.stored_size);
        }
    };
    if let Some(only) = request.only {
        collector.count()?;
        return match only.get(&path) {
            Some(links) if entry.kind == Kind::File => {
                read_file(stream, collector, spool, request, entry, links)
            }
            _ => Ok(entry.stored_size),
        };
    }
    collector.begin(&path)?;
    if path.is_empty() || entry.kind == Kind::Folder || !collector.add_path(&path)? {
        return Ok(entry.stored_size);
    }
    if matches!(entry.kind, Kind::File | Kind::HardLink) {
        collector.add_mode(&path, entry.mode, entry.owner, entry.group);
    }
    match entry.kind {
        Kind::HardLink => collector.add_link(&path, &entry.target)?,
        Kind::SymbolicLink => collector.add_symbolic_link(&path, &entry.target),
        _ => {}
    }
    if entry.kind != Kind::File {
        return Ok(entry.stored_size);
    }
    read_file(stream, collector, spool, request, entry, &[path])
}

/// Read a file under one or more paths; return the number of bytes of its content that were not consumed.
fn read_file<R: Read>(
    stream: &mut Stream<R>,
    collector: &mut Collector<'_>,
    spool: &mut Spool,
    request: &Request<'_>,
    entry: &Entry,
    paths: &[Vec<u8>],
) -> Result<u64> {
    let is_dense = entry
        .segments
        .as_ref()
        .is_none_or(|segments| segments.first().is_some_and(|segment| segment.offset == 0));
    let head_size = if is_dense {
        entry.stored_size.min(HEAD as u64)
    } else {
        0
    };
    let head = stream.peek(head_size as usize)?;
    if (head.len() as u64) < head_size {
        return damaged(TRUNCATED);
    }
    let plans: Vec<_> = paths
        .iter()
        .map(|path| (path, collector.plan(path, entry.size, head)))
        .filter(|(_, plan)| !plan.is_empty())
        .collect();
    if plans.is_empty() {
        return Ok(entry.stored_size);
    }
    if entry.size > request.limits.spill {
        let limit = describe_amount(request.limits.spill, "bytes");
        for (path, _) in plans {
            collector.add_problem(
                path,
                format!("the file exceeds the limit of {limit} and is not read"),
            );
        }
        return Ok(entry.stored_size);
    }
    if entry.segments.is_none() && entry.size <= MAX_PEEK as u64 {
        let content = stream.peek(entry.size as usize)?;
        if (content.len() as u64) < entry.size {
            return damaged(TRUNCATED);
        }
        for (path, plan) in plans {
            collector.add_content(path, &plan, Data::Memory(content))?;
        }
        return Ok(entry.stored_size);
    }
    spool.reset(entry.size)?;
    copy_content(stream, entry, spool)?;
    for (path, plan) in plans {
        collector.add_content(path, &plan, spool.data())?;
    }
    Ok(0)
}

/// Copy the content of a file, with the zeros of a sparse one.
fn copy_content<R: Read>(stream: &mut Stream<R>, entry: &Entry, spool: &mut Spool) -> Result<()> {
    let Some(segments) = &entry.segments else {
        return copy_bytes(stream, entry.size, spool);
    };
    for segment in segments {
        write_zeros(segment.offset, spool)?;
        copy_bytes(stream, segment.size, spool)?;
    }
    write_zeros(entry.size, spool)
}

fn copy_bytes<R: Read>(stream: &mut Stream<R>, size: u64, spool: &mut Spool) -> Result<()> {
    let mut remaining = size;
    while remaining > 0 {
        let bytes = stream.available()?;
        let count = remaining.min(bytes.len() as u64) as usize;
        if count == 0 {
            return damaged(TRUNCATED);
        }
        spool.write(&bytes[..count])?;
        stream.consume(count);
        remaining -= count as u64;
    }
    Ok(())
}

/// Write zeros until the content has a size.
fn write_zeros(size: u64, spool: &mut Spool) -> Result<()> {
    let zeros = [0; 64 << 10];
    while spool.len() < size {
        let count = (size - spool.len()).min(zeros.len() as u64) as usize;
        spool.write(&zeros[..count])?;
    }
    Ok(())
}
