//! Arguments of built-ins: taken apart with OPA's words for what is wrong with them.

use std::fmt;

use anyhow::Result;
use regorus::Value;
use serde_json::Value as Json;

/// An argument of the wrong type, which OPA calls `eval_type_error`.
#[derive(Debug)]
pub struct TypeError(String);

impl fmt::Display for TypeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "eval_type_error: {}", self.0)
    }
}

impl std::error::Error for TypeError {}

/// Something that OPA does and this engine does not: never undefined, always an error.
#[derive(Debug)]
pub struct Unsupported(pub String);

impl fmt::Display for Unsupported {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "eval_builtin_error: not supported: {}", self.0)
    }
}

impl std::error::Error for Unsupported {}

/// `operand 1 must be string but got number`.
pub fn mismatch(position: usize, wanted: &str, found: &Value) -> anyhow::Error {
    TypeError(format!(
        "operand {position} must be {wanted} but got {}",
        type_name(found)
    ))
    .into()
}

/// A type error in other words.
pub fn type_error(message: String) -> anyhow::Error {
    TypeError(message).into()
}

/// The argument at `position`, from 1.
pub fn argument(arguments: &[Value], position: usize) -> Result<&Value> {
    arguments
        .get(position.saturating_sub(1))
        .ok_or_else(|| type_error(format!("operand {position} is missing")))
}

/// The argument at `position`, from 1, which must be a string.
pub fn string(arguments: &[Value], position: usize) -> Result<&str> {
    match argument(arguments, position)? {
        Value::String(text) => Ok(text),
        other => Err(mismatch(position, "string", other)),
    }
}

/// OPA's name of the type of a value.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Set(_) => "set",
        Value::Object(_) => "object",
        Value::Undefined => "undefined",
    }
}

/// A value as JSON; sets become arrays.
pub fn to_json(value: &Value) -> Result<Json> {
    Ok(serde_json::to_value(value)?)
}

/// JSON as a value.
pub fn from_json(value: Json) -> Value {
    Value::from(value)
}

/// An array.
pub fn array(items: Vec<Value>) -> Value {
    Value::from(items)
}
