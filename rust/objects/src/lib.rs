//! Walks over objects of Kubernetes as Python values, which take several times longer in Python.
//!
//! Objects are never changed. No file or network access; texts are judged by functions of the caller.

mod depth;
mod fields;
mod filter;
mod redaction;

pub use fields::FieldCheck;
pub use filter::SecretFilter;
pub use redaction::Redactor;
