//! Python strings that are made once a file: keys and short values of manifests repeat a lot.
//!
//! A table of fixed size in which a newcomer takes the place of the one before it, so that no text, however
//! made, can make it slow or large.

use pyo3::prelude::*;
use pyo3::types::PyString;

const SLOTS: usize = 1 << 13;
const LONGEST: usize = 64;

pub struct Strings {
    slots: Vec<Option<(u64, Py<PyString>)>>,
}

impl Strings {
    pub fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// The string of this text: one that was made before, or a new one.
    pub fn get(&mut self, py: Python<'_>, text: &str) -> Py<PyString> {
        if text.len() > LONGEST {
            return PyString::new(py, text).unbind();
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let hash = hash(text);
        let slot = &mut self.slots[(hash >> 32) as usize % SLOTS];
        if let Some((known, string)) = slot {
            if *known == hash && string.bind(py).to_str().is_ok_and(|known| known == text) {
                return string.clone_ref(py);
            }
        }
        let string = PyString::new(py, text).unbind();
        *slot = Some((hash, string.clone_ref(py)));
        string
    }
}

/// A quick hash, for texts that need not be kept apart at any price: whoever collides is only made anew.
fn hash(text: &str) -> u64 {
    text.as_bytes()
        .chunks(8)
        .fold(text.len() as u64, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
        })
}
