//! Reasons why a text cannot be read.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::events::SyntaxError;

/// Reason why a document, or the rest of the text, cannot be read.
pub enum Failure {
    Text {
        message: String,
        at: u32,
        /// True if the rest of the text cannot be read either.
        ends: bool,
    },
    Python(PyErr),
}

impl Failure {
    pub fn document(message: String, at: u32) -> Self {
        Self::Text {
            message,
            at,
            ends: false,
        }
    }

    pub fn end(message: String, at: u32) -> Self {
        Self::Text {
            message,
            at,
            ends: true,
        }
    }

    pub fn into_error(self) -> PyErr {
        match self {
            Self::Text { message, .. } => PyValueError::new_err(message),
            Self::Python(error) => error,
        }
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<SyntaxError> for Failure {
    fn from(error: SyntaxError) -> Self {
        Self::end(error.message, error.at)
    }
}
