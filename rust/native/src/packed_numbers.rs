//! Numbers of rows in a compact form, as LEB128: small ones take a byte.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The largest number of a row: arrays by number have less than 2 GB.
pub const LIMIT: u64 = 1 << 26;

/// Append a number.
pub fn write(content: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        content.push(number as u8 | 0x80);
        number >>= 7;
    }
    content.push(number as u8);
}

/// The numbers of a packed value. Reading returns None at the end of the value, and for a number that is too large.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(content: &'a [u8]) -> Self {
        Self(content)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// Read the number of a row.
    #[inline]
    pub fn row(&mut self) -> Option<usize> {
        self.number()
            .filter(|number| *number < LIMIT)
            .map(|number| number as usize)
    }

    /// Read the number of a row as its difference to the one before.
    #[inline]
    pub fn after(&mut self, last: usize) -> Option<usize> {
        add(last, self.row()?)
    }

    /// Read a part with its length before it.
    pub fn part(&mut self) -> Option<Reader<'a>> {
        let size = self.row()?;
        let part = self.0.get(..size)?;
        self.0 = &self.0[size..];
        Some(Reader(part))
    }
}

/// Return the number of a row after another one; None if it is too large.
#[inline]
pub fn add(last: usize, difference: usize) -> Option<usize> {
    Some(last + difference).filter(|number| (*number as u64) < LIMIT)
}

pub fn invalid() -> PyErr {
    PyValueError::new_err("not a packed value")
}

/// The value of an array by number, which grows to have it.
#[inline]
pub fn entry<T: Clone + Default>(values: &mut Vec<T>, number: usize) -> &mut T {
    if number >= values.len() {
        values.resize(number + 1, T::default());
    }
    &mut values[number]
}
