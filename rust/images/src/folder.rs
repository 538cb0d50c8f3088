//! The same facts of a folder in the file system. Follows no links, so that nothing outside of the folder is read.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use crate::collector::{Collector, Layer, Request};
use crate::content::{read_exact_at, Data};
use crate::error::{describe_amount, Error, Result};

const HEAD: u64 = 64;
const MAX_DEPTH: usize = 256;
const GIT: &str = ".git";

/// Read a folder. Unreadable files are problems, an unreadable folder itself is an error.
pub fn read_folder(folder: &Path, request: &Request<'_>) -> Result<Layer> {
    std::fs::read_dir(folder).map_err(Error::Source)?;
    let mut collector = Collector::new(request);
    let mut buffer = Vec::new();
    let walk = WalkDir::new(folder)
        .follow_links(false)
        .follow_root_links(true)
        .min_depth(1)
        .max_depth(MAX_DEPTH)
        .max_open(64)
        .sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| !is_git_folder(entry)) {
        match entry {
            Ok(entry) => read_entry(folder, &entry, request, &mut collector, &mut buffer)?,
            Err(error) => {
                let path = error.path().and_then(|path| relative_path(folder, path));
                let reason = error
                    .io_error()
                    .map_or_else(|| error.to_string(), io::Error::to_string);
                collector.add_problem(&path.unwrap_or_default(), reason);
            }
        }
    }
    Ok(collector.finish(None))
}

fn is_git_folder(entry: &DirEntry) -> bool {
    entry.file_type().is_dir() && entry.file_name() == GIT
}

fn read_entry(
    folder: &Path,
    entry: &DirEntry,
    request: &Request<'_>,
    collector: &mut Collector<'_>,
    buffer: &mut Vec<u8>,
) -> Result<()> {
    let Some(path) = relative_path(folder, entry.path()) else {
        return Ok(());
    };
    collector.begin(&path)?;
    let kind = entry.file_type();
    // Whiteout files have no meaning in a folder, but are no content of an image either.
    if kind.is_dir() || !collector.add_path(&path)? {
        return Ok(());
    }
    if !kind.is_file() {
        if let (true, Ok(target)) = (kind.is_symlink(), fs::read_link(entry.path())) {
            collector.add_symbolic_link(&path, target.as_os_str().as_encoded_bytes());
        }
        return Ok(());
    }
    match open_file(entry.path()) {
        Ok(Some((file, size))) => {
            add_mode(&file, &path, collector);
            match read_file(&file, size, &path, request, collector, buffer)? {
                Ok(()) => {}
                Err(error) => collector.add_problem(&path, error.to_string()),
            }
        }
        Ok(None) => {}
        Err(error) => collector.add_problem(&path, error.to_string()),
    }
    Ok(())
}

fn read_file(
    file: &File,
    size: u64,
    path: &[u8],
    request: &Request<'_>,
    collector: &mut Collector<'_>,
    buffer: &mut Vec<u8>,
) -> Result<io::Result<()>> {
    buffer.resize(size.min(HEAD) as usize, 0);
    if let Err(error) = read_exact_at(file, buffer, 0) {
        return Ok(Err(error));
    }
    let plan = collector.plan(path, size, buffer);
    if plan.is_empty() {
        return Ok(Ok(()));
    }
    if size > request.limits.spill {
        let limit = describe_amount(request.limits.spill, "bytes");
        collector.add_problem(
            path,
            format!("the file exceeds the limit of {limit} and is not read"),
        );
        return Ok(Ok(()));
    }
    if size > request.limits.memory {
        collector.add_content(path, &plan, Data::File(file, 0, size))?;
        return Ok(Ok(()));
    }
    buffer.resize(size as usize, 0);
    if let Err(error) = read_exact_at(file, buffer, 0) {
        return Ok(Err(error));
    }
    collector.add_content(path, &plan, Data::Memory(buffer))?;
    Ok(Ok(()))
}

/// Open a regular file; None if it became a link or a special file since the folder was listed.
fn open_file(path: &Path) -> io::Result<Option<(File, u64)>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NOFOLLOW | libc::O_NONBLOCK,
    );
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some((file, metadata.len())))
}

#[cfg(unix)]
fn add_mode(file: &File, path: &[u8], collector: &mut Collector<'_>) {
    use std::os::unix::fs::MetadataExt;
    if let Ok(metadata) = file.metadata() {
        let (owner, group) = (u64::from(metadata.uid()), u64::from(metadata.gid()));
        collector.add_mode(path, metadata.mode() & 0o7777, owner, group);
    }
}

#[cfg(not(unix))]
fn add_mode(_: &File, _: &[u8], _: &mut Collector<'_>) {}

fn relative_path(folder: &Path, path: &Path) -> Option<Vec<u8>> {
    let mut relative = Vec::new();
    for part in path.strip_prefix(folder).ok()?.components() {
        if !relative.is_empty() {
            relative.push(b'/');
        }
        relative.extend_from_slice(part.as_os_str().as_encoded_bytes());
    }
    Some(relative)
}
