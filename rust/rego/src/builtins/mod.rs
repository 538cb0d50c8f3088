//! Built-in functions that regorus does not have, or that differ from OPA's there.
//!
//! An extension takes precedence over a built-in of the crate with the same name. No connections, no file access.

mod cidr;
mod collections;
mod globs;
mod guards;
mod hashes;
mod patterns;
mod sprintf;
mod text;
mod uri;
mod value;

use std::cell::RefCell;

use regorus::unstable::{BuiltinFcn, Expr, Ref, Span};
use regorus::{Engine, Value};

use value::Entry;

const GROUPS: &[&[Entry]] = &[
    cidr::ENTRIES,
    collections::ENTRIES,
    globs::ENTRIES,
    hashes::ENTRIES,
    guards::ENTRIES,
    patterns::ENTRIES,
    sprintf::ENTRIES,
    text::ENTRIES,
    uri::ENTRIES,
];

macro_rules! calls {
    ($($number:literal)*) => { [$(call::<$number>),*] };
}

thread_local! {
    static REFUSAL: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Return the first refusal on this thread since the last call. regorus drops the error of one body of a function if
/// another has a value; a refusal must not be lost so.
pub fn take_refusal() -> Option<String> {
    REFUSAL.with_borrow_mut(Option::take)
}

/// Add the functions to an engine. If `strict` is false a failing call is undefined, as in OPA; a call that OPA supports
/// and this engine does not is always an error.
pub fn install(engine: &mut Engine, strict: bool) -> anyhow::Result<()> {
    for (name, arity, function) in GROUPS.iter().copied().flatten().copied() {
        let extension = move |arguments: Vec<Value>| {
            function(&arguments).or_else(|error| handle_error(name, error, strict))
        };
        engine.add_extension(name.into(), arity, Box::new(extension))?;
    }
    Ok(())
}

/// Name of the check of a collection in byte code, which can only call functions that regorus knows. No rule that calls it
/// is compiled to byte code.
pub const CHECK_COLLECTION: &str = "trace";

/// Return the argument if it is a collection, otherwise fail as the interpreter does.
fn check_collection(
    _: &Span,
    _: &[Ref<Expr>],
    arguments: &[Value],
    _: bool,
) -> anyhow::Result<Value> {
    match arguments.first() {
        Some(value @ (Value::Array(_) | Value::Set(_) | Value::Object(_))) => Ok(value.clone()),
        other => {
            let value = other.map(ToString::to_string).unwrap_or_default();
            REFUSAL.with_borrow_mut(|first| {
                first.get_or_insert_with(|| {
                    format!("`some .. in collection` expects array/set/object. Got `{value}`")
                });
            });
            Ok(Value::Undefined)
        }
    }
}

/// Return the built-in `name` of this crate as byte code calls it. A failing call is undefined.
pub fn resolve(name: &str) -> Option<BuiltinFcn> {
    if name == CHECK_COLLECTION {
        return Some((check_collection, 1));
    }
    let number = ENTRIES.iter().position(|entry| entry.0 == name)?;
    let (_, arity, _) = ENTRIES.get(number)?;
    Some((*CALLS.get(number)?, *arity))
}

const COUNT: usize = count();
const ENTRIES: [Entry; COUNT] = flatten();

const fn count() -> usize {
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        count += GROUPS[group].len();
        group += 1;
    }
    count
}

const fn flatten() -> [Entry; COUNT] {
    let mut entries = [GROUPS[0][0]; COUNT];
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut index = 0;
        while index < GROUPS[group].len() {
            entries[count] = GROUPS[group][index];
            count += 1;
            index += 1;
        }
        group += 1;
    }
    entries
}

type Call = fn(&Span, &[Ref<Expr>], &[Value], bool) -> anyhow::Result<Value>;

/// One function for each entry: byte code calls plain functions, not closures.
const CALLS: [Call; COUNT] = calls![0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55];

fn call<const NUMBER: usize>(
    _: &Span,
    _: &[Ref<Expr>],
    arguments: &[Value],
    strict: bool,
) -> anyhow::Result<Value> {
    let (name, _, function) = const { ENTRIES[NUMBER] };
    function(arguments).or_else(|error| handle_error(name, error, strict))
}

fn handle_error(name: &str, error: anyhow::Error, strict: bool) -> anyhow::Result<Value> {
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
pub fn undefined_function(name: &str) -> String {
    if UNSUPPORTED.contains(&name) {
        format!("the built-in function {name} is not supported")
    } else {
        format!("undefined function {name}")
    }
}

/// Return the number of arguments of a built-in of this crate.
pub fn arity(name: &str) -> Option<usize> {
    GROUPS
        .iter()
        .copied()
        .flatten()
        .find(|entry| entry.0 == name)
        .map(|entry| usize::from(entry.1))
}
