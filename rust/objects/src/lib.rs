//! Walks over objects of Kubernetes as Python values, which take several times longer in Python.
//!
//! Objects are never changed. No file or network access; texts are judged by functions of the caller.

mod fields;
mod filter;
mod redaction;

pub use fields::FieldCheck;
pub use filter::SecretFilter;
pub use redaction::Redactor;

use pyo3::exceptions::PyRecursionError;
use pyo3::PyResult;

/// Levels of nested collections; readers of files accept fewer.
const MAX_DEPTH: usize = 2000;

fn check_depth(depth: usize) -> PyResult<()> {
    if depth > MAX_DEPTH {
        return Err(PyRecursionError::new_err(format!(
            "an object has more than {MAX_DEPTH} levels"
        )));
    }
    Ok(())
}
