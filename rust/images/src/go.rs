//! Build information of Go executables (source of debug/buildinfo): the Go version, and the list of modules.

use crate::limits::MAX_GO_MODULES;

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
const HEADER: u64 = 32;
const MAX_VERSION: u64 = 4096;
/// Marks around the list of modules in the executable.
const MARK: usize = 16;

/// Return the offset of build information in a data segment.
pub fn find(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, MAGIC).find(|offset| offset % ALIGNMENT == 0)
}

/// Read the version and modules at an address. `read` returns the bytes at an address, None if the file has none there.
pub fn read<'a>(
    address: u64,
    read: impl Fn(u64, u64) -> Option<&'a [u8]>,
) -> Option<(String, String)> {
    let header = read(address, HEADER)?;
    if !header.starts_with(MAGIC) {
        return None;
    }
    let (pointer_size, flags) = (header[14], header[15]);
    let (version, modules) = if flags & 2 != 0 {
        // Go 1.18 and newer: both texts follow with their sizes.
        let start = address.checked_add(HEADER)?;
        let (version, next) = read_inline(start, MAX_VERSION, &read)?;
        (version, read_inline(next, MAX_GO_MODULES, &read)?.0)
    } else {
        let is_big_endian = flags & 1 != 0;
        let pointer = |offset: u64| {
            let at = address.checked_add(offset)?;
            read_pointer(at, pointer_size, is_big_endian, &read)
        };
        let size = u64::from(pointer_size);
        let version = read_text(
            pointer(16)?,
            pointer_size,
            is_big_endian,
            MAX_VERSION,
            &read,
        )?;
        let modules = read_text(
            pointer(16 + size)?,
            pointer_size,
            is_big_endian,
            MAX_GO_MODULES,
            &read,
        )?;
        (version, modules)
    };
    let version = std::str::from_utf8(version).ok()?;
    if version.is_empty() {
        return None;
    }
    Some((version.to_owned(), unwrap_modules(modules)))
}

/// Return True if a list of modules has a main module without a version that a tag of its repository is about.
pub fn lacks_version(modules: &str) -> bool {
    let main = modules.lines().find_map(|line| line.strip_prefix("mod\t"));
    let version = main.and_then(|main| main.split('\t').nth(1));
    main.is_some()
        && version.is_none_or(|version| {
            matches!(version, "" | "(devel)") || version.starts_with("v0.0.0-")
        })
}

/// Return True if a list of modules has the flags of the linker, which `-trimpath` removes.
pub fn has_linker_flags(modules: &str) -> bool {
    modules
        .lines()
        .any(|line| line.starts_with("build\t-ldflags="))
}

/// Return the list without its marks; empty if there is none.
fn unwrap_modules(bytes: &[u8]) -> String {
    if bytes.len() < 2 * MARK + 1 || bytes[bytes.len() - MARK - 1] != b'\n' {
        return String::new();
    }
    String::from_utf8_lossy(&bytes[MARK..bytes.len() - MARK]).into_owned()
}

/// Read a text after its size as a variable-length number; return the text and the address after it.
fn read_inline<'a>(
    address: u64,
    limit: u64,
    read: &impl Fn(u64, u64) -> Option<&'a [u8]>,
) -> Option<(&'a [u8], u64)> {
    let mut size = 0u64;
    let mut at = address;
    for shift in (0..35).step_by(7) {
        let byte = read(at, 1)?[0];
        at = at.checked_add(1)?;
        size |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            if size > limit {
                return None;
            }
            return Some((read(at, size)?, at.checked_add(size)?));
        }
    }
    None
}

/// Read a Go string: its header has the address and the size of the text.
fn read_text<'a>(
    address: u64,
    pointer_size: u8,
    is_big_endian: bool,
    limit: u64,
    read: &impl Fn(u64, u64) -> Option<&'a [u8]>,
) -> Option<&'a [u8]> {
    if address == 0 {
        return Some(b"");
    }
    let text = read_pointer(address, pointer_size, is_big_endian, read)?;
    let at = address.checked_add(u64::from(pointer_size))?;
    let size = read_pointer(at, pointer_size, is_big_endian, read)?;
    if size > limit {
        return None;
    }
    read(text, size)
}

fn read_pointer<'a>(
    address: u64,
    pointer_size: u8,
    is_big_endian: bool,
    read: &impl Fn(u64, u64) -> Option<&'a [u8]>,
) -> Option<u64> {
    let bytes = read(address, u64::from(pointer_size))?;
    match (pointer_size, is_big_endian) {
        (4, false) => Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?))),
        (4, true) => Some(u64::from(u32::from_be_bytes(bytes.try_into().ok()?))),
        (8, false) => Some(u64::from_le_bytes(bytes.try_into().ok()?)),
        (8, true) => Some(u64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}
