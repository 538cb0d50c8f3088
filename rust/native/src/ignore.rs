//! Binding of the crate `ignore`: gitignore patterns. Reads no file.

use ::ignore::gitignore::{Gitignore, GitignoreBuilder};
use ::ignore::{Error, Match};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The patterns of one ignore file; the last one that matches decides.
#[pyclass(frozen)]
pub struct IgnorePatterns(Gitignore);

#[pymethods]
impl IgnorePatterns {
    /// Parse the lines of an ignore file. Returns the patterns, and the index and the reason of every invalid line.
    /// Raises ValueError if the patterns together exceed the size limit of a compiled expression.
    #[staticmethod]
    fn parse(lines: Vec<String>) -> PyResult<(Self, Vec<(usize, String)>)> {
        let mut builder = GitignoreBuilder::new("");
        builder.allow_unclosed_class(false);
        let mut problems = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            // The name of a file carries the index of the line, which the crate does not keep.
            if let Err(error) = builder.add_line(Some(index.to_string().into()), line) {
                problems.push((index, reason(error)));
            }
        }
        match builder.build() {
            Ok(patterns) => Ok((Self(patterns), problems)),
            Err(error) => Err(PyValueError::new_err(reason(error))),
        }
    }

    /// Return True if a relative path is ignored, False if it is included again, None if no pattern matches.
    fn verdict(&self, path: &str, is_folder: bool) -> Option<bool> {
        match self.0.matched(path, is_folder) {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        }
    }

    /// Return the index of the line that decides about a relative path; None if no pattern matches.
    fn find(&self, path: &str, is_folder: bool) -> Option<usize> {
        self.0
            .matched(path, is_folder)
            .inner()?
            .from()?
            .to_str()?
            .parse()
            .ok()
    }
}

fn reason(error: Error) -> String {
    match error {
        Error::Glob { err, .. } => err,
        error => error.to_string(),
    }
}
