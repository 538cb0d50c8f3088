//! LZ4 block compression for text that is held in memory: a tenth of the time of deflate, a third more memory.
//!
//! `unpack` takes only the output of `pack`: the size in its header is trusted.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Compress `text`.
#[pyfunction]
pub fn pack<'py>(py: Python<'py>, text: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &lz4_flex::block::compress_prepend_size(text))
}

/// Decompress the output of `pack`. Raises ValueError for other data.
#[pyfunction]
pub fn unpack<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    lz4_flex::block::decompress_size_prepended(data)
        .map(|text| PyBytes::new(py, &text))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}
