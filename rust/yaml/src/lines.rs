//! Lines of a text.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Return the index of the first character of each line, as native 32-bit integers. Lines end with LF, CR LF or CR.
#[pyfunction]
pub fn line_starts<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyBytes>> {
    let Ok(characters) = text.to_str() else {
        // Half of a surrogate pair is one character as well, but not UTF-8.
        let encoded = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
        return Ok(find_starts(
            text.py(),
            encoded.cast::<PyBytes>()?.as_bytes(),
        ));
    };
    Ok(find_starts(text.py(), characters.as_bytes()))
}

fn find_starts<'py>(py: Python<'py>, text: &[u8]) -> Bound<'py, PyBytes> {
    let mut starts = vec![0_u32];
    let (mut index, mut after_return) = (0_u32, false);
    for &byte in text {
        // Bytes after the first one of a character.
        if byte & 0xC0 == 0x80 {
            continue;
        }
        index += 1;
        match byte {
            b'\n' if after_return => *starts.last_mut().expect("there is a first line") = index,
            b'\n' | b'\r' => starts.push(index),
            _ => {}
        }
        after_return = byte == b'\r';
    }
    let bytes: Vec<u8> = starts.into_iter().flat_map(u32::to_ne_bytes).collect();
    PyBytes::new(py, &bytes)
}
