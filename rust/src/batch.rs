//! Many documents against one compiled set of policies, on all cores.
//!
//! A document is parsed once; all rules that its group asks for run in one evaluation, so that what
//! shared Rego computes for a document is computed once too. A rule that fails to evaluate is told
//! apart from the others: its error is reported under its own name and the rest keep their values.

use std::panic::{catch_unwind, AssertUnwindSafe};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;
use regorus::{Engine, Value};
use serde_json::{Map, Value as Json};

use crate::{builtins, source};

/// Package of the generated entry rules; one rule a group.
const ENTRY_PACKAGE: &str = "kubekeep_entry";

struct Group {
    entry: String,
    rules: Vec<(String, String)>,
}

/// Compiled modules with groups of rules to evaluate together.
#[pyclass(frozen)]
pub struct PolicySet {
    engine: Engine,
    groups: Vec<Group>,
}

#[pymethods]
impl PolicySet {
    /// Compile `modules` (path, source). Each group is a list of (name, rule path), for example
    /// `("privileged", "data.kubekeep.controls.privileged.violation")`.
    #[new]
    fn new(
        py: Python<'_>,
        modules: Vec<(String, String)>,
        groups: Vec<Vec<(String, String)>>,
        data: String,
    ) -> PyResult<Self> {
        py.detach(move || compile(modules, groups, &data))
            .map_err(|error| PyValueError::new_err(format!("{error:#}")))
    }

    /// The same policies over other data. Nothing is compiled again that does not depend on it.
    fn with_data(&self, py: Python<'_>, data: String) -> PyResult<Self> {
        py.detach(|| {
            let mut engine = self.engine.clone();
            engine.clear_data();
            engine.add_data(Value::from_json_str(&data)?)?;
            warm(&mut engine, &self.groups)?;
            let groups = self.groups.iter().map(Group::copy).collect();
            Ok(Self { engine, groups })
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
                    || self.engine.clone(),
                    |engine, (document, groups)| self.one(engine, document, groups),
                )
                .collect::<anyhow::Result<Vec<_>>>()
        })
        .map_err(|error| PyValueError::new_err(format!("{error:#}")))
    }
}

impl Group {
    fn copy(&self) -> Self {
        Self {
            entry: self.entry.clone(),
            rules: self.rules.clone(),
        }
    }
}

impl PolicySet {
    fn group(&self, number: usize) -> anyhow::Result<&Group> {
        self.groups
            .get(number)
            .ok_or_else(|| anyhow::anyhow!("no group {number}"))
    }

    fn one(
        &self,
        engine: &mut Engine,
        document: &[u8],
        groups: &[usize],
    ) -> anyhow::Result<Option<String>> {
        let mut found = Map::new();
        match std::str::from_utf8(document)
            .map_err(anyhow::Error::from)
            .and_then(Value::from_json_str)
        {
            Ok(value) => {
                engine.set_input(value);
                for number in groups {
                    let group = self.group(*number)?;
                    match ask(engine, &group.entry) {
                        Ok(value) => together(&value, &mut found)?,
                        Err(_) => singly(engine, group, &mut found)?,
                    }
                }
            }
            // A document that cannot be taken in says nothing about any rule.
            Err(error) => {
                for number in groups {
                    for (name, _) in &self.group(*number)?.rules {
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

/// Evaluate each rule by itself: the way to learn which one of a group has failed.
fn singly(engine: &mut Engine, group: &Group, found: &mut Map<String, Json>) -> anyhow::Result<()> {
    for (name, path) in &group.rules {
        match ask(engine, path) {
            Ok(value) if is_empty(&value) => {}
            Ok(value) => {
                found.insert(name.clone(), serde_json::to_value(&value)?);
            }
            Err(error) => {
                found.insert(name.clone(), failure(&error));
            }
        }
    }
    Ok(())
}

fn failure(error: &anyhow::Error) -> Json {
    let mut failure = Map::new();
    failure.insert("error".into(), Json::String(format!("{error:#}")));
    Json::Object(failure)
}

/// Keep what the rules of a group said together, without the empty.
fn together(value: &Value, found: &mut Map<String, Json>) -> anyhow::Result<()> {
    if let Ok(object) = value.as_object() {
        for (name, result) in object.iter() {
            if !is_empty(result) {
                found.insert(name.as_string()?.to_string(), serde_json::to_value(result)?);
            }
        }
    }
    Ok(())
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
    modules: Vec<(String, String)>,
    groups: Vec<Vec<(String, String)>>,
    data: &str,
) -> anyhow::Result<PolicySet> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(false);
    builtins::install(&mut engine, false)?;
    source::widen(&mut engine);
    for (path, text) in source::prepare(modules, false)?.texts {
        engine.add_policy(path, text)?;
    }
    engine.add_data(Value::from_json_str(data)?)?;
    let groups: Vec<Group> = groups
        .into_iter()
        .enumerate()
        .map(|(number, rules)| Group {
            entry: format!("data.{ENTRY_PACKAGE}.g{number}"),
            rules,
        })
        .collect();
    engine.add_policy("kubekeep_entry.rego".into(), entry_module(&groups)?)?;
    warm(&mut engine, &groups)?;
    Ok(PolicySet { engine, groups })
}

/// A module with a rule a group that gathers the values of the group's rules by name.
fn entry_module(groups: &[Group]) -> anyhow::Result<String> {
    let mut source = format!("package {ENTRY_PACKAGE}\n");
    for (number, group) in groups.iter().enumerate() {
        for (name, path) in &group.rules {
            let name = serde_json::to_string(name)?;
            source.push_str(&format!("g{number}[{name}] := {path}\n"));
        }
    }
    Ok(source)
}

/// Run the analysis once, so that every clone starts from a prepared engine.
fn warm(engine: &mut Engine, groups: &[Group]) -> anyhow::Result<()> {
    engine.set_input(Value::new_object());
    if let Some(group) = groups.iter().find(|group| !group.rules.is_empty()) {
        // An error here belongs to a rule over an empty document; it is told again where it matters.
        let _ = engine.eval_rule(group.entry.clone());
    }
    Ok(())
}
