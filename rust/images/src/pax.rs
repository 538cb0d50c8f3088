//! Records of pax headers (POSIX.1-2001, pax Interchange Format) that say something about the content of an entry.

use crate::error::{damaged, Error, Result};
use crate::limits::MAX_SEGMENTS;

#[derive(Debug, Default)]
pub struct PaxRecords {
    pub path: Option<Vec<u8>>,
    pub target: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub owner: Option<u64>,
    pub group: Option<u64>,
    pub sparse_major: Option<u64>,
    pub sparse_minor: Option<u64>,
    pub sparse_size: Option<u64>,
    pub sparse_name: Option<Vec<u8>>,
    /// Offsets and sizes in turn.
    pub sparse_map: Vec<u64>,
}

impl PaxRecords {
    pub fn is_sparse(&self) -> bool {
        match (self.sparse_major, self.sparse_minor) {
            (Some(0), Some(0 | 1)) | (Some(1), Some(0)) => true,
            (None, None) => !self.sparse_map.is_empty(),
            _ => false,
        }
    }
}

/// Parse the records "length key=value\n".
pub fn parse(bytes: &[u8]) -> Result<PaxRecords> {
    let mut records = PaxRecords::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((record, remaining)) = split_record(rest) else {
            return damaged("the tar archive has an invalid pax header");
        };
        let Some(index) = record.iter().position(|byte| *byte == b'=') else {
            return damaged("the tar archive has an invalid pax header");
        };
        let (key, value) = (&record[..index], &record[index + 1..]);
        // An empty value means the value of the header block.
        if !value.is_empty() {
            set_record(&mut records, key, value)?;
        }
        rest = remaining;
    }
    Ok(records)
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let size = usize::try_from(parse_decimal(&bytes[..space])?).ok()?;
    let record = bytes.get(space + 1..size)?;
    Some((record.strip_suffix(b"\n")?, &bytes[size..]))
}

fn set_record(records: &mut PaxRecords, key: &[u8], value: &[u8]) -> Result<()> {
    match key {
        b"path" => records.path = Some(value.to_vec()),
        b"linkpath" => records.target = Some(value.to_vec()),
        b"size" => records.size = Some(number(value)?),
        b"uid" => records.owner = Some(number(value)?),
        b"gid" => records.group = Some(number(value)?),
        b"GNU.sparse.major" => records.sparse_major = Some(number(value)?),
        b"GNU.sparse.minor" => records.sparse_minor = Some(number(value)?),
        b"GNU.sparse.size" | b"GNU.sparse.realsize" => records.sparse_size = Some(number(value)?),
        b"GNU.sparse.name" => records.sparse_name = Some(value.to_vec()),
        b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
            let is_size = key == b"GNU.sparse.numbytes";
            if (records.sparse_map.len() % 2 == 1) != is_size {
                return damaged("the tar archive has an invalid map of a sparse file");
            }
            push(&mut records.sparse_map, number(value)?)?;
        }
        b"GNU.sparse.map" => {
            records.sparse_map.clear();
            for part in value.split(|byte| *byte == b',') {
                push(&mut records.sparse_map, number(part)?)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn push(map: &mut Vec<u64>, number: u64) -> Result<()> {
    if map.len() >= 2 * MAX_SEGMENTS {
        return damaged(format!(
            "the tar archive has a sparse file with more than {MAX_SEGMENTS} segments"
        ));
    }
    map.push(number);
    Ok(())
}

fn number(value: &[u8]) -> Result<u64> {
    parse_decimal(value).ok_or_else(|| {
        Error::Damaged("the tar archive has an invalid number in a pax header".to_owned())
    })
}

/// Parse a decimal number of at most 63 bits.
pub fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= i64::MAX as u64).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_parsed() {
        let records = parse(b"12 path=abc\n11 size=12\n17 linkpath=\xc3\xbc/x\n7 uid=\n").unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"abc"[..]));
        assert_eq!(records.size, Some(12));
        assert_eq!(records.owner, None);
    }

    #[test]
    fn damaged_records_are_refused() {
        for bytes in [
            &b"99 path=abc\n"[..],
            b"0 \n",
            b"12 path=abcd",
            b"9 pathabc\n",
            b"99999999999999999999999 a=b\n",
            b"12 size=-123\n",
            b"28 GNU.sparse.map=0,1,x,2,3,\n",
            b"25 GNU.sparse.numbytes=1\n",
        ] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
