//! Facts of Java archives and of the archives in them. Reads the directory and descriptors, never a class.

use std::collections::HashMap;
use std::path::Path;

use sha1::{Digest, Sha1};

use crate::content::{Data, Spool};
use crate::error::Result;
use crate::limits::{Limits, MAX_DESCRIPTOR};
use crate::paths::{split, to_text};
use crate::selection::is_archive_name;
use crate::zip::{is_empty, Directory, Entry};

const MANIFEST: &[u8] = b"META-INF/MANIFEST.MF";
const MAVEN: &[u8] = b"META-INF/maven/";
/// Folders with classes of one archive; only their numbers matter beyond it.
const MAX_FOLDERS: usize = 20_000;
const MAX_DESCRIPTORS: usize = 1000;
pub const TOO_MANY_FACTS: &str =
    "the metadata of all archives and executables exceeds the limit of 128 MiB";

#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// The path in the layer, with `!/` before the path in an archive.
    pub path: String,
    pub sha1: String,
    pub manifest: Vec<u8>,
    pub descriptors: Vec<(String, Vec<u8>)>,
    pub folders: Vec<(String, u32)>,
}

impl Archive {
    pub fn size(&self) -> u64 {
        let descriptors: usize = self
            .descriptors
            .iter()
            .map(|(path, text)| path.len() + text.len())
            .sum();
        let folders: usize = self.folders.iter().map(|(path, _)| path.len() + 32).sum();
        (self.path.len() + self.manifest.len() + descriptors + folders + 1024) as u64
    }
}

/// Reads one archive of a layer with those in it.
pub struct ArchiveReader<'a> {
    limits: &'a Limits,
    folder: &'a Path,
    /// Bytes that nested archives may still decompress to, entries, and bytes of facts.
    unpacked: u64,
    entries: u64,
    facts: u64,
    pub archives: Vec<Archive>,
    pub problems: Vec<(String, String)>,
}

impl<'a> ArchiveReader<'a> {
    /// `facts` is the number of bytes that the facts may have.
    pub fn new(limits: &'a Limits, folder: &'a Path, facts: u64) -> Self {
        Self {
            limits,
            folder,
            unpacked: limits.archive_unpacked,
            entries: limits.archive_entries,
            facts,
            archives: Vec::new(),
            problems: Vec::new(),
        }
    }

    pub fn read(&mut self, path: String, data: Data<'_>, depth: usize) -> Result<()> {
        if is_empty(&data) {
            return Ok(());
        }
        let directory = match Directory::read(data) {
            Ok(directory) => directory,
            Err(reason) => {
                self.add_problem(path, reason);
                return Ok(());
            }
        };
        let mut archive = Archive {
            path,
            sha1: compute_sha1(&data),
            ..Archive::default()
        };
        let nested = self.read_entries(&directory, &mut archive);
        let path = archive.path.clone();
        let Some(facts) = self.facts.checked_sub(archive.size()) else {
            self.add_problem(path, TOO_MANY_FACTS);
            return Ok(());
        };
        self.facts = facts;
        self.archives.push(archive);
        if !nested.is_empty() && depth >= self.limits.archive_depth {
            let reason = format!(
                "archives in archives exceed the limit of {} levels; deeper ones are not read",
                self.limits.archive_depth
            );
            self.add_problem(path, reason);
            return Ok(());
        }
        let mut spool = Spool::new(self.folder, self.limits.memory);
        for entry in nested {
            let nested_path = format!("{path}!/{}", to_text(entry.name));
            self.read_nested(&directory, &entry, nested_path, &mut spool, depth)?;
        }
        Ok(())
    }

    fn read_nested(
        &mut self,
        directory: &Directory<'_>,
        entry: &Entry<'_>,
        path: String,
        spool: &mut Spool,
        depth: usize,
    ) -> Result<()> {
        // Entries may overlap, so that stored ones count too.
        if entry.size > self.unpacked {
            self.add_problem(path, "the nested archives exceed the limit of 1 GiB");
            return Ok(());
        }
        self.unpacked -= entry.size;
        match directory.locate_stored(entry) {
            Ok(Some(data)) => return self.read(path, data, depth + 1),
            Ok(None) => {}
            Err(reason) => {
                self.add_problem(path, reason);
                return Ok(());
            }
        }
        spool.reset(entry.size.min(self.limits.spill))?;
        match directory.copy_entry(entry, |bytes| spool.write(bytes))? {
            Ok(()) => self.read(path, spool.data(), depth + 1),
            Err(reason) => {
                self.add_problem(path, reason);
                Ok(())
            }
        }
    }

    /// Collect the facts of an archive; return the entries that are archives.
    fn read_entries<'d>(
        &mut self,
        directory: &'d Directory<'_>,
        archive: &mut Archive,
    ) -> Vec<Entry<'d>> {
        let mut nested = Vec::new();
        let mut folders: HashMap<&[u8], u32> = HashMap::new();
        for entry in directory.entries() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(reason) => {
                    self.add_problem(archive.path.clone(), reason);
                    break;
                }
            };
            if self.entries == 0 {
                self.add_problem(
                    archive.path.clone(),
                    "the archive exceeds the limit of 1,000,000 entries",
                );
                break;
            }
            self.entries -= 1;
            if entry.name.ends_with(b".class") {
                let folder = split(entry.name).0;
                if folders.len() < MAX_FOLDERS || folders.contains_key(folder) {
                    *folders.entry(folder).or_default() += 1;
                }
            } else if entry.name.eq_ignore_ascii_case(MANIFEST) || is_descriptor(entry.name) {
                self.read_descriptor(directory, &entry, archive);
            } else if is_archive_name(entry.name) {
                nested.push(entry);
            }
        }
        archive.folders = folders
            .into_iter()
            .map(|(folder, count)| (to_text(folder), count))
            .collect();
        archive.folders.sort_unstable();
        nested
    }

    fn read_descriptor(
        &mut self,
        directory: &Directory<'_>,
        entry: &Entry<'_>,
        archive: &mut Archive,
    ) {
        let is_manifest = !is_descriptor(entry.name);
        if archive.descriptors.len() >= MAX_DESCRIPTORS {
            return;
        }
        match directory.read_entry(entry, MAX_DESCRIPTOR.min(self.facts)) {
            Ok(text) if !is_manifest => archive.descriptors.push((to_text(entry.name), text)),
            Ok(text) => archive.manifest = text,
            Err(reason) => {
                let path = format!("{}!/{}", archive.path, to_text(entry.name));
                self.add_problem(path, reason);
            }
        }
    }

    fn add_problem(&mut self, path: String, reason: impl Into<String>) {
        if self.problems.len() < crate::limits::MAX_PROBLEMS {
            self.problems.push((path, reason.into()));
        }
    }
}

/// Maven's files of the archive itself, and of libraries that are packed into a folder of it.
fn is_descriptor(name: &[u8]) -> bool {
    matches!(split(name).1, b"pom.properties" | b"pom.xml")
        && name
            .windows(MAVEN.len())
            .position(|part| part == MAVEN)
            .is_some_and(|start| start == 0 || name[start - 1] == b'/')
}

fn compute_sha1(data: &Data<'_>) -> String {
    let mut digest = Sha1::new();
    let outcome = data.for_each_window(0, |bytes, _| {
        digest.update(bytes);
        true
    });
    match outcome {
        Ok(()) => digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        Err(_) => String::new(),
    }
}
