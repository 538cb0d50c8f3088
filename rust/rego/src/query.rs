//! Evaluation of one query against a set of modules, with the bindings of each result as OPA gives them.
//!
//! Evaluation runs on a thread with a deep stack, so that deeply nested rules and documents end in an error and
//! not in a crash.

use std::num::NonZeroU32;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use crate::builtins;
use crate::failure::Failure;
use crate::source::{self, Modules};

/// Bytes of stack of the evaluating thread. Memory is used only when it is touched.
const STACK: usize = 1 << 30;

/// Interpreter steps between two checks of the time limit.
const CLOCK_INTERVAL: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);

/// Query with its modules, documents and options.
pub struct Query {
    pub modules: Modules,
    pub query: String,
    pub data: Option<String>,
    pub input: Option<String>,
    pub v0: bool,
    pub strict: bool,
    pub limit: Duration,
}

impl Query {
    /// Evaluate the query and return a JSON array with one object of bindings per result.
    pub fn evaluate(self) -> Result<String, Failure> {
        let thread = std::thread::Builder::new()
            .name("rego".into())
            .stack_size(STACK)
            .spawn(move || self.run())
            .map_err(|error| Failure::internal(format!("cannot start a thread: {error}")))?;
        thread
            .join()
            .unwrap_or_else(|_| Err(Failure::internal("the evaluation broke down".into())))
    }

    fn run(self) -> Result<String, Failure> {
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(self.strict);
        engine.set_gather_prints(true);
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: self.limit,
            check_interval: CLOCK_INTERVAL,
        });
        builtins::install(&mut engine, self.strict).map_err(|error| Failure::of(&error))?;
        source::lift_length_limits(&mut engine);
        engine.set_rego_v0(self.v0);
        let prepared = source::prepare(self.modules, self.v0)?;
        for (name, text) in prepared.texts {
            engine
                .add_policy(name, text)
                .map_err(|error| Failure::parse(&error))?;
        }
        if let Some(text) = self.data {
            let data =
                Value::from_json_str(&text).map_err(|error| Failure::document("data", &error))?;
            engine
                .add_data(data)
                .map_err(|error| Failure::document("data", &error))?;
        }
        if let Some(text) = self.input {
            let input =
                Value::from_json_str(&text).map_err(|error| Failure::document("input", &error))?;
            engine.set_input(input);
        }
        engine.set_rego_v0(false);
        let query = source::prepare_query(self.query, &prepared.trees)?;
        let results = engine
            .eval_query(query, false)
            .map_err(|error| Failure::of(&error))?;
        if let Some(refusal) = builtins::take_refusal() {
            return Err(Failure::of(&anyhow::anyhow!(refusal)));
        }
        let bindings: Vec<&Value> = results.result.iter().map(|row| &row.bindings).collect();
        serde_json::to_string(&bindings).map_err(|error| Failure::internal(error.to_string()))
    }
}
