//! Built-in functions that regorus lacks, or that it answers in another way than OPA.
//!
//! An extension is looked up before the crate's own built-ins, so each one here replaces its
//! namesake. Nothing here opens a connection or reads a file.

mod cidr;
mod collections;
mod globs;
mod guards;
mod hashes;
mod offline;
mod patterns;
mod sprintf;
mod text;
mod uri;
mod value;

use std::cell::RefCell;

use regorus::{Engine, Value};

/// A built-in: what OPA calls it, how many arguments it takes, and what it does.
type Entry = (&'static str, u8, fn(&[Value]) -> anyhow::Result<Value>);

const GROUPS: &[&[Entry]] = &[
    cidr::ENTRIES,
    collections::ENTRIES,
    globs::ENTRIES,
    hashes::ENTRIES,
    guards::ENTRIES,
    offline::ENTRIES,
    patterns::ENTRIES,
    sprintf::ENTRIES,
    text::ENTRIES,
    uri::ENTRIES,
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

/// Functions of OPA that this engine does not have; modules and queries that call them are refused before evaluation.
const UNSUPPORTED: &[&str] = &[
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
    "crypto.parse_private_keys",
    "crypto.x509.parse_and_verify_certificates",
    "crypto.x509.parse_and_verify_certificates_with_options",
    "crypto.x509.parse_certificate_request",
    "crypto.x509.parse_certificates",
    "crypto.x509.parse_keypair",
    "crypto.x509.parse_rsa_private_key",
    "graphql.is_valid",
    "graphql.parse",
    "graphql.parse_and_verify",
    "graphql.parse_query",
    "graphql.parse_schema",
    "graphql.schema_is_valid",
    "io.jwt.decode",
    "io.jwt.decode_verify",
    "io.jwt.encode_sign",
    "io.jwt.encode_sign_raw",
    "io.jwt.verify_eddsa",
    "io.jwt.verify_es256",
    "io.jwt.verify_es384",
    "io.jwt.verify_es512",
    "io.jwt.verify_hs256",
    "io.jwt.verify_hs384",
    "io.jwt.verify_hs512",
    "io.jwt.verify_ps256",
    "io.jwt.verify_ps384",
    "io.jwt.verify_ps512",
    "io.jwt.verify_rs256",
    "io.jwt.verify_rs384",
    "io.jwt.verify_rs512",
    "providers.aws.sign_req",
];

/// The error message for a call of a function that does not exist.
pub fn undefined(name: &str) -> String {
    if UNSUPPORTED.contains(&name) {
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
