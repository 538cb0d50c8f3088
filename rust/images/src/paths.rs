//! Paths of entries: without a leading slash and without `.` and `..`, as container runtimes create them.

use std::fmt::Write;

use crate::limits::MAX_PATH;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const OTHER_WHITEOUTS: &[u8] = b".wh..wh.";

/// Return the normalised path; Err with the reason if the path is not usable. `..` is resolved within the path.
pub fn clean(path: &[u8]) -> Result<Vec<u8>, &'static str> {
    if path.len() > MAX_PATH {
        return Err("the path has more than 4,096 bytes");
    }
    let mut cleaned = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if cleaned.is_empty() {
                    return Err("the path leaves the image by \"..\"");
                }
                let end = cleaned.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                cleaned.truncate(end);
            }
            _ => {
                if !cleaned.is_empty() {
                    cleaned.push(b'/');
                }
                cleaned.extend_from_slice(part);
            }
        }
    }
    if cleaned.contains(&0) {
        return Err("the path has a NUL byte");
    }
    Ok(cleaned)
}

/// Return a path as text without control characters: these and invalid UTF-8 become `\xNN`, so that a path is one line.
pub fn to_text(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
                let mut buffer = [0; 4];
                escape(character.encode_utf8(&mut buffer).as_bytes(), &mut text);
            } else {
                text.push(character);
            }
        }
        escape(chunk.invalid(), &mut text);
    }
    text
}

fn escape(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        let _ = write!(text, "\\x{byte:02x}");
    }
}

pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(index) => (&path[..index], &path[index + 1..]),
        None => (b"", path),
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Whiteout {
    Removed(Vec<u8>),
    Opaque(Vec<u8>),
    /// Metadata of the storage driver aufs.
    Other,
    /// Names that would remove a folder itself or its parent.
    Invalid,
}

/// Return the meaning of a whiteout file (OCI image specification, layer.md), None for other files.
pub fn parse_whiteout(path: &[u8]) -> Option<Whiteout> {
    let (folder, name) = split(path);
    if !name.starts_with(WHITEOUT) {
        return None;
    }
    if name == OPAQUE {
        return Some(Whiteout::Opaque(folder.to_vec()));
    }
    if name.starts_with(OTHER_WHITEOUTS) {
        return Some(Whiteout::Other);
    }
    let hidden = &name[WHITEOUT.len()..];
    if matches!(hidden, b"" | b"." | b"..") {
        return Some(Whiteout::Invalid);
    }
    let mut removed = folder.to_vec();
    if !removed.is_empty() {
        removed.push(b'/');
    }
    removed.extend_from_slice(hidden);
    Some(Whiteout::Removed(removed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised() {
        assert_eq!(clean(b"./a//b/./c"), Ok(b"a/b/c".to_vec()));
        assert_eq!(clean(b"/etc/passwd"), Ok(b"etc/passwd".to_vec()));
        assert_eq!(clean(b"a/b/../../c"), Ok(b"c".to_vec()));
        assert_eq!(clean(b"./"), Ok(Vec::new()));
        assert!(clean(b"a/../../etc").is_err());
        assert!(clean(b"a\0b").is_err());
        assert!(clean(&[b'a'; 5000]).is_err());
    }

    #[test]
    fn text_of_a_path_is_one_line() {
        assert_eq!(to_text("a\nü\u{2028}".as_bytes()), "a\\x0aü\\xe2\\x80\\xa8");
        assert_eq!(to_text(b"a\xff\\x2d"), "a\\xff\\x2d");
    }

    #[test]
    fn whiteouts_are_parsed() {
        assert_eq!(
            parse_whiteout(b"a/.wh.b"),
            Some(Whiteout::Removed(b"a/b".to_vec()))
        );
        assert_eq!(
            parse_whiteout(b".wh..wh..opq"),
            Some(Whiteout::Opaque(Vec::new()))
        );
        assert_eq!(parse_whiteout(b"a/.wh..wh.plnk"), Some(Whiteout::Other));
        assert_eq!(parse_whiteout(b"a/.wh..."), Some(Whiteout::Invalid));
        assert_eq!(parse_whiteout(b".wh.a/b"), None);
    }
}
