//! String variables of Go executables that may hold the version of the program.
//!
//! The symbol table names them. Without it, the texts that the linker stored for `-X` are found by their form: the linker
//! ends them with a zero byte, unlike literals. Their readers are the functions with an instruction that addresses the
//! variable (x86-64 and AArch64). Decides nothing about versions; reads little-endian ELF files of 64 bits only.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use crate::code::{self, Architecture};
use crate::content::{read_word, Data};
use crate::pclntab;

/// Bytes of one section that is read.
const MAX_SECTION: u64 = 96 << 20;
/// Bytes of data in which variables are searched.
const MAX_DATA: u64 = 32 << 20;
const MAX_TEXT: u64 = 128;
const MAX_NAME: usize = 1024;
const MAX_VARIABLES: usize = 1000;
/// Values that the linker stored; a program has few.
const MAX_LINKED: usize = 32;
const MAX_READERS: usize = 64;
const MAX_TEXTS: usize = 64;
/// Bytes of code before and behind an instruction in which other operands of the same statement are searched.
const NEARBY: usize = 160;
/// Bytes at the start of a literal; its size is not known, so that others may follow.
const LITERAL: u64 = 48;

const SYMBOL: usize = 24;
const HEADER: usize = 16;

/// A section of the file: the address and the place of its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub address: u64,
    pub offset: u64,
    pub size: u64,
}

/// The sections with variables and code.
#[derive(Default)]
pub struct Sections {
    pub architecture: Option<Architecture>,
    pub symbols: Option<Section>,
    pub symbol_names: Option<Section>,
    pub code: Option<Section>,
    pub literals: Option<Section>,
    pub data: Option<Section>,
    pub lines: Option<Section>,
    pub module: Option<Section>,
}

/// A value that the linker stored in a variable without a name, and the functions that read the variable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkedValue {
    pub value: String,
    pub readers: Vec<Reader>,
}

impl LinkedValue {
    pub fn size(&self) -> usize {
        let texts = self.readers.iter().flat_map(|reader| &reader.texts);
        let functions = self.readers.iter().map(|reader| reader.function.len());
        self.value.len() + functions.sum::<usize>() + texts.map(String::len).sum::<usize>()
    }
}

/// A function that reads a variable, and the texts beside the instruction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reader {
    pub function: String,
    pub texts: Vec<String>,
}

/// A loaded section.
struct Bytes<'a> {
    address: u64,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Bytes<'a> {
    fn load(data: &Data<'a>, section: Option<Section>, limit: u64) -> Option<Self> {
        let section = section.filter(|section| section.size <= limit)?;
        // No address within the section overflows.
        section.address.checked_add(section.size)?;
        Some(Self {
            address: section.address,
            bytes: data.bytes(section.offset, section.size)?,
        })
    }

    fn get(&self, address: u64, size: u64) -> Option<&[u8]> {
        let start = usize::try_from(address.checked_sub(self.address)?).ok()?;
        self.bytes
            .get(start..start.checked_add(usize::try_from(size).ok()?)?)
    }

    /// Return the text of a string header at an address of this section.
    fn header(&self, address: u64) -> Option<(u64, u64)> {
        let bytes = self.get(address, HEADER as u64)?;
        Some((read_word(bytes), read_word(&bytes[8..])))
    }
}

/// Return the variables whose names end like those of versions, with their values, from the symbol table. True: the linker
/// stored the value (`-X`), which is not the one of the source.
pub fn read_named(data: &Data<'_>, sections: &Sections) -> Vec<(String, String, bool)> {
    list_named(data, sections).unwrap_or_default()
}

fn list_named(data: &Data<'_>, sections: &Sections) -> Option<Vec<(String, String, bool)>> {
    let symbols = Bytes::load(data, sections.symbols, MAX_SECTION)?;
    let names = Bytes::load(data, sections.symbol_names, MAX_SECTION)?;
    // Values of the linker (`main.version.str`) are exact; other variables have the value of the source.
    let mut linked = BTreeMap::new();
    let mut addresses = BTreeMap::new();
    for symbol in symbols.bytes.chunks_exact(SYMBOL) {
        let start = u32::from_le_bytes(symbol[..4].try_into().ok()?) as usize;
        let address = read_word(&symbol[8..]);
        let Some(name) = read_name(&names.bytes, start) else {
            continue;
        };
        if let Some(variable) = name.strip_suffix(".str") {
            if is_version_name(variable) {
                linked.insert(variable, address);
            }
        } else if is_version_name(name) && read_word(&symbol[16..]) == HEADER as u64 {
            addresses.insert(name, address);
        }
        if linked.len() + addresses.len() > MAX_VARIABLES {
            return None;
        }
    }
    let literals = Bytes::load(data, sections.literals, MAX_SECTION);
    let variables = Bytes::load(data, sections.data, MAX_DATA);
    let mut values = BTreeMap::new();
    for (name, address) in addresses {
        let header = variables.as_ref().and_then(|data| data.header(address));
        let text = header.and_then(|(text, size)| {
            (size <= MAX_TEXT).then_some(())?;
            literals.as_ref()?.get(text, size)
        });
        if let Some(value) = text.and_then(to_version) {
            values.insert(name, (value, false));
        }
    }
    for (name, address) in linked {
        let rest = section_rest(literals.as_ref(), address);
        let end = memchr::memchr(0, &rest[..rest.len().min(MAX_TEXT as usize)]);
        if let Some(value) = end.and_then(|end| to_version(&rest[..end])) {
            values.insert(name, (value, true));
        }
    }
    let named = values.into_iter();
    let named = named.map(|(name, (value, is_linked))| (name.to_owned(), value, is_linked));
    Some(named.collect())
}

