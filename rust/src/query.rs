//! One query against a set of modules: the bindings of each result, as OPA gives them.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use regorus::{Engine, Value};

create_exception!(_native, NativeRegoError, PyException, "(code, message, file, row, column)");

fn failure(error: &anyhow::Error) -> PyErr {
    NativeRegoError::new_err(("eval_internal_error", error.to_string(), "", 0, 0))
}

/// Evaluate `query` and return a JSON array with one object of bindings per result.
#[pyfunction]
#[pyo3(signature = (modules, query, data, input, v0, strict))]
pub fn evaluate(
    py: Python<'_>,
    modules: Vec<(String, String)>,
    query: String,
    data: Option<String>,
    input: Option<String>,
    v0: bool,
    strict: bool,
) -> PyResult<String> {
    py.detach(move || run(modules, query, data, input, v0, strict))
        .map_err(|error| failure(&error))
}

fn run(
    modules: Vec<(String, String)>,
    query: String,
    data: Option<String>,
    input: Option<String>,
    v0: bool,
    strict: bool,
) -> anyhow::Result<String> {
    let mut engine = Engine::new();
    engine.set_rego_v0(v0);
    engine.set_strict_builtin_errors(strict);
    for (name, source) in modules {
        engine.add_policy(name, source)?;
    }
    if let Some(text) = data {
        engine.add_data(Value::from_json_str(&text)?)?;
    }
    if let Some(text) = input {
        engine.set_input(Value::from_json_str(&text)?);
    }
    let results = engine.eval_query(query, false)?;
    let bindings: Vec<&Value> = results.result.iter().map(|row| &row.bindings).collect();
    Ok(serde_json::to_string(&bindings)?)
}
