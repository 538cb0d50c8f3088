//! Function names in the line table of Go executables (pclntab): its header and its table of names, as the packages
//! debug/gosym and runtime of Go read them. The table stays in stripped executables, because stack traces need it.
//!
//! Reads tables of Go 1.16 and newer: they have the names of all functions, inlined ones included, in one part. Older ones
//! mix names with other data.

use std::borrow::Cow;

use aho_corasick::AhoCorasick;

use crate::content::Data;
use crate::limits::MAX_FUNCTION_NAMES;

const MAGIC_SIZE: usize = 8;
const GO_1_16: u32 = 0xffff_fffa;
const GO_1_18: u32 = 0xffff_fff0;
const GO_1_20: u32 = 0xffff_fff1;
/// Words of the header after the magic number, at most.
const MAX_WORDS: usize = 8;
/// Bytes between the header and the names: linkers align sections and parts of them.
const MAX_PADDING: u64 = 64;
/// Bytes of the name of one function.
const MAX_NAME: usize = 4096;
/// Places that look like the start of a header; code rarely has any.
const MAX_STARTS: usize = 4096;

/// Return all names, each with a zero byte after it. `sections` are offset and size of the sections that contain a line
/// table; without any, the file is searched. None if there is no complete table, or more than one: executables may embed
/// others.
pub fn read_names<'a>(data: &Data<'a>, sections: &[(u64, u64)]) -> Option<Cow<'a, [u8]>> {
    let mut tables = match sections {
        [] => find_tables(data)?,
        _ => sections
            .iter()
            .map(|(offset, size)| read_header(data, *offset, *size))
            .collect::<Option<_>>()?,
    };
    let (offset, size) = tables.pop()?;
    if !tables.is_empty() {
        return None;
    }
    let names = data.bytes(offset, size)?;
    names.ends_with(b"\0").then_some(names)
}

/// Return offset and size of the names of each line table in a file; None if too many places look like one.
fn find_tables(data: &Data<'_>) -> Option<Vec<(u64, u64)>> {
    let magics = [GO_1_16, GO_1_18, GO_1_20];
    let starts = magics
        .iter()
        .flat_map(|magic| [magic.to_le_bytes(), magic.to_be_bytes()])
        .map(|magic| [magic.as_slice(), &[0, 0]].concat());
    let searcher = AhoCorasick::new(starts).ok()?;
    let mut offsets = Vec::new();
    let mut window = 0;
    let overlap = MAGIC_SIZE - 1;
    data.for_each_window(overlap, |bytes, is_last| {
        let end = if is_last {
            bytes.len()
        } else {
            bytes.len() - overlap
        };
        let matches = searcher.find_iter(bytes).map(|magic| magic.start());
        offsets.extend(
            matches
                .filter(|start| *start < end)
                .map(|start| window + start as u64),
        );
        window += end as u64;
        offsets.len() <= MAX_STARTS
    })
    .ok()?;
    if offsets.len() > MAX_STARTS {
        return None;
    }
    let tables = offsets
        .into_iter()
        .filter_map(|offset| read_header(data, offset, data.len() - offset));
    Some(tables.collect())
}

/// Return offset and size of the names of a line table within `size` bytes at an offset.
fn read_header(data: &Data<'_>, offset: u64, size: u64) -> Option<(u64, u64)> {
    let start = data.bytes(offset, MAGIC_SIZE as u64)?;
    let magic: [u8; 4] = start[..4].try_into().ok()?;
    let is_known = |magic| matches!(magic, GO_1_16 | GO_1_18 | GO_1_20);
    let (magic, is_big_endian) = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
        (little, _) if is_known(little) => (little, false),
        (_, big) if is_known(big) => (big, true),
        _ => return None,
    };
    let &[0, 0, 1 | 2 | 4, width @ (4 | 8)] = &start[4..] else {
        return None;
    };
    // Number of functions and files, the start of the code since Go 1.18, offsets of five parts.
    let count = if magic == GO_1_16 { 7 } else { MAX_WORDS };
    let header_size = (MAGIC_SIZE + count * usize::from(width)) as u64;
    if size < header_size {
        return None;
    }
    let header = data.bytes(offset, header_size)?;
    let mut words = [0u64; MAX_WORDS];
    for (word, bytes) in words
        .iter_mut()
        .zip(header[MAGIC_SIZE..].chunks_exact(width.into()))
    {
        *word = bytes.iter().enumerate().fold(0, |word, (index, byte)| {
            let place = if is_big_endian {
                usize::from(width) - 1 - index
            } else {
                index
            };
            word | u64::from(*byte) << (8 * place)
        });
    }
    let parts = &words[count - 5..count];
    let names = parts[1].checked_sub(parts[0])?;
    let is_valid = words[0] > 0
        && (header_size..=header_size + MAX_PADDING).contains(&parts[0])
        && parts.is_sorted()
        && parts[4] < size
        && (1..=MAX_FUNCTION_NAMES).contains(&names);
    is_valid.then_some((offset + parts[0], names))
}

/// The functions of a line table of Go 1.18 and newer with words of 8 bytes, in the order of their addresses.
pub struct Functions<'a> {
    table: Cow<'a, [u8]>,
    names: usize,
    functions: usize,
    count: usize,
    start: u64,
}

