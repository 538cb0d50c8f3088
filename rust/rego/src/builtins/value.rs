//! The signature of built-ins, and access to their arguments with OPA's error messages.

use std::fmt;

use anyhow::Result;
use regorus::Value;
use serde_json::Value as Json;

/// Built-in function: OPA's name, number of arguments and implementation.
pub type Entry = (&'static str, u8, fn(&[Value]) -> Result<Value>);

/// Argument of the wrong type: OPA's `eval_type_error`.
#[derive(Debug)]
pub struct TypeError(String);

impl fmt::Display for TypeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "eval_type_error: {}", self.0)
    }
}

impl std::error::Error for TypeError {}

/// Call that OPA supports and this engine does not: always an error, never undefined.
#[derive(Debug)]
pub struct Unsupported(pub String);

impl fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "eval_builtin_error: not supported: {}", self.0)
    }
}

impl std::error::Error for Unsupported {}

/// Type error: `operand 1 must be string but got number`.
pub fn mismatch(position: usize, expected: &str, value: &Value) -> anyhow::Error {
    TypeError(format!(
        "operand {position} must be {expected} but got {}",
        type_name(value)
    ))
    .into()
}

/// Type error with another message.
pub fn type_error(message: String) -> anyhow::Error {
    TypeError(message).into()
}

/// Return the argument at `position`, from 1.
pub fn argument(arguments: &[Value], position: usize) -> Result<&Value> {
    arguments
        .get(position.saturating_sub(1))
        .ok_or_else(|| type_error(format!("operand {position} is missing")))
}

/// Return the argument at `position`, from 1, which must be a string.
pub fn string(arguments: &[Value], position: usize) -> Result<&str> {
    match argument(arguments, position)? {
        Value::String(text) => Ok(text),
        other => Err(mismatch(position, "string", other)),
    }
}

/// Return OPA's name of the type of a value.
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

/// Convert a value to JSON; sets become arrays.
pub fn to_json(value: &Value) -> Result<Json> {
    Ok(serde_json::to_value(value)?)
}

/// Make an array.
pub fn array(elements: Vec<Value>) -> Value {
    Value::from(elements)
}
