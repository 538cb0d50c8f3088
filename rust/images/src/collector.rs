//! Facts of the entries of a layer or folder, in the order of reading. A later entry replaces an earlier one of its path.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use aho_corasick::AhoCorasick;

use crate::content::{ContentStore, Data, Kept};
use crate::error::{exceeds, Result};
use crate::executable::{self, Executable};
use crate::java::{Archive, ArchiveReader};
use crate::limits::{Limits, MAX_CANDIDATES, MAX_LISTED, MAX_PROBLEMS, MAX_TEXT, MIN_COUNTED};
use crate::paths::{clean, parse_whiteout, to_text, Whiteout};
use crate::selection::{has_secret_mark, is_archive_name, is_executable, Selection};
use crate::stream::Digests;

/// Bits of a mode: setuid, setgid, writable by everyone.
const NOTABLE_MODE: u32 = 0o6002;

/// Everything that reading needs beside the layer itself.
pub struct Request<'a> {
    pub selection: &'a Selection,
    pub limits: &'a Limits,
    /// Folder for temporary files.
    pub folder: &'a Path,
    pub marks: Option<&'a AhoCorasick>,
    /// Read the symbols of Go executables.
    pub symbols: bool,
    /// Read only these entries, under other paths: hard links to entries that a first pass did not select.
    pub only: Option<&'a HashMap<Vec<u8>, Vec<Vec<u8>>>>,
}

/// The facts of a layer. Paths are texts without control characters.
pub struct Layer {
    /// None for folders.
    pub digests: Option<Digests>,
    pub files: Vec<SelectedFile>,
    pub archives: Vec<Archive>,
    pub executables: Vec<(String, Executable)>,
    /// Paths of all entries except folders, sorted, one per line.
    pub paths: String,
    pub removed: Vec<String>,
    pub opaque: Vec<String>,
    pub modes: Vec<FileMode>,
    pub candidates: Vec<(String, Kept)>,
    pub problems: Vec<(String, String)>,
    /// Hard links that match the selection, whose targets do not: target and link.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Symbolic links that match the selection: link and target, as it is written.
    pub symbolic_links: Vec<(String, String)>,
    pub store: ContentStore,
}

pub struct SelectedFile {
    pub path: String,
    pub catalogs: Vec<u32>,
    pub content: Kept,
}

#[derive(Clone)]
pub struct FileMode {
    pub path: String,
    pub mode: u32,
    pub owner: u64,
    pub group: u64,
}

/// The reasons to read the content of a file.
pub struct Plan {
    catalogs: Vec<u32>,
    versions: Vec<usize>,
    is_archive: bool,
    is_executable: bool,
    is_text: bool,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.catalogs.is_empty() && !self.is_archive && !self.is_executable && !self.is_text
    }

    /// Return True if reading with this plan serves the other one as well.
    fn covers(&self, other: &Plan) -> bool {
        other
            .catalogs
            .iter()
            .all(|catalog| self.catalogs.contains(catalog))
            && other
                .versions
                .iter()
                .all(|index| self.versions.contains(index))
            && (self.is_archive || !other.is_archive)
    }
}

#[derive(Clone)]
enum Fact {
    File(Vec<u32>, Kept, u64),
    Archive(Archive),
    Executable(Executable),
    Candidate(Kept),
    Mode(u32, u64, u64),
    SymbolicLink(String),
}

struct Record {
    path: Arc<[u8]>,
    entry: u32,
    fact: Fact,
}

/// The last entry of a path with facts, and its facts in `Collector::records`.
struct Latest {
    entry: u32,
    start: usize,
    end: usize,
}

