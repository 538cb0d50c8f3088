//! A quick search for texts that may hold a secret.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

#[pyclass(frozen)]
pub struct SecretFilter {
    hints: AhoCorasick,
    shortest: usize,
    long_word: usize,
}

#[pymethods]
impl SecretFilter {
    /// Matches texts of at least `shortest` letters with one of the parts `hints` in any case, a word of `long_word` letters,
    /// digits and `_+=-`, or a letter outside of ASCII. Raises ValueError.
    #[new]
    fn new(hints: Vec<String>, shortest: usize, long_word: usize) -> PyResult<Self> {
        let hints = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .build(hints)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self {
            hints,
            shortest,
            long_word,
        })
    }

    /// Return False for most texts without a secret.
    pub fn matches(&self, text: &Bound<'_, PyString>) -> bool {
        // A text with half of a surrogate pair is not UTF-8.
        text.to_str().map_or(true, |text| self.matches_text(text))
    }
}

impl SecretFilter {
    fn matches_text(&self, text: &str) -> bool {
        if !text.is_ascii() {
            return true;
        }
        if text.len() < self.shortest {
            return false;
        }
        let mut length = 0;
        self.hints.is_match(text)
            || text.bytes().any(|letter| {
                let is_part =
                    letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'+' | b'=' | b'-');
                length = if is_part { length + 1 } else { 0 };
                length >= self.long_word
            })
    }
}