impl<'a> Functions<'a> {
    /// Read the table. `start` is the address of the code, for tables that do not contain it (Go 1.26 and newer).
    pub fn read(data: &Data<'a>, start: Option<u64>) -> Option<Self> {
        const WORD: usize = 8;
        let table = data.bytes(0, data.len())?;
        let word = |index: usize| -> Option<usize> {
            let place = MAGIC_SIZE + index * WORD;
            let bytes: [u8; WORD] = table.get(place..place + WORD)?.try_into().ok()?;
            usize::try_from(u64::from_le_bytes(bytes)).ok()
        };
        let magic = table.get(..4)?.try_into().ok()?;
        if !matches!(u32::from_le_bytes(magic), GO_1_18 | GO_1_20) || table.get(7) != Some(&8) {
            return None;
        }
        let (count, names, functions) = (word(0)?, word(3)?, word(7)?);
        let stated = word(2)? as u64;
        let size = count.checked_mul(8)?.checked_add(4)?;
        table.get(functions..functions.checked_add(size)?)?;
        Some(Self {
            names,
            functions,
            count,
            start: if stated == 0 { start? } else { stated },
            table,
        })
    }

    /// Return the name of the function at an address, and True for the first instruction of the function.
    pub fn find(&self, address: u64) -> Option<(&str, bool)> {
        let distance = u32::try_from(address.checked_sub(self.start)?).ok()?;
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.number(self.functions + middle * 8)? <= distance {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let entry = self.functions + low.checked_sub(1)? * 8;
        if distance >= self.number(entry + 8)? {
            return None;
        }
        let function = self
            .functions
            .checked_add(self.number(entry + 4)? as usize)?;
        if self.number(function)? != self.number(entry)? {
            return None;
        }
        let name = self
            .names
            .checked_add(self.number(function.checked_add(4)?)? as usize)?;
        let bytes = self.table.get(name..)?;
        let end = memchr::memchr(0, &bytes[..bytes.len().min(MAX_NAME)])?;
        let is_start = self.number(entry)? == distance;
        Some((std::str::from_utf8(&bytes[..end]).ok()?, is_start))
    }

    fn number(&self, place: usize) -> Option<u32> {
        let bytes = self.table.get(place..place.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(magic: u32, width: u8, is_big_endian: bool, names: &[u8]) -> Vec<u8> {
        let count = if magic == GO_1_16 { 7 } else { 8 };
        let start = 8 + count as u64 * u64::from(width);
        let end = start + names.len() as u64;
        let mut words = vec![1, 1, 0, start, end, end, end, end];
        if count == 7 {
            words.remove(2);
        }
        let order = |bytes: &[u8]| -> Vec<u8> {
            if is_big_endian {
                bytes.iter().rev().copied().collect()
            } else {
                bytes.to_vec()
            }
        };
        let mut table = order(&magic.to_le_bytes());
        table.extend([0, 0, 1, width]);
        for word in words {
            table.extend(order(&word.to_le_bytes()[..width.into()]));
        }
        table.extend(names);
        table.extend([0; 32]);
        table
    }

    fn read(bytes: &[u8], sections: &[(u64, u64)]) -> Option<Vec<u8>> {
        read_names(&Data::Memory(bytes), sections).map(Cow::into_owned)
    }

    #[test]
    fn headers_of_all_versions() {
        let names = b"main.main\0fmt.Println\0".as_slice();
        for magic in [GO_1_16, GO_1_18, GO_1_20] {
            for (width, is_big_endian) in [(4, false), (8, false), (4, true), (8, true)] {
                let table = build(magic, width, is_big_endian, names);
                let size = table.len() as u64;
                assert_eq!(read(&table, &[(0, size)]).as_deref(), Some(names));
                let file = [b"code".as_slice(), &table].concat();
                assert_eq!(read(&file, &[]).as_deref(), Some(names));
                assert_eq!(read(&file, &[(4, size)]).as_deref(), Some(names));
            }
        }
        // Before Go 1.16, names are not in one part.
        assert_eq!(read(&build(0xffff_fffb, 8, false, names), &[]), None);
    }

    #[test]
    fn several_tables_are_unknown() {
        let table = build(GO_1_20, 8, false, b"main.main\0");
        let size = table.len() as u64;
        let both = [table.clone(), table].concat();
        assert_eq!(read(&both, &[]), None);
        assert_eq!(read(&both, &[(0, size), (size, size)]), None);
        assert!(read(&both, &[(0, size)]).is_some());
    }

    #[test]
    fn damaged_tables_are_unknown() {
        let table = build(GO_1_20, 8, false, b"main.main\0");
        for size in 0..table.len() - 31 {
            assert_eq!(read(&table[..size], &[]), None, "{size}");
            assert_eq!(read(&table, &[(0, size as u64)]), None, "{size}");
        }
        for place in 0..72 {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut damaged = table.clone();
                damaged[place] = byte;
                // No panic and no read beyond the file, whatever the result.
                read(&damaged, &[]);
                read(&damaged, &[(0, u64::MAX)]);
                read(&damaged, &[(u64::MAX, u64::MAX)]);
            }
        }
        let starts = [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8].repeat(MAX_STARTS + 1);
        assert_eq!(read(&[table, starts].concat(), &[]), None);
    }
}
