//! Limits of one layer: far above real images, low enough for hostile ones.

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the blob as stored.
    pub stored: u64,
    /// Bytes of the uncompressed archive.
    pub unpacked: u64,
    /// Bytes of the uncompressed archive for each byte of the blob, once `free_ratio` bytes are unpacked. Programs and texts
    /// stay below 20; only files of zeros reach the limit (1,030 in gzip, more in zstd).
    pub ratio: u64,
    pub free_ratio: u64,
    pub entries: u64,
    /// Bytes of all paths together.
    pub paths: u64,
    /// Bytes of a file that stays in memory; larger ones are in a temporary file while they are read.
    pub memory: u64,
    /// Bytes of the content of all selected files that stay in memory.
    pub kept_memory: u64,
    /// Bytes of one temporary file. Larger files are not inspected.
    pub spill: u64,
    /// Bytes of the content of all selected files.
    pub selected: u64,
    /// Levels of Java archives in Java archives.
    pub archive_depth: usize,
    /// Bytes that the nested archives of one file may decompress to.
    pub archive_unpacked: u64,
    pub archive_entries: u64,
    /// Bytes of the facts of all archives and executables of a layer.
    pub facts: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stored: 64 * GIB,
            unpacked: 64 * GIB,
            ratio: 250,
            free_ratio: 2 * GIB,
            entries: 1_000_000,
            paths: 128 * MIB,
            memory: 8 * MIB,
            kept_memory: 16 * MIB,
            spill: GIB,
            selected: GIB,
            archive_depth: 4,
            archive_unpacked: GIB,
            archive_entries: 1_000_000,
            facts: 128 * MIB,
        }
    }
}

/// Bytes of a header block of extended attributes or of a long name, as in Go's archive/tar.
pub const MAX_EXTENDED_HEADER: u64 = MIB;
/// Bytes of a path; Linux accepts 4,096.
pub const MAX_PATH: usize = 4096;
/// Segments of a sparse file.
pub const MAX_SEGMENTS: usize = 1 << 16;
/// Bytes of a manifest or descriptor in a Java archive.
pub const MAX_DESCRIPTOR: u64 = MIB;
/// Bytes of the list of modules in a Go executable.
pub const MAX_GO_MODULES: u64 = 4 * MIB;
/// Bytes of the names of functions in a Go executable; kubectl has 6 MiB.
pub const MAX_FUNCTION_NAMES: u64 = 32 * MIB;
/// Functions of a Go executable.
pub const MAX_FUNCTIONS: usize = 1_000_000;
/// Bytes of the decompressed list of packages in a Rust executable.
pub const MAX_CARGO: u64 = 8 * MIB;
/// Bytes of a text file that is searched for secrets.
pub const MAX_TEXT: u64 = MIB;
/// Bytes at the start of a file that decide if it is text.
pub const TEXT_HEAD: usize = 8 * KIB as usize;
pub const MAX_PROBLEMS: usize = 1000;
/// Files with permission bits that matter, and hard links that are read in a second pass.
pub const MAX_LISTED: usize = 100_000;
/// Bytes that an additional selected file counts at least, so that their number is limited too.
pub const MIN_COUNTED: u64 = 4 * KIB;
/// Bytes of all texts with marks of secrets.
pub const MAX_CANDIDATES: u64 = 32 * MIB;
/// Window of a zstd frame as a power of two: 128 MiB, the default of the zstd command.
pub const MAX_ZSTD_WINDOW: u32 = 27;
