//! Counts by number in a compact form, and their sums over many values.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::packed_numbers::{entry, invalid, write, Reader};

/// Pack counts: (number, count) of each, in the order of the numbers.
///
/// Format, numbers as LEB128: the difference of each number to the one before, and its count.
#[pyfunction]
pub fn pack_counts(py: Python<'_>, mut counts: Vec<(u32, u32)>) -> Bound<'_, PyBytes> {
    counts.sort_unstable();
    let mut content = Vec::with_capacity(3 * counts.len());
    let mut last = 0;
    for (number, count) in counts {
        write(&mut content, u64::from(number - last));
        write(&mut content, u64::from(count));
        last = number;
    }
    PyBytes::new(py, &content)
}

/// Return the sums of packed counts: (number, count) of each.
#[pyfunction]
pub fn sum_counts(contents: Vec<Bound<'_, PyBytes>>) -> PyResult<Vec<(usize, u64)>> {
    let mut sums: Vec<u64> = Vec::new();
    for content in contents {
        add_counts(&mut sums, content.as_bytes()).ok_or_else(invalid)?;
    }
    let sums = sums.into_iter().enumerate();
    Ok(sums.filter(|(_, count)| *count > 0).collect())
}

fn add_counts(sums: &mut Vec<u64>, content: &[u8]) -> Option<()> {
    let mut reader = Reader::new(content);
    let mut number = 0;
    while !reader.is_empty() {
        number = reader.after(number)?;
        *entry(sums, number) += reader.row()? as u64;
    }
    Some(())
}
