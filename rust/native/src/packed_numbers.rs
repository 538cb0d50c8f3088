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

/// The numbers of a packed value.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(content: &'a [u8]) -> Self {
        Self(content)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn number(&mut self) -> PyResult<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let Some((&byte, rest)) = self.0.split_first() else {
                break;
            };
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(invalid())
    }

    /// Read the number of a row as its difference to the one before.
    pub fn after(&mut self, last: usize) -> PyResult<usize> {
        let number = last + self.row()?;
        if (number as u64) < LIMIT {
            Ok(number)
        } else {
            Err(invalid())
        }
    }

    /// Read the number of a row.
    pub fn row(&mut self) -> PyResult<usize> {
        self.number().and_then(|number| {
            if number < LIMIT {
                Ok(number as usize)
            } else {
                Err(invalid())
            }
        })
    }
}

pub fn invalid() -> PyErr {
    PyValueError::new_err("not a packed value")
}

/// The value of an array by number, which grows to have it.
pub fn entry<T: Clone + Default>(values: &mut Vec<T>, number: usize) -> &mut T {
    if number >= values.len() {
        values.resize(number + 1, T::default());
    }
    &mut values[number]
}
