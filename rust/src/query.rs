//! One query against a set of modules: the bindings of each result, as OPA gives them.
//!
//! Evaluation happens on a thread of its own with a deep stack, so that nested rules and documents
//! end in an error and never in the death of the process.

use std::num::NonZeroU32;
use std::time::Duration;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use crate::builtins;
use crate::failure::Failure;
use crate::source;

create_exception!(
    _native,
    NativeRegoError,
    PyException,
    "(code, message, file, line, column)"
);

/// Bytes of stack of the evaluating thread. Memory is only taken as it is touched.
const STACK: usize = 1 << 30;

/// Steps of the interpreter between two looks at the clock.
const CLOCK_INTERVAL: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);

/// What to evaluate.
struct Question {
    modules: Vec<(String, String)>,
    query: String,
    data: Option<String>,
    input: Option<String>,
    v0: bool,
    strict: bool,
    limit: Duration,
}

/// Evaluate `query` and return a JSON array with one object of bindings per result.
#[pyfunction]
#[pyo3(signature = (modules, query, data, input, v0, strict, seconds))]
#[allow(clippy::too_many_arguments)] // the border to Python: one argument a value, named there
pub fn evaluate(
    py: Python<'_>,
    modules: Vec<(String, String)>,
    query: String,
    data: Option<String>,
    input: Option<String>,
    v0: bool,
    strict: bool,
    seconds: f64,
) -> PyResult<String> {
    let limit = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let question = Question {
        modules,
        query,
        data,
        input,
        v0,
        strict,
        limit,
    };
    py.detach(move || on_deep_stack(move || answer(question)))
        .map_err(|failure| NativeRegoError::new_err(failure.into_parts()))
}

fn on_deep_stack<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let thread = std::thread::Builder::new()
        .name("rego".into())
        .stack_size(STACK)
        .spawn(work)
        .map_err(|error| Failure::internal(format!("cannot start a thread: {error}")))?;
    thread
        .join()
        .unwrap_or_else(|_| Err(Failure::internal("the evaluation broke down".into())))
}

fn answer(question: Question) -> Result<String, Failure> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(question.strict);
    engine.set_gather_prints(true);
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: question.limit,
        check_interval: CLOCK_INTERVAL,
    });
    builtins::install(&mut engine, question.strict).map_err(|error| Failure::of(&error))?;
    source::widen(&mut engine);
    engine.set_rego_v0(question.v0);
    let prepared = source::prepare(question.modules, question.v0)?;
    for (name, text) in prepared.texts {
        engine
            .add_policy(name, text)
            .map_err(|error| Failure::parse(&error))?;
    }
    if let Some(text) = question.data {
        let data =
            Value::from_json_str(&text).map_err(|error| Failure::document("data", &error))?;
        engine
            .add_data(data)
            .map_err(|error| Failure::document("data", &error))?;
    }
    if let Some(text) = question.input {
        let input =
            Value::from_json_str(&text).map_err(|error| Failure::document("input", &error))?;
        engine.set_input(input);
    }
    engine.set_rego_v0(false);
    let query = source::prepare_query(question.query, &prepared.trees)?;
    let results = engine
        .eval_query(query, false)
        .map_err(|error| Failure::of(&error))?;
    if let Some(refusal) = builtins::take_refusal() {
        return Err(Failure::of(&anyhow::anyhow!(refusal)));
    }
    let bindings: Vec<&Value> = results.result.iter().map(|row| &row.bindings).collect();
    serde_json::to_string(&bindings).map_err(|error| Failure::internal(error.to_string()))
}
