//! Facts of .NET programs: the version resource of an assembly, and the list of libraries in a program of a single file
//! (bundle of .NET 5 and newer). Returns both as they are stored.

use object::read::pe::{ImageNtHeaders, PeFile, ResourceDirectoryEntryData};
use object::{pe, Object, ReadRef};

use crate::content::{read_word, Data};

/// SHA-256 of ".net core bundle", which the host program has behind the place of the bundle's header.
const SIGNATURE: [u8; 32] = [
    0x8b, 0x12, 0x02, 0xb9, 0x6a, 0x61, 0x20, 0x38, 0x72, 0x7b, 0x93, 0x02, 0x14, 0xd7, 0xa0, 0x32,
    0x13, 0xf5, 0xb9, 0xe6, 0xef, 0xae, 0x33, 0x18, 0xee, 0x3b, 0x2d, 0xce, 0x24, 0xb3, 0x6a, 0xae,
];
/// Bytes of the list of libraries of a bundle.
const MAX_LIST: u64 = 16 << 20;
const MAX_RESOURCE: u32 = 64 << 10;
const MAX_RESOURCES: u32 = 4 << 20;

/// Return the offset of the bundle's header that a data section of a host program has; None for other programs.
pub fn find_bundle(section: &[u8]) -> Option<u64> {
    let signature = memchr::memmem::find(section, &SIGNATURE)?;
    let place = section.get(signature.checked_sub(8)?..signature)?;
    let offset = read_word(place);
    // A program without a bundle has zeros.
    (offset > 0).then_some(offset)
}

/// Return the `deps.json` in a bundle whose header is at an offset.
pub fn read_bundle(data: &Data<'_>, offset: u64) -> Option<Vec<u8>> {
    const FIXED: u64 = 13;
    let start = data.bytes(offset, FIXED)?;
    let major = u32::from_le_bytes(start[..4].try_into().ok()?);
    let id_size = start[12];
    if !(2..=15).contains(&major) || id_size > 127 {
        return None;
    }
    let place = offset.checked_add(FIXED + u64::from(id_size))?;
    let words = data.bytes(place, 16)?;
    let (list, size) = (read_word(&words), read_word(&words[8..]));
    if size == 0 || size > MAX_LIST {
        return None;
    }
    data.bytes(list, size).map(std::borrow::Cow::into_owned)
}

/// Return the version resource of an assembly; None for other programs and for assemblies without one. `read` returns the
/// bytes at an address.
pub fn read_version<'data, H: ImageNtHeaders, R: ReadRef<'data>>(
    file: &PeFile<'data, H, R>,
    read: impl Fn(u64, u64) -> Option<&'data [u8]>,
) -> Option<Vec<u8>> {
    let directories = file.data_directories();
    let runtime = directories.get(pe::IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR)?;
    let resources = directories.get(pe::IMAGE_DIRECTORY_ENTRY_RESOURCE)?;
    if runtime.address_range().0 == 0 || resources.address_range().1 > MAX_RESOURCES {
        return None;
    }
    let sections = file.section_table();
    let directory = directories
        .resource_directory(file.data(), &sections)
        .ok()??;
    let versions = directory
        .root()
        .ok()?
        .entries
        .iter()
        .find(|entry| entry.name_or_id().id() == Some(pe::RT_VERSION))?
        .data(directory)
        .ok()?
        .table()?;
    let languages = versions.entries.first()?.data(directory).ok()?.table()?;
    let ResourceDirectoryEntryData::Data(entry) =
        languages.entries.first()?.data(directory).ok()?
    else {
        return None;
    };
    let size = entry.size.get(object::LittleEndian);
    let address = entry.offset_to_data.get(object::LittleEndian);
    if size > MAX_RESOURCE {
        return None;
    }
    let base = file.relative_address_base();
    read(base.checked_add(address.into())?, size.into()).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(major: u32, list: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file.extend(major.to_le_bytes());
        file.extend([0, 0, 0, 0, 1, 0, 0, 0, 4]);
        file.extend(b"name");
        let start = file.len() as u64 + 16;
        file.extend(start.to_le_bytes());
        file.extend((list.len() as u64).to_le_bytes());
        file.extend(list);
        file
    }

    #[test]
    fn lists_of_bundles() {
        let read = |file: &[u8], offset| read_bundle(&Data::Memory(file), offset);
        let file = build(6, b"{}");
        assert_eq!(read(&file, 64).as_deref(), Some(b"{}".as_slice()));
        assert_eq!(read(&build(1, b"{}"), 64), None);
        assert_eq!(read(&file, u64::MAX), None);
        for size in 0..file.len() {
            assert_eq!(read(&file[..size], 64), None);
        }
    }

    #[test]
    fn places_of_bundles() {
        let place = |offset: u64| [&offset.to_le_bytes(), SIGNATURE.as_slice()].concat();
        assert_eq!(find_bundle(&place(0)), None);
        assert_eq!(find_bundle(&place(64)), Some(64));
        assert_eq!(find_bundle(&SIGNATURE), None);
        assert_eq!(find_bundle(&place(64)[..39]), None);
    }
}
