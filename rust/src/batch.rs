//! Many documents against one compiled set of policies, on all cores.
//!
//! A document is parsed once, and the context that all documents share is put into it. A rule that fails to
//! evaluate is told apart from the others: its error is reported under its own name. The modules come in
//! shards, an engine each, because an evaluation costs more the more modules its engine holds.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;
use regorus::{Engine, Value};
use serde_json::{Map, Value as Json};

use crate::{builtins, source};

type Modules = Vec<(String, String)>;
/// Name, path and shard of a rule.
type Query = (String, String, usize);

/// Compiled modules with groups of rules to evaluate together.
#[pyclass(frozen)]
pub struct PolicySet {
    engines: Vec<Engine>,
    groups: Arc<[Vec<Query>]>,
    context: Value,
}

#[pymethods]
impl PolicySet {
    /// Compile the modules (path, source) of each shard. Each group is a list of (name, rule path, shard),
    /// for example `("privileged", "data.kubekeep.controls.privileged.outcome", 0)`. The fields of
    /// `context`, a JSON object, are part of every document.
    #[new]
    fn new(
        py: Python<'_>,
        shards: Vec<Modules>,
        groups: Vec<Vec<Query>>,
        context: String,
    ) -> PyResult<Self> {
        py.detach(move || compile(shards, groups, &context))
            .map_err(|error| PyValueError::new_err(format!("{error:#}")))
    }

    /// The same policies in another context. Nothing is compiled again.
    fn with_context(&self, py: Python<'_>, context: String) -> PyResult<Self> {
        py.detach(|| {
            Ok(Self {
                engines: self.engines.clone(),
                groups: self.groups.clone(),
                context: Value::from_json_str(&context)?,
            })
        })
        .map_err(|error: anyhow::Error| PyValueError::new_err(format!("{error:#}")))
    }

    /// Evaluate each (document as JSON, group numbers). Returns, for each, None when every rule of
    /// the groups is empty or undefined, else JSON `{"name": value}`; a rule that could not be
    /// evaluated has `{"error": "message"}` for its value.
    fn evaluate(
        &self,
        py: Python<'_>,
        documents: Vec<(Vec<u8>, Vec<usize>)>,
    ) -> PyResult<Vec<Option<String>>> {
        py.detach(|| {
            documents
                .par_iter()
                .map_init(
                    || self.engines.clone(),
                    |engines, (document, groups)| self.one(engines, document, groups),
                )
                .collect::<anyhow::Result<Vec<_>>>()
        })
        .map_err(|error| PyValueError::new_err(format!("{error:#}")))
    }
}

impl PolicySet {
    fn one(
        &self,
        engines: &mut [Engine],
        document: &[u8],
        groups: &[usize],
    ) -> anyhow::Result<Option<String>> {
        let input = self.take_in(document);
        let mut current = usize::MAX;
        let mut found = Map::new();
        for number in groups {
            let group = self
                .groups
                .get(*number)
                .ok_or_else(|| anyhow::anyhow!("no group {number}"))?;
            for (name, path, shard) in group {
                let said = match &input {
                    Ok(input) => {
                        let engine = &mut engines[*shard];
                        if *shard != current {
                            engine.set_input(input.clone());
                            current = *shard;
                        }
                        ask(engine, path).and_then(|value| plain(&value))
                    }
                    // A document that cannot be taken in says nothing about any rule.
                    Err(error) => Err(anyhow::anyhow!("{error:#}")),
                };
                match said {
                    Ok(None) => {}
                    Ok(Some(value)) => {
                        found.insert(name.clone(), value);
                    }
                    Err(error) => {
                        found.insert(name.clone(), failure(&error));
                    }
                }
            }
        }
        Ok(if found.is_empty() {
            None
        } else {
            Some(serde_json::to_string(&found)?)
        })
    }

    /// The document with the context in it. References to `data` would cost a walk over all modules
    /// each, those to `input` cost nothing; the fields are shared, not copied.
    fn take_in(&self, document: &[u8]) -> anyhow::Result<Value> {
        let mut input = Value::from_json_str(std::str::from_utf8(document)?)?;
        let fields = input.as_object_mut()?;
        for (name, value) in self.context.as_object()?.iter() {
            fields.insert(name.clone(), value.clone());
        }
        Ok(input)
    }
}

/// The value of one rule. A built-in's refusal counts though another body of a function has a value,
/// and a breakdown of the interpreter is an error of this rule, not the end of the scan.
fn ask(engine: &mut Engine, rule: &str) -> anyhow::Result<Value> {
    builtins::take_refusal();
    let value = catch_unwind(AssertUnwindSafe(|| engine.eval_rule(rule.to_string())))
        .unwrap_or_else(|_| Err(anyhow::anyhow!("the evaluation broke down")))?;
    match builtins::take_refusal() {
        Some(refusal) => Err(anyhow::anyhow!(refusal)),
        None => Ok(value),
    }
}

fn failure(error: &anyhow::Error) -> Json {
    let mut failure = Map::new();
    failure.insert("error".into(), Json::String(format!("{error:#}")));
    Json::Object(failure)
}

/// What a rule said, as JSON, without the fields of an object that are empty; None if nothing is left.
fn plain(value: &Value) -> anyhow::Result<Option<Json>> {
    let said = match value {
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (name, field) in fields.iter().filter(|(_, field)| !is_empty(field)) {
                kept.insert(name.as_string()?.to_string(), serde_json::to_value(field)?);
            }
            return Ok((!kept.is_empty()).then_some(Json::Object(kept)));
        }
        other => other,
    };
    Ok(if is_empty(said) {
        None
    } else {
        Some(serde_json::to_value(said)?)
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Undefined => true,
        Value::Set(items) => items.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    }
}

fn compile(
    shards: Vec<Modules>,
    groups: Vec<Vec<Query>>,
    context: &str,
) -> anyhow::Result<PolicySet> {
    if let Some((name, _, shard)) = groups
        .iter()
        .flatten()
        .find(|(.., shard)| *shard >= shards.len())
    {
        anyhow::bail!("{name}: no shard {shard}");
    }
    let first = |shard: usize| groups.iter().flatten().find(|query| query.2 == shard);
    let engines = shards
        .into_par_iter()
        .enumerate()
        .map(|(shard, modules)| prepared(modules, first(shard)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(PolicySet {
        engines,
        groups: groups.into(),
        context: Value::from_json_str(context)?,
    })
}

/// An engine with `modules`. One rule of it is run, so that every clone starts with the analysis done.
fn prepared(modules: Modules, rule: Option<&Query>) -> anyhow::Result<Engine> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(false);
    builtins::install(&mut engine, false)?;
    source::widen(&mut engine);
    for (path, text) in source::prepare(modules, false)?.texts {
        engine.add_policy(path, text)?;
    }
    engine.set_input(Value::new_object());
    if let Some((_, path, _)) = rule {
        // An error here belongs to a rule over an empty document; it is told again where it matters.
        let _ = engine.eval_rule(path.clone());
    }
    Ok(engine)
}