pub struct Collector<'a> {
    request: &'a Request<'a>,
    entry: u32,
    arena: Vec<u8>,
    /// Start and end of each path in `arena`.
    spans: Vec<(u32, u32)>,
    latest: HashMap<Arc<[u8]>, Latest>,
    records: Vec<Record>,
    removed: Vec<Vec<u8>>,
    opaque: Vec<Vec<u8>>,
    problems: Vec<(String, String)>,
    links: Vec<(Vec<u8>, Vec<u8>)>,
    modes: usize,
    symbolic_links: usize,
    selected: u64,
    facts: u64,
    candidates: u64,
    store: ContentStore,
}

impl<'a> Collector<'a> {
    pub fn new(request: &'a Request<'a>) -> Self {
        Self {
            request,
            entry: 0,
            arena: Vec::new(),
            spans: Vec::new(),
            latest: HashMap::new(),
            records: Vec::new(),
            removed: Vec::new(),
            opaque: Vec::new(),
            problems: Vec::new(),
            links: Vec::new(),
            modes: 0,
            symbolic_links: 0,
            selected: 0,
            facts: request.limits.facts,
            candidates: 0,
            store: ContentStore::new(request.folder, request.limits.kept_memory),
        }
    }

    /// Count an entry.
    pub fn count(&mut self) -> Result<()> {
        let limit = self.request.limits.entries;
        self.entry += 1;
        if u64::from(self.entry) > limit {
            return exceeds("the layer", limit, "entries");
        }
        Ok(())
    }

    /// Count an entry that replaces earlier ones with its path: their facts are no longer valid.
    pub fn begin(&mut self, path: &[u8]) -> Result<()> {
        self.count()?;
        if let Some(latest) = self.latest.get_mut(path) {
            *latest = Latest {
                entry: self.entry,
                start: 0,
                end: 0,
            };
        }
        Ok(())
    }

    /// Add the path of an entry that is no folder. Returns False for whiteouts, which have no content.
    pub fn add_path(&mut self, path: &[u8]) -> Result<bool> {
        let limit = self.request.limits.paths;
        if (self.arena.len() + path.len()) as u64 > limit {
            return exceeds("the text of all paths in the layer", limit, "bytes");
        }
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(path);
        match parse_whiteout(path) {
            None => {
                self.spans.push((start, self.arena.len() as u32));
                return Ok(true);
            }
            Some(Whiteout::Removed(removed)) => self.removed.push(removed),
            Some(Whiteout::Opaque(folder)) => self.opaque.push(folder),
            Some(Whiteout::Other) => {}
            Some(Whiteout::Invalid) => {
                self.add_problem(path, "the whiteout names a folder itself or its parent")
            }
        }
        Ok(false)
    }

    pub fn add_mode(&mut self, path: &[u8], mode: u32, owner: u64, group: u64) {
        if mode & NOTABLE_MODE == 0 {
            return;
        }
        self.modes += 1;
        if self.modes > MAX_LISTED {
            self.add_problem(
                path,
                "more than 100,000 files have special permissions; the rest is not listed",
            );
            return;
        }
        self.add_facts(path, vec![Fact::Mode(mode, owner, group)]);
    }

