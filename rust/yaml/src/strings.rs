//! Cache of Python strings, one per file: keys and short values of manifests repeat a lot.
//!
//! A table of fixed size in which a new string replaces the previous one of its slot, so that no text can make it slow
//! or large.

use pyo3::prelude::*;
use pyo3::types::PyString;

const SLOTS: usize = 1 << 13;
const MAX_LENGTH: usize = 64;

pub struct StringCache {
    slots: Vec<Option<(u64, Py<PyString>)>>,
}

impl StringCache {
    pub fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Return the Python string of a text, from the cache if possible.
    pub fn get(&mut self, py: Python<'_>, text: &str) -> Py<PyString> {
        if text.len() > MAX_LENGTH {
            return PyString::new(py, text).unbind();
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let hash = hash(text);
        let slot = &mut self.slots[(hash >> 32) as usize % SLOTS];
        if let Some((cached_hash, string)) = slot {
            if *cached_hash == hash && string.bind(py).to_str().is_ok_and(|cached| cached == text) {
                return string.clone_ref(py);
            }
        }
        let string = PyString::new(py, text).unbind();
        *slot = Some((hash, string.clone_ref(py)));
        string
    }
}

/// Fast hash. A collision only means that a string is built again.
fn hash(text: &str) -> u64 {
    text.as_bytes()
        .chunks(8)
        .fold(text.len() as u64, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
        })
}
