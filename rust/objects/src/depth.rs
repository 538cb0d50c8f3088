//! The limit of nested collections.

use pyo3::exceptions::PyRecursionError;
use pyo3::PyResult;

/// Levels of nested collections; readers of files accept fewer.
const MAX_DEPTH: usize = 2000;

pub fn check_depth(depth: usize) -> PyResult<()> {
    if depth > MAX_DEPTH {
        return Err(PyRecursionError::new_err(format!(
            "an object has more than {MAX_DEPTH} levels"
        )));
    }
    Ok(())
}