    pub fn add_problem(&mut self, path: &[u8], message: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push((to_text(path), message.into()));
        }
    }

    /// Return the reasons to read a file of a size with the given first bytes.
    pub fn plan(&self, path: &[u8], size: u64, head: &[u8]) -> Plan {
        let selection = self.request.selection;
        let is_executable = is_executable(head);
        Plan {
            catalogs: selection.match_file(path),
            versions: if is_executable {
                selection.match_executable(path)
            } else {
                Vec::new()
            },
            is_archive: is_archive_name(path),
            is_executable,
            is_text: self.request.marks.is_some()
                && !is_executable
                && (1..=MAX_TEXT).contains(&size),
        }
    }

    /// Add the facts of a file. Empty content is data as well.
    pub fn add_content(&mut self, path: &[u8], plan: &Plan, data: Data<'_>) -> Result<()> {
        let mut facts = Vec::new();
        if !plan.catalogs.is_empty() {
            self.count_selected(data.len())?;
            let kept = match &data {
                Data::Memory(bytes) => self.store.keep(bytes)?,
                Data::File(..) => self.store.keep_named(&data)?,
            };
            facts.push(Fact::File(plan.catalogs.clone(), kept, data.len()));
        }
        if plan.is_archive {
            self.read_archive(path, data, &mut facts)?;
        }
        if plan.is_executable {
            self.inspect_executable(path, plan, &data, &mut facts);
        }
        if let (true, Data::Memory(text), Some(marks)) = (plan.is_text, &data, self.request.marks) {
            if has_secret_mark(marks, text) {
                self.candidates += text.len() as u64;
                if self.candidates > MAX_CANDIDATES {
                    self.add_problem(path, "texts with marks of secrets exceed the limit of 32 MiB; the rest is not searched");
                } else {
                    facts.push(Fact::Candidate(self.store.keep(text)?));
                }
            }
        }
        self.add_facts(path, facts);
        Ok(())
    }

    /// Add a hard link: the facts of its target, or a note to read the target again.
    pub fn add_link(&mut self, path: &[u8], target: &[u8]) -> Result<()> {
        let Ok(target) = clean(target) else {
            self.add_problem(path, "the target of the hard link leaves the image");
            return Ok(());
        };
        let selection = self.request.selection;
        let plan_name = |path: &[u8]| Plan {
            catalogs: selection.match_file(path),
            versions: selection.match_executable(path),
            is_archive: is_archive_name(path),
            is_executable: false,
            is_text: false,
        };
        let plan = plan_name(path);
        let facts = match self.latest.get(target.as_slice()) {
            Some(latest) => self.copy_facts(path, &plan, latest.start..latest.end),
            None => Vec::new(),
        };
        for fact in &facts {
            if let Fact::File(_, _, size) = fact {
                self.count_selected(*size)?;
            }
        }
        self.add_facts(path, facts);
        if !plan_name(&target).covers(&plan) {
            if self.links.len() < MAX_LISTED {
                self.links.push((target, path.to_vec()));
            } else {
                self.add_problem(
                    path,
                    "more than 100,000 hard links to unselected files; this one is not read",
                );
            }
        }
        Ok(())
    }

    /// Add a symbolic link whose path the selection matches.
    pub fn add_symbolic_link(&mut self, path: &[u8], target: &[u8]) {
        if self.request.selection.match_file(path).is_empty() {
            return;
        }
        self.symbolic_links += 1;
        if self.symbolic_links > MAX_LISTED {
            self.add_problem(
                path,
                "more than 100,000 symbolic links to selected files; the rest is not followed",
            );
            return;
        }
        self.add_facts(path, vec![Fact::SymbolicLink(to_text(target))]);
    }

    pub fn finish(self, digests: Option<Digests>) -> Layer {
        let mut layer = Layer {
            digests,
            files: Vec::new(),
            archives: Vec::new(),
            executables: Vec::new(),
            paths: join_paths(self.arena, self.spans),
            removed: to_texts(self.removed),
            opaque: to_texts(self.opaque),
            modes: Vec::new(),
            candidates: Vec::new(),
            problems: self.problems,
            links: self.links,
            symbolic_links: Vec::new(),
            store: self.store,
        };
        for record in self.records {
            if self.latest[&record.path].entry != record.entry {
                continue;
            }
            let path = to_text(&record.path);
            match record.fact {
                Fact::File(catalogs, content, _) => layer.files.push(SelectedFile {
                    path,
                    catalogs,
                    content,
                }),
                Fact::Archive(archive) => layer.archives.push(archive),
                Fact::Executable(executable) => layer.executables.push((path, executable)),
                Fact::Candidate(content) => layer.candidates.push((path, content)),
                Fact::SymbolicLink(target) => layer.symbolic_links.push((path, target)),
                Fact::Mode(mode, owner, group) => layer.modes.push(FileMode {
                    path,
                    mode,
                    owner,
                    group,
                }),
            }
        }
        layer
    }

    fn read_archive(&mut self, path: &[u8], data: Data<'_>, facts: &mut Vec<Fact>) -> Result<()> {
        let mut reader = ArchiveReader::new(self.request.limits, self.request.folder, self.facts);
        reader.read(to_text(path), data, 1)?;
        for archive in reader.archives {
            self.facts = self.facts.saturating_sub(archive.size());
            facts.push(Fact::Archive(archive));
        }
        for (path, reason) in reader.problems {
            self.add_problem(path.as_bytes(), reason);
        }
        Ok(())
    }

    fn inspect_executable(
        &mut self,
        path: &[u8],
        plan: &Plan,
        data: &Data<'_>,
        facts: &mut Vec<Fact>,
    ) {
        let (mut executable, problem) = executable::inspect(data, self.request.symbols);
        if let Some(problem) = problem {
            self.add_problem(path, problem);
        }
        executable.versions = self.request.selection.find_versions(&plan.versions, data);
        if executable.is_empty() {
            return;
        }
        match self.facts.checked_sub(executable.size() + 1024) {
            Some(remaining) => {
                self.facts = remaining;
                facts.push(Fact::Executable(executable));
            }
            None => self.add_problem(path, crate::java::TOO_MANY_FACTS),
        }
    }

    fn count_selected(&mut self, size: u64) -> Result<()> {
        let limit = self.request.limits.selected;
        self.selected += size.max(MIN_COUNTED);
        if self.selected > limit {
            return exceeds("the metadata of packages in the layer", limit, "bytes");
        }
        Ok(())
    }

    /// Return facts of a file as those of a hard link to it, as far as the path of the link is selected too.
    fn copy_facts(&self, path: &[u8], plan: &Plan, range: std::ops::Range<usize>) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut remaining = self.facts;
        for record in &self.records[range] {
            match &record.fact {
                Fact::File(_, kept, size) if !plan.catalogs.is_empty() => {
                    facts.push(Fact::File(plan.catalogs.clone(), kept.clone(), *size));
                }
                Fact::Archive(archive) if plan.is_archive && archive.size() <= remaining => {
                    remaining -= archive.size();
                    let mut archive = archive.clone();
                    archive.path = to_text(path) + &archive.path[to_text(&record.path).len()..];
                    facts.push(Fact::Archive(archive));
                }
                Fact::Executable(executable) if executable.size() + 1024 <= remaining => {
                    remaining -= executable.size() + 1024;
                    facts.push(Fact::Executable(executable.clone()));
                }
                _ => {}
            }
        }
        facts
    }

    fn add_facts(&mut self, path: &[u8], facts: Vec<Fact>) {
        if facts.is_empty() {
            return;
        }
        let path: Arc<[u8]> = path.into();
        let entry = self.entry;
        let start = match self.latest.get(&path) {
            Some(latest) if latest.entry == entry && latest.end == self.records.len() => {
                latest.start
            }
            _ => self.records.len(),
        };
        for fact in facts {
            self.records.push(Record {
                path: path.clone(),
                entry,
                fact,
            });
        }
        let end = self.records.len();
        self.latest.insert(path, Latest { entry, start, end });
    }
}

/// Return sorted paths without duplicates, one per line.
fn join_paths(arena: Vec<u8>, mut spans: Vec<(u32, u32)>) -> String {
    let path = |span: &(u32, u32)| &arena[span.0 as usize..span.1 as usize];
    spans.sort_unstable_by(|left, right| path(left).cmp(path(right)));
    spans.dedup_by(|left, right| path(left) == path(right));
    let mut text = String::with_capacity(arena.len() + spans.len());
    for span in &spans {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&to_text(path(span)));
    }
    text
}

fn to_texts(mut paths: Vec<Vec<u8>>) -> Vec<String> {
    paths.sort_unstable();
    paths.dedup();
    paths.iter().map(|path| to_text(path)).collect()
}
