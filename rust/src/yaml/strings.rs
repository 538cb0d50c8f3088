//! Python strings that are made once a file: keys and short values of manifests repeat a lot.
//!
//! A table of fixed size in which a newcomer takes the place of the one before it, so that no text, however
//! made, can make it slow or large.

use std::hash::{BuildHasher, RandomState};

use pyo3::prelude::*;
use pyo3::types::PyString;

const SLOTS: usize = 1 << 13;
const LONGEST: usize = 64;

pub struct Strings {
    slots: Vec<Option<(u64, Py<PyString>)>>,
    hasher: RandomState,
}

impl Strings {
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            hasher: RandomState::new(),
        }
    }

    /// The string of this text: one that was made before, or a new one.
    pub fn get(&mut self, py: Python<'_>, text: &str) -> Py<PyString> {
        if text.len() > LONGEST {
            return PyString::new(py, text).unbind();
        }
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let hash = self.hasher.hash_one(text);
        let slot = &mut self.slots[hash as usize % SLOTS];
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
