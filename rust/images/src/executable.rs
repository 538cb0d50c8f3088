//! Facts in executables: build information and symbols of Go, packages of cargo-auditable. Reads only the sections with
//! them.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom, Write};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};
use object::read::macho::{FatArch, MachOFatFile32, MachOFatFile64};
use object::{
    File, FileKind, Object, ObjectSection, ObjectSegment, ReadCache, ReadRef, Section,
    SectionFlags, SegmentFlags,
};

use crate::code::Architecture;
use crate::content::Data;
use crate::go_variables::{self, LinkedValue};
use crate::limits::MAX_CARGO;
use crate::{dotnet, go, pclntab, symbols};

/// Bytes that may be read from a temporary file to inspect one executable.
const MAX_READ: u64 = 64 << 20;
/// Bytes of a data segment that are searched for build information if no section contains it.
const MAX_SEARCH: u64 = 1 << 20;

/// Sections of an executable; each name may cost a search through all names.
const MAX_SECTIONS: usize = 512;

#[derive(Clone, Debug, Default)]
pub struct Executable {
    pub go_version: String,
    pub go_modules: String,
    pub cargo: Vec<u8>,
    pub versions: Vec<(String, String)>,
    /// The text of `symbols::list_symbols` as a zlib stream; empty if unknown.
    pub go_symbols: Vec<u8>,
    /// Variables of the symbol table that may hold a version, only if the main module has none.
    pub go_variables: Vec<(String, String, bool)>,
    /// Values that the linker stored in variables without names, only if the main module has no version.
    pub go_linked: Vec<LinkedValue>,
    /// The version resource of a .NET assembly.
    pub version_resource: Vec<u8>,
    /// The `deps.json` in a .NET program of a single file.
    pub dotnet_libraries: Vec<u8>,
}

impl Executable {
    pub fn is_empty(&self) -> bool {
        self.go_version.is_empty()
            && self.cargo.is_empty()
            && self.versions.is_empty()
            && self.version_resource.is_empty()
            && self.dotnet_libraries.is_empty()
    }

    pub fn size(&self) -> u64 {
        let go = self.go_version.len() + self.go_modules.len() + self.go_symbols.len();
        let named = self.go_variables.iter();
        let named: usize = named.map(|(name, value, _)| name.len() + value.len()).sum();
        let linked = self.go_linked.iter().map(LinkedValue::size).sum::<usize>();
        let dotnet = self.version_resource.len() + self.dotnet_libraries.len();
        (go + named + linked + dotnet + self.cargo.len()) as u64
    }
}

/// An inspected file with the places of the symbols of Go.
#[derive(Default)]
struct Inspection {
    executable: Executable,
    problem: Option<String>,
    /// Offset and size of the file for one processor; None if the file is for several processors.
    part: Option<(u64, u64)>,
    /// Offset and size of sections with a line table of Go, in the part.
    tables: Vec<(u64, u64)>,
    sections: go_variables::Sections,
    /// Offset of the header of a .NET bundle.
    bundle: Option<u64>,
}

/// Inspect an executable, with `wants_symbols` also the functions of Go executables. Returns the facts, and the reason if a
/// part of them cannot be read.
pub fn inspect(data: &Data<'_>, wants_symbols: bool) -> (Executable, Option<String>) {
    let mut inspection = match data {
        Data::Memory(bytes) => inspect_file(*bytes, data.len()),
        Data::File(..) => {
            let cache = ReadCache::new(DataReader {
                data: *data,
                position: 0,
                budget: Cell::new(MAX_READ),
            });
            inspect_file(&cache, data.len())
        }
    };
    if wants_symbols && !inspection.executable.go_version.is_empty() {
        inspection.executable.go_symbols = read_symbols(data, &inspection).unwrap_or_default();
    }
    read_variables(data, &mut inspection);
    if let Some(offset) = inspection.bundle {
        inspection.executable.dotnet_libraries =
            dotnet::read_bundle(data, offset).unwrap_or_default();
    }
    (inspection.executable, inspection.problem)
}