/// Return the values that the linker stored in variables of a program without a symbol table.
pub fn read_linked(data: &Data<'_>, sections: &Sections) -> Vec<LinkedValue> {
    list_linked(data, sections).unwrap_or_default()
}

fn list_linked(data: &Data<'_>, sections: &Sections) -> Option<Vec<LinkedValue>> {
    let architecture = sections.architecture?;
    let variables = Bytes::load(data, sections.data, MAX_DATA)?;
    let literals = Bytes::load(data, sections.literals, MAX_SECTION)?;
    let stored = find_linked(&variables, &literals)?;
    if stored.is_empty() {
        return None;
    }
    let code = Bytes::load(data, sections.code, MAX_SECTION)?;
    let lines = sections.lines?;
    if lines.size > MAX_SECTION {
        return None;
    }
    let table = data.part(lines.offset, lines.size)?;
    let functions = pclntab::Functions::read(&table, read_code_start(data, sections))?;
    let mut values: Vec<LinkedValue> = Vec::new();
    let mut indexes = HashMap::new();
    for (address, value) in stored {
        // Instructions address both words of a header.
        indexes.insert(address, values.len());
        indexes.insert(address + 8, values.len());
        values.push(LinkedValue {
            value,
            readers: Vec::new(),
        });
    }
    let addresses: Vec<u64> = indexes.keys().copied().collect();
    for (place, address) in
        code::find_references(architecture, &code.bytes, code.address, &addresses)
    {
        let readers = &mut values[indexes[&address]].readers;
        let (function, _) = functions.find(code.address + place as u64)?;
        let texts = list_texts(architecture, &code, place, &functions, |operand| {
            read_literal(operand, &literals, &variables)
        });
        match readers
            .iter()
            .position(|reader| reader.function == function)
        {
            Some(index) if readers[index].texts.len() < MAX_TEXTS => {
                readers[index].texts.extend(texts);
            }
            Some(_) => {}
            None if readers.len() < MAX_READERS => readers.push(Reader {
                function: function.to_owned(),
                texts,
            }),
            // A reader that is not listed could be of another package.
            None => return None,
        }
    }
    for reader in values.iter_mut().flat_map(|value| &mut value.readers) {
        reader.texts.sort_unstable();
        reader.texts.dedup();
    }
    Some(values)
}

/// Return the texts that the statement with an instruction uses. Calls end a statement, except those of the runtime.
fn list_texts(
    architecture: Architecture,
    code: &Bytes<'_>,
    place: usize,
    functions: &pclntab::Functions<'_>,
    read: impl Fn(u64) -> Option<(String, bool)>,
) -> Vec<String> {
    let first = place.saturating_sub(NEARBY);
    let last = (place + NEARBY).min(code.bytes.len());
    let (mut start, mut end) = (first, last);
    let calls = code::list_calls(
        architecture,
        &code.bytes[first..last],
        code.address + first as u64,
    );
    for (offset, target) in calls {
        let is_end = functions
            .find(target)
            .is_some_and(|(name, is_start)| is_start && !name.starts_with("runtime."));
        match first + offset {
            call if is_end && call < place => start = call,
            call if is_end => end = end.min(call),
            _ => {}
        }
    }
    let piece = &code.bytes[start..end];
    let mut texts = Vec::new();
    for (offset, operand) in code::list_loaded(architecture, piece, code.address + start as u64) {
        match read(operand) {
            Some((text, true)) => texts.push(text),
            Some((text, false)) => {
                for size in code::list_sizes(architecture, piece, offset) {
                    let size = usize::try_from(size).unwrap_or_default();
                    texts.extend(text.get(..size).filter(|_| size > 1).map(str::to_owned));
                }
            }
            None => {}
        }
    }
    texts.truncate(MAX_TEXTS);
    texts
}

/// Return the address of the code of Go from the description of the module (`runtime.moduledata` since Go 1.18).
fn read_code_start(data: &Data<'_>, sections: &Sections) -> Option<u64> {
    const PLACE: u64 = 22 * 8;
    let section = sections.module?;
    let module = Bytes::load(data, Some(section), 1 << 16)?;
    let start = read_word(module.get(section.address.checked_add(PLACE)?, 8)?);
    (start != 0).then_some(start)
}

