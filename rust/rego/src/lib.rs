//! Rego evaluation with OPA's results and error codes: the crate regorus and the corrections that it needs.
//!
//! No file or network access, no knowledge of controls or Kubernetes.

mod builtins;
mod byte_code;
mod check;
mod edits;
mod failure;
mod input;
mod machine;
pub mod pattern;
mod policy_set;
mod query;
mod references;
mod source;
mod syntax;

pub use failure::Failure;
pub use machine::compile as compile_byte_code;
pub use policy_set::{PolicySet, RuleQuery, Shard};
pub use query::Query;
pub use source::Modules;