fn inspect_file<'data, R: ReadRef<'data>>(data: R, size: u64) -> Inspection {
    let mut inspection = Inspection::default();
    match FileKind::parse(data) {
        Ok(FileKind::MachOFat32) => {
            if let Ok(file) = MachOFatFile32::parse(data) {
                inspect_universal(data, file.arches(), &mut inspection);
            }
        }
        Ok(FileKind::MachOFat64) => {
            if let Ok(file) = MachOFatFile64::parse(data) {
                inspect_universal(data, file.arches(), &mut inspection);
            }
        }
        // Files that only begin like an executable are common.
        Err(_) => {}
        Ok(_) => {
            inspection.part = Some((0, size));
            inspect_object(data, &mut inspection);
        }
    }
    inspection
}

/// Inspect the first program in a file for several processors.
fn inspect_universal<'data, R: ReadRef<'data>, A: FatArch>(
    data: R,
    arches: &[A],
    inspection: &mut Inspection,
) {
    if let [first, others @ ..] = arches {
        if let Ok(part) = first.data(data) {
            inspection.part = others.is_empty().then(|| first.file_range());
            inspect_object(part, inspection);
        }
    }
}

/// Return the symbols of a Go executable as a zlib stream; None if they are unknown.
fn read_symbols(data: &Data<'_>, inspection: &Inspection) -> Option<Vec<u8>> {
    let (offset, size) = inspection.part?;
    let names = pclntab::read_names(&data.part(offset, size)?, &inspection.tables)?;
    let text = symbols::list_symbols(&names)?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).ok()?;
    encoder.finish().ok()
}

/// Read the variables of a Go executable whose build information has no version of the main module.
fn read_variables(data: &Data<'_>, inspection: &mut Inspection) {
    let executable = &mut inspection.executable;
    if inspection.part != Some((0, data.len())) || !go::lacks_version(&executable.go_modules) {
        return;
    }
    executable.go_variables = go_variables::read_named(data, &inspection.sections);
    if inspection.sections.symbols.is_none() && !go::has_linker_flags(&executable.go_modules) {
        executable.go_linked = go_variables::read_linked(data, &inspection.sections);
    }
}

fn inspect_object<'data, R: ReadRef<'data>>(data: R, inspection: &mut Inspection) {
    let Ok(file) = File::parse(data) else {
        return;
    };
    inspection.sections.architecture = match file.architecture() {
        object::Architecture::X86_64 => Some(Architecture::X86),
        object::Architecture::Aarch64 => Some(Architecture::Arm),
        _ => None,
    };
    let has_variables =
        file.format() == object::BinaryFormat::Elf && file.is_64() && file.is_little_endian();
    let executable = &mut inspection.executable;
    let problem = &mut inspection.problem;
    let mut go_address = None;
    let mut writable = None;
    let mut has_sections = false;
    for section in file.sections().take(MAX_SECTIONS) {
        has_sections = true;
        if has_variables {
            add_section(&section, &mut inspection.sections);
        }
        match section.name_bytes() {
            Ok(b".go.buildinfo" | b"__go_buildinfo") => go_address = Some(section.address()),
            Ok(b".gopclntab" | b".data.rel.ro.gopclntab" | b"__gopclntab") => {
                inspection.tables.extend(section.file_range());
            }
            Ok(b".dep-v0") => match section.data().map_err(|_| ()).and_then(decompress_cargo) {
                Ok(cargo) => executable.cargo = cargo,
                Err(()) => {
                    *problem = Some("the list of Rust packages (.dep-v0) is damaged".to_owned())
                }
            },
            name => {
                if writable.is_none() && is_writable(&section) {
                    writable = section
                        .file_range()
                        .map(|(_, size)| (section.address(), size));
                }
                if let Ok(b".data" | b"__data") = name {
                    inspection.bundle = find_bundle(&section);
                }
            }
        }
    }
    executable.version_resource = match &file {
        File::Pe32(pe) => dotnet::read_version(pe, |address, size| read_address(pe, address, size)),
        File::Pe64(pe) => dotnet::read_version(pe, |address, size| read_address(pe, address, size)),
        _ => None,
    }
    .unwrap_or_default();
    // Windows executables have no section for build information, and stripped ones may have no sections at all.
    if go_address.is_none() && (file.format() == object::BinaryFormat::Pe || !has_sections) {
        let range = writable.or_else(|| find_writable_segment(&file));
        go_address = range.and_then(|(address, size)| {
            let bytes = read_address(&file, address, size.min(MAX_SEARCH))?;
            Some(address + go::find(bytes)? as u64)
        });
    }
    let Some(address) = go_address else {
        return;
    };
    match go::read(address, |address, size| read_address(&file, address, size)) {
        Some((version, modules)) => {
            executable.go_version = version;
            executable.go_modules = modules;
        }
        None => *problem = Some("the build information of Go is damaged".to_owned()),
    }
}

