//! Built-in functions that regorus lacks, or that it answers in another way than OPA.
//!
//! An extension is looked up before the crate's own built-ins, so each one here replaces its
//! namesake. Nothing here opens a connection or reads a file.

mod aws;
mod cidr;
mod collections;
mod globs;
mod graphql;
mod guards;
mod hashes;
mod jwt;
mod keys;
mod offline;
mod patterns;
mod sprintf;
mod text;
mod uri;
mod value;
mod x509;

use std::cell::RefCell;

use regorus::{Engine, Value};

/// A built-in: what OPA calls it, how many arguments it takes, and what it does.
type Entry = (&'static str, u8, fn(&[Value]) -> anyhow::Result<Value>);

const GROUPS: &[&[Entry]] = &[
    aws::ENTRIES,
    cidr::ENTRIES,
    collections::ENTRIES,
    globs::ENTRIES,
    graphql::ENTRIES,
    hashes::ENTRIES,
    guards::ENTRIES,
    jwt::ENTRIES,
    offline::ENTRIES,
    patterns::ENTRIES,
    sprintf::ENTRIES,
    text::ENTRIES,
    uri::ENTRIES,
    x509::ENTRIES,
];

thread_local! {
    static REFUSAL: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The first refusal on this thread since the last call. regorus drops the error of one body of a
/// function when another has a value; a refusal must outlive that.
pub fn take_refusal() -> Option<String> {
    REFUSAL.with_borrow_mut(Option::take)
}

/// Add all of them to an engine. When `strict` is false a failing call is undefined, as in OPA;
/// a call that OPA could answer and we cannot is an error in both cases.
pub fn install(engine: &mut Engine, strict: bool) -> anyhow::Result<()> {
    for (name, arity, function) in GROUPS.iter().copied().flatten().copied() {
        let answer = move |arguments: Vec<Value>| {
            function(&arguments).or_else(|error| failed(name, error, strict))
        };
        engine.add_extension(name.into(), arity, Box::new(answer))?;
    }
    Ok(())
}

fn failed(name: &str, error: anyhow::Error, strict: bool) -> anyhow::Result<Value> {
    if error.is::<value::Unsupported>() {
        REFUSAL.with_borrow_mut(|first| {
            first.get_or_insert_with(|| error.to_string());
        });
        return Err(error);
    }
    if !strict {
        return Ok(Value::Undefined);
    }
    if error.is::<value::TypeError>() {
        return Err(error);
    }
    Err(anyhow::anyhow!("eval_builtin_error: {name}: {error}"))
}

/// Functions of OPA that do not exist here; the other ones are refused when they are called.
const MISSING: &[&str] = &[
    "and",
    "assign",
    "div",
    "eq",
    "equal",
    "gt",
    "gte",
    "lt",
    "lte",
    "minus",
    "mul",
    "neq",
    "or",
    "plus",
    "rem",
    "rego.metadata.chain",
    "rego.metadata.rule",
];

/// What to say of a call of something that is no function.
pub fn undefined(name: &str) -> String {
    if MISSING.contains(&name) {
        format!("the built-in function {name} is not supported")
    } else {
        format!("undefined function {name}")
    }
}

/// Arguments that a call of this built-in takes, when it is one of ours.
pub fn arity(name: &str) -> Option<usize> {
    GROUPS
        .iter()
        .copied()
        .flatten()
        .find(|entry| entry.0 == name)
        .map(|entry| usize::from(entry.1))
}
