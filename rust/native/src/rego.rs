//! Bindings of the crate `kubekeep-rego`. The interpreter lock is released while rules are compiled and evaluated.

use std::time::Duration;

use kubekeep_rego::pattern::{self, Flaw, Regex};
use kubekeep_rego::{Modules, RuleQuery, Shard};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

create_exception!(
    _native,
    NativeRegoError,
    PyException,
    "(code, message, file, line, column)"
);

fn value_error(error: anyhow::Error) -> PyErr {
    PyValueError::new_err(format!("{error:#}"))
}

/// Modules, or byte code.
#[derive(FromPyObject)]
enum ShardSource {
    // First, because an empty list would be byte code as well.
    Modules(Modules),
    ByteCode(Vec<u8>),
}

impl From<ShardSource> for Shard {
    fn from(source: ShardSource) -> Self {
        match source {
            ShardSource::ByteCode(data) => Self::ByteCode(data),
            ShardSource::Modules(modules) => Self::Modules(modules),
        }
    }
}

/// Compile modules (path, source) to byte code that evaluates the rules with the given paths.
#[pyfunction]
pub fn compile_byte_code<'py>(
    py: Python<'py>,
    modules: Modules,
    paths: Vec<String>,
) -> PyResult<Bound<'py, PyBytes>> {
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    py.detach(|| kubekeep_rego::compile_byte_code(modules, &paths))
        .map(|data| PyBytes::new(py, &data))
        .map_err(value_error)
}

/// Compiled modules with groups of rules to evaluate together.
#[pyclass(frozen)]
pub struct PolicySet(kubekeep_rego::PolicySet);

#[pymethods]
impl PolicySet {
    /// Compile each shard: modules (path, source), or the output of `compile_byte_code`. Each group is a list of (name, rule path, shard),
    /// for example `("privileged", "data.kubekeep.controls.privileged.outcome", 0)`. The fields of
    /// `context`, a JSON object, are part of every document.
    #[new]
    fn new(
        py: Python<'_>,
        shards: Vec<ShardSource>,
        groups: Vec<Vec<RuleQuery>>,
        context: String,
    ) -> PyResult<Self> {
        let shards = shards.into_iter().map(Shard::from).collect();
        py.detach(move || kubekeep_rego::PolicySet::compile(shards, groups, &context))
            .map(Self)
            .map_err(value_error)
    }

    /// Return the same policies with another context. Nothing is compiled again.
    fn with_context(&self, py: Python<'_>, context: &str) -> PyResult<Self> {
        py.detach(|| self.0.with_context(context))
            .map(Self)
            .map_err(value_error)
    }

    /// Evaluate each (document as JSON, group numbers). Returns for each document None if every rule of the groups
    /// is empty or undefined, else JSON `{"name": value}`; the value of a rule that failed is `{"error": "message"}`.
    fn evaluate(
        &self,
        py: Python<'_>,
        documents: Vec<(Vec<u8>, Vec<usize>)>,
    ) -> PyResult<Vec<Option<String>>> {
        py.detach(|| self.0.evaluate(&documents))
            .map_err(value_error)
    }
}

/// Evaluate `query` and return a JSON array with one object of bindings per result.
#[pyfunction]
#[pyo3(signature = (modules, query, data, input, v0, strict, seconds))]
#[allow(clippy::too_many_arguments)] // the signature that Python sees
pub fn evaluate(
    py: Python<'_>,
    modules: Modules,
    query: String,
    data: Option<String>,
    input: Option<String>,
    v0: bool,
    strict: bool,
    seconds: f64,
) -> PyResult<String> {
    let query = kubekeep_rego::Query {
        modules,
        query,
        data,
        input,
        v0,
        strict,
        limit: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
    };
    py.detach(move || query.evaluate())
        .map_err(|failure| NativeRegoError::new_err(failure.into_parts()))
}

/// Regular expression in Go's syntax.
#[pyclass(frozen)]
pub struct Pattern(Regex);

#[pymethods]
impl Pattern {
    #[new]
    fn new(text: &str) -> PyResult<Self> {
        match pattern::compile(text, pattern::MAX_BYTES, pattern::MAX_BYTES) {
            Ok(compiled) => Ok(Self(compiled)),
            Err(Flaw::Syntax(message) | Flaw::Size(message)) => Err(PyValueError::new_err(message)),
        }
    }

    /// Return True if the pattern matches anywhere in `text`.
    fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Return the leftmost match, or None.
    fn find(&self, text: &str) -> Option<String> {
        self.0.find(text).map(|span| span.as_str().to_owned())
    }

    /// Return the matches from left to right, `limit` at most.
    fn find_all(&self, text: &str, limit: usize) -> Vec<String> {
        let matches = self.0.find_iter(text).take(limit);
        matches.map(|span| span.as_str().to_owned()).collect()
    }
}
