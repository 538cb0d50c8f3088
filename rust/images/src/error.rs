//! Reasons for which a layer cannot be read.

use std::fmt;
use std::io;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug)]
pub enum Error {
    /// The origin of the layer failed.
    Source(io::Error),
    /// A temporary file could not be written or read.
    Spill(io::Error),
    /// The layer is damaged or of an unknown kind.
    Damaged(String),
    /// The layer exceeds a limit; the text names the limit.
    Limit(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(formatter),
            Self::Spill(error) => write!(
                formatter,
                "a temporary file could not be used: {error}; free disk space or set TMPDIR"
            ),
            Self::Damaged(text) | Self::Limit(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

pub fn damaged<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Damaged(text.into()))
}

/// Return an error that names a limit and the way around it.
pub fn exceeds<T>(subject: &str, limit: u64, unit: &str) -> Result<T> {
    Err(Error::Limit(format!(
        "{subject} exceeds the limit of {}; unpack the image and scan its folder with dir:PATH",
        describe_amount(limit, unit)
    )))
}

/// Return an amount for messages: bytes in the largest binary unit that divides them.
pub fn describe_amount(amount: u64, unit: &str) -> String {
    if unit != "bytes" {
        return format!("{amount} {unit}");
    }
    for (shift, name) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if amount >= 1 << shift && amount % (1 << shift) == 0 {
            return format!("{} {name}", amount >> shift);
        }
    }
    format!("{amount} bytes")
}
