//! Compiled selection of files: globs of catalogues and version patterns of executables.

use aho_corasick::AhoCorasick;
use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use regex::bytes::{Regex, RegexBuilder};

use crate::content::Data;
use crate::limits::TEXT_HEAD;

/// Bytes of a version with the text around it.
const MAX_MATCH: usize = 4 << 10;
const MAX_VERSION: usize = 128;
const MAX_PROGRAM: usize = 1 << 20;

const ARCHIVES: [&[u8]; 12] = [
    b"jar", b"war", b"ear", b"par", b"sar", b"nar", b"kar", b"rar", b"jpi", b"hpi", b"aar", b"lpkg",
];

struct VersionPattern {
    name: String,
    expression: Regex,
}

pub struct Selection {
    files: GlobSet,
    catalogs: Vec<u32>,
    executables: GlobSet,
    versions: Vec<VersionPattern>,
}

impl Selection {
    /// Compile globs with the numbers of their catalogues, and version patterns: name, glob, expression. Returns the
    /// reason for an invalid one.
    pub fn new(
        patterns: &[(String, u32)],
        version_patterns: &[(String, String, String)],
    ) -> Result<Self, String> {
        let mut versions = Vec::new();
        for (name, _, expression) in version_patterns {
            // Executables are bytes. Unicode classes would take most of the time to compile.
            let expression = RegexBuilder::new(expression)
                .unicode(false)
                .size_limit(MAX_PROGRAM)
                .build()
                .map_err(|error| format!("invalid version pattern {expression:?}: {error}"))?;
            versions.push(VersionPattern {
                name: name.clone(),
                expression,
            });
        }
        Ok(Self {
            files: compile_globs(patterns.iter().map(|(glob, _)| glob))?,
            catalogs: patterns.iter().map(|(_, catalog)| *catalog).collect(),
            executables: compile_globs(version_patterns.iter().map(|(_, glob, _)| glob))?,
            versions,
        })
    }

    /// Return the numbers of the catalogues that read a path, sorted.
    pub fn match_file(&self, path: &[u8]) -> Vec<u32> {
        let mut catalogs: Vec<u32> = self
            .files
            .matches_candidate(&Candidate::from_bytes(path))
            .into_iter()
            .map(|index| self.catalogs[index])
            .collect();
        catalogs.sort_unstable();
        catalogs.dedup();
        catalogs
    }

    /// Return the indexes of the version patterns for a path.
    pub fn match_executable(&self, path: &[u8]) -> Vec<usize> {
        self.executables
            .matches_candidate(&Candidate::from_bytes(path))
    }

    /// Return the first match of each version pattern in an executable, as (name, version).
    pub fn find_versions(&self, indexes: &[usize], data: &Data<'_>) -> Vec<(String, String)> {
        let mut versions = Vec::new();
        for index in indexes {
            let pattern = &self.versions[*index];
            if versions.iter().any(|(name, _)| *name == pattern.name) {
                continue;
            }
            let mut version = None;
            // An unreadable temporary file yields no version.
            let _ = data.for_each_window(MAX_MATCH, |bytes, _| {
                version = find_version(&pattern.expression, bytes);
                version.is_none()
            });
            if let Some(version) = version {
                versions.push((pattern.name.clone(), version));
            }
        }
        versions
    }
}

fn find_version(expression: &Regex, bytes: &[u8]) -> Option<String> {
    expression
        .captures_iter(bytes)
        .filter_map(|captures| {
            let group = captures.get(1).or_else(|| captures.get(0))?;
            let text = std::str::from_utf8(group.as_bytes()).ok()?;
            (!text.is_empty() && text.len() <= MAX_VERSION).then(|| text.to_owned())
        })
        .next()
}

fn compile_globs<'a>(globs: impl Iterator<Item = &'a String>) -> Result<GlobSet, String> {
    let mut builder = GlobSetBuilder::new();
    for glob in globs {
        builder.add(
            GlobBuilder::new(glob)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| format!("invalid pattern {glob:?}: {}", error.kind()))?,
        );
    }
    builder
        .build()
        .map_err(|error| format!("invalid patterns: {}", error.kind()))
}

/// Return True for the names of Java archives.
pub fn is_archive_name(path: &[u8]) -> bool {
    let Some(dot) = path.iter().rposition(|byte| *byte == b'.') else {
        return false;
    };
    let extension = &path[dot + 1..];
    ARCHIVES
        .iter()
        .any(|name| extension.eq_ignore_ascii_case(name))
}

/// Return True for the first bytes of ELF, PE and Mach-O files. Java classes share a magic number with universal Mach-O
/// files but have a greater second number.
pub fn is_executable(head: &[u8]) -> bool {
    match head.first_chunk::<4>() {
        Some(
            b"\x7fELF" | b"\xfe\xed\xfa\xce" | b"\xfe\xed\xfa\xcf" | b"\xce\xfa\xed\xfe"
            | b"\xcf\xfa\xed\xfe",
        ) => true,
        Some(b"\xca\xfe\xba\xbe") => {
            matches!(head.get(4..8), Some([0, 0, 0, count]) if *count < 30)
        }
        Some(first) => first.starts_with(b"MZ"),
        None => false,
    }
}

/// Return True for text that contains a mark of a secret.
pub fn has_secret_mark(marks: &AhoCorasick, text: &[u8]) -> bool {
    let head = &text[..text.len().min(TEXT_HEAD)];
    memchr::memchr(0, head).is_none() && marks.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(glob: &str, path: &str) -> bool {
        let selection = Selection::new(&[(glob.to_owned(), 7)], &[]).unwrap();
        selection.match_file(path.as_bytes()) == [7]
    }

    #[test]
    fn globs_match_whole_paths() {
        assert!(select(
            "**/*.dist-info/METADATA",
            "usr/lib/a-1.dist-info/METADATA"
        ));
        assert!(select("**/package.json", "package.json"));
        assert!(!select("var/lib/dpkg/status", "x/var/lib/dpkg/status"));
        assert!(!select(
            "var/lib/dpkg/status.d/*",
            "var/lib/dpkg/status.d/a/b"
        ));
        assert!(!select("*.json", "a/b.json"));
        assert!(Selection::new(&[("[".to_owned(), 0)], &[]).is_err());
    }

    #[test]
    fn classes_are_no_executables() {
        assert!(is_executable(b"\xca\xfe\xba\xbe\0\0\0\x02"));
        assert!(!is_executable(b"\xca\xfe\xba\xbe\0\0\0\x34"));
        assert!(is_executable(b"MZ\x90\0"));
        assert!(!is_executable(b"\x7fEL"));
    }
}
