//! Parts of a tar archive: the entry that its headers describe, and the fields of a header.

use crate::error::{damaged, Error, Result};

pub const BLOCK: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    HardLink,
    Folder,
    SymbolicLink,
    /// Devices, pipes and unknown kinds.
    Other,
}

#[derive(Debug)]
pub struct Entry {
    /// As in the archive.
    pub path: Vec<u8>,
    pub target: Vec<u8>,
    pub kind: Kind,
    pub mode: u32,
    pub owner: u64,
    pub group: u64,
    /// Bytes of the content in the archive.
    pub stored_size: u64,
    /// Bytes of the content.
    pub size: u64,
    /// Data of a sparse file; None for other files.
    pub segments: Option<Vec<Segment>>,
}

/// A part of a sparse file with data; the rest is zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub offset: u64,
    pub size: u64,
}

pub fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    &bytes[..end]
}

pub fn parse_size(field: &[u8]) -> Result<u64> {
    parse_number(field)?
        .try_into()
        .map_err(|_| Error::Damaged("the tar archive has an entry with a negative size".to_owned()))
}

/// Parse an octal number, or a binary one if the first bit is set (GNU).
pub fn parse_number(field: &[u8]) -> Result<i64> {
    if field[0] & 0x80 != 0 {
        // Two's complement, of which the first bit is the mark and the second one the sign.
        let fill: u8 = if field[0] & 0x40 != 0 { 0xff } else { 0 };
        let mut number: i128 = if fill == 0 { 0 } else { -1 };
        for (index, byte) in field.iter().enumerate() {
            let byte = if index == 0 {
                byte & 0x7f | fill & 0x80
            } else {
                *byte
            };
            number = number << 8 | i128::from(byte);
        }
        return number.try_into().map_err(|_| {
            Error::Damaged("the tar archive has a number with more than 63 bits".to_owned())
        });
    }
    let mut number = 0i64;
    for byte in field
        .iter()
        .copied()
        .skip_while(|byte| matches!(byte, b' ' | 0))
    {
        match byte {
            b'0'..=b'7' if number < 1 << 59 => number = number << 3 | i64::from(byte - b'0'),
            b' ' | 0 => break,
            _ => return damaged("the tar archive has a header with an invalid number"),
        }
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(parse_number(b"0000644\0").unwrap(), 0o644);
        assert_eq!(parse_number(b"   17 \0\0").unwrap(), 15);
        assert_eq!(parse_number(&[0; 8]).unwrap(), 0);
        assert_eq!(parse_number(b"\x80\0\0\0\0\0\0\0\0\0\x01\0").unwrap(), 256);
        assert_eq!(parse_number(&[0xff; 12]).unwrap(), -1);
        assert!(parse_number(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
        assert!(parse_number(b"00x0000\0").is_err());
        assert!(parse_size(&[0xff; 12]).is_err());
    }
}