fn find_bundle<'data, R: ReadRef<'data>>(section: &Section<'data, '_, R>) -> Option<u64> {
    let size = section.file_range()?.1.min(MAX_SEARCH);
    dotnet::find_bundle(section.data_range(section.address(), size).ok()??)
}

/// Note the place of a section that variables of Go are read from.
fn add_section<'data, R: ReadRef<'data>>(
    section: &Section<'data, '_, R>,
    sections: &mut go_variables::Sections,
) {
    let place = match section.name_bytes() {
        Ok(b".symtab") => &mut sections.symbols,
        Ok(b".strtab") => &mut sections.symbol_names,
        Ok(b".text") => &mut sections.code,
        Ok(b".rodata") => &mut sections.literals,
        Ok(b".data") => &mut sections.data,
        Ok(b".gopclntab") => &mut sections.lines,
        Ok(b".go.module") => &mut sections.module,
        _ => return,
    };
    *place = section
        .file_range()
        .map(|(offset, size)| go_variables::Section {
            address: section.address(),
            offset,
            size,
        });
}

/// Return True for a data section of a Windows executable.
fn is_writable<'data, R: ReadRef<'data>>(section: &Section<'data, '_, R>) -> bool {
    const INITIALIZED: u32 = 0x40;
    const WRITE: u32 = 0x8000_0000;
    match section.flags() {
        SectionFlags::Coff { characteristics } => {
            characteristics.0 & (INITIALIZED | WRITE) == INITIALIZED | WRITE
        }
        _ => false,
    }
}

fn find_writable_segment<'data, R: ReadRef<'data>>(file: &File<'data, R>) -> Option<(u64, u64)> {
    const WRITE: u32 = 2;
    file.segments().find_map(|segment| match segment.flags() {
        SegmentFlags::Elf { p_flags, .. } if p_flags.0 & WRITE == 0 => None,
        SegmentFlags::MachO { initprot, .. } if initprot.0 & WRITE == 0 => None,
        _ => Some((segment.address(), segment.file_range().1)),
    })
}

/// Return the bytes of the file that are loaded at an address.
fn read_address<'data>(file: &impl Object<'data>, address: u64, size: u64) -> Option<&'data [u8]> {
    file.segments().find_map(|segment| {
        let stored = segment.file_range().1;
        let start = address.checked_sub(segment.address())?;
        if start.checked_add(size)? > stored {
            return None;
        }
        segment.data_range(address, size).ok().flatten()
    })
}

fn decompress_cargo(bytes: &[u8]) -> Result<Vec<u8>, ()> {
    let mut inflater = Decompress::new(true);
    let mut text = Vec::with_capacity(16 << 10);
    loop {
        let consumed = inflater.total_in() as usize;
        let status = inflater
            .decompress_vec(&bytes[consumed..], &mut text, FlushDecompress::Finish)
            .map_err(|_| ())?;
        if status == Status::StreamEnd {
            return Ok(text);
        }
        if text.len() < text.capacity() || text.len() as u64 >= MAX_CARGO {
            return Err(());
        }
        text.reserve(text.len());
    }
}

/// Reads `Data` for the crate `object`, up to a budget.
struct DataReader<'a> {
    data: Data<'a>,
    position: u64,
    budget: Cell<u64>,
}

impl Read for DataReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = (buffer.len() as u64).min(self.data.len().saturating_sub(self.position));
        let Some(budget) = self.budget.get().checked_sub(size) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        self.budget.set(budget);
        if let Data::File(file, start, _) = self.data {
            crate::content::read_exact_at(
                file,
                &mut buffer[..size as usize],
                start + self.position,
            )?;
        }
        self.position += size;
        Ok(size as usize)
    }
}

impl Seek for DataReader<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let (base, offset) = match position {
            SeekFrom::Start(offset) => (offset, 0),
            SeekFrom::End(offset) => (self.data.len(), offset),
            SeekFrom::Current(offset) => (self.position, offset),
        };
        self.position = base
            .checked_add_signed(offset)
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