/// Return the addresses of variables with values of the linker; None if there are too many.
fn find_linked(variables: &Bytes<'_>, literals: &Bytes<'_>) -> Option<Vec<(u64, String)>> {
    let mut stored = Vec::new();
    let mut offset = (variables.address.wrapping_neg() % 8) as usize;
    while offset + HEADER <= variables.bytes.len() {
        let address = variables.address + offset as u64;
        offset += 8;
        let Some((text, size)) = variables.header(address) else {
            continue;
        };
        if !(3..=MAX_TEXT).contains(&size) || text % alignment(size + 1) != 0 {
            continue;
        }
        let Some(bytes) = size
            .checked_add(1)
            .and_then(|size| literals.get(text, size))
        else {
            continue;
        };
        let (value, end) = bytes.split_at(bytes.len() - 1);
        if let (Some(value), [0]) = (to_version(value), end) {
            stored.push((address, value));
        }
    }
    (stored.len() <= MAX_LINKED).then_some(stored)
}

/// Return the alignment that the linker gives to data of a size.
fn alignment(size: u64) -> u64 {
    match size {
        32.. => 32,
        _ => 1 << size.ilog2(),
    }
}

/// Return the text at an address: of the string whose header is there, with True, or the start of a literal.
fn read_literal(
    address: u64,
    literals: &Bytes<'_>,
    variables: &Bytes<'_>,
) -> Option<(String, bool)> {
    for section in [literals, variables] {
        if let Some((text, size)) = section.header(address) {
            if let (1..=MAX_TEXT, Some(bytes)) = (size, literals.get(text, size)) {
                return Some((to_text(bytes)?, true));
            }
        }
    }
    let rest = section_rest(Some(literals), address);
    let end = rest.len().min(LITERAL as usize);
    Some((to_text(&rest[..end])?, false))
}

fn section_rest<'a>(section: Option<&'a Bytes<'_>>, address: u64) -> &'a [u8] {
    let rest = section.and_then(|section| {
        let start = usize::try_from(address.checked_sub(section.address)?).ok()?;
        section.bytes.get(start..)
    });
    rest.unwrap_or_default()
}

/// Return bytes as a text with spaces in the place of control characters and others outside of ASCII; None if it does not
/// begin with two printable characters.
fn to_text(bytes: &[u8]) -> Option<String> {
    let is_text = bytes.len() > 1 && bytes[..2].iter().all(u8::is_ascii_graphic);
    let to_character = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => ' ',
    };
    is_text.then(|| bytes.iter().map(to_character).collect())
}

/// Return a text that begins with a number, perhaps after a `v`, and contains no spaces.
fn to_version(bytes: &[u8]) -> Option<String> {
    let number = bytes.strip_prefix(b"v").unwrap_or(bytes);
    let is_version = number.first()?.is_ascii_digit()
        && bytes.contains(&b'.')
        && bytes.iter().all(u8::is_ascii_graphic);
    is_version.then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// Return True if the last part of the name of a variable may be one of a version.
fn is_version_name(name: &str) -> bool {
    let variable = name.rsplit('.').next().unwrap_or(name).as_bytes();
    let contains = |word: &[u8]| {
        variable
            .windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word))
    };
    name.len() > variable.len() && (contains(b"ver") || contains(b"tag"))
}

fn read_name(names: &[u8], start: usize) -> Option<&str> {
    let bytes = names.get(start..)?;
    let end = memchr::memchr(0, &bytes[..bytes.len().min(MAX_NAME)])?;
    std::str::from_utf8(&bytes[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_versions() {
        for text in ["1.2.3", "v1.2.3-rc.1", "0.1"] {
            assert_eq!(to_version(text.as_bytes()).as_deref(), Some(text));
        }
        for text in ["", "v", "go1.2", "1", "1.2 x", "version 1.2"] {
            assert_eq!(to_version(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn names_of_variables() {
        assert!(is_version_name("main.version"));
        assert!(is_version_name("a/b.gitTag"));
        assert!(!is_version_name("version"));
        assert!(!is_version_name("a/version.Get"));
    }

    #[test]
    fn alignments_of_the_linker() {
        for (size, expected) in [(4, 4), (7, 4), (8, 8), (31, 16), (32, 32), (129, 32)] {
            assert_eq!(alignment(size), expected);
        }
    }

    #[test]
    fn sections_beyond_the_file_are_empty() {
        let beyond = Some(Section {
            address: u64::MAX - 4,
            offset: u64::MAX - 4,
            size: 16,
        });
        let inside = Some(Section {
            address: u64::MAX - 4,
            offset: 0,
            size: 64,
        });
        let bytes = [0xff; 64];
        for section in [beyond, inside] {
            let sections = Sections {
                architecture: Some(Architecture::X86),
                symbols: section,
                symbol_names: section,
                code: section,
                literals: section,
                data: section,
                lines: section,
                module: section,
            };
            assert!(read_named(&Data::Memory(&bytes), &sections).is_empty());
            assert!(read_linked(&Data::Memory(&bytes), &sections).is_empty());
        }
    }
}
