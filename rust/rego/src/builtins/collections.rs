//! Built-ins on arrays, sets and types that regorus does not have, among them OPA's deprecated ones.

use anyhow::Result;
use regorus::Value;

use super::value::{argument, array, mismatch, Entry};

pub const ENTRIES: &[Entry] = &[
    ("array.flatten", 1, flatten),
    ("internal.member_3", 3, member),
    ("all", 1, all),
    ("any", 1, any),
    ("set_diff", 2, difference),
    ("cast_array", 1, cast_array),
    ("cast_set", 1, cast_set),
    ("cast_string", 1, |a| cast(a, "string")),
    ("cast_boolean", 1, |a| cast(a, "boolean")),
    ("cast_null", 1, |a| cast(a, "null")),
    ("cast_object", 1, |a| cast(a, "object")),
];

fn flatten(arguments: &[Value]) -> Result<Value> {
    let Value::Array(elements) = argument(arguments, 1)? else {
        return Err(mismatch(1, "array", argument(arguments, 1)?));
    };
    let mut flat = Vec::new();
    for element in elements.iter() {
        match element {
            Value::Array(inner) => flat.extend(inner.iter().cloned()),
            other => flat.push(other.clone()),
        }
    }
    Ok(array(flat))
}

/// `key, value in collection`; the members of a set are their own keys.
fn member(arguments: &[Value]) -> Result<Value> {
    let (key, value) = (argument(arguments, 1)?, argument(arguments, 2)?);
    let is_member = match argument(arguments, 3)? {
        Value::Set(items) => key == value && items.contains(value),
        Value::Object(items) => items.get(key) == Some(value),
        Value::Array(items) => {
            key.as_u64()
                .ok()
                .and_then(|index| usize::try_from(index).ok())
                .and_then(|index| items.get(index))
                == Some(value)
        }
        _ => false,
    };
    Ok(Value::from(is_member))
}

fn members(value: &Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items.to_vec()),
        Value::Set(items) => Ok(items.iter_sorted().cloned().collect()),
        other => Err(mismatch(1, "one of {array, set}", other)),
    }
}

fn all(arguments: &[Value]) -> Result<Value> {
    let items = members(argument(arguments, 1)?)?;
    Ok(Value::from(
        items.iter().all(|member| *member == Value::from(true)),
    ))
}

fn any(arguments: &[Value]) -> Result<Value> {
    let items = members(argument(arguments, 1)?)?;
    Ok(Value::from(items.contains(&Value::from(true))))
}

fn difference(arguments: &[Value]) -> Result<Value> {
    match (argument(arguments, 1)?, argument(arguments, 2)?) {
        (Value::Set(left), Value::Set(right)) => Ok(left.difference(right).into_value()),
        (Value::Set(_), other) => Err(mismatch(2, "set", other)),
        (other, _) => Err(mismatch(1, "set", other)),
    }
}

fn cast_array(arguments: &[Value]) -> Result<Value> {
    members(argument(arguments, 1)?).map(array)
}

fn cast_set(arguments: &[Value]) -> Result<Value> {
    let items = members(argument(arguments, 1)?)?;
    Ok(Value::from(std::collections::BTreeSet::from_iter(items)))
}

fn cast(arguments: &[Value], expected: &str) -> Result<Value> {
    let value = argument(arguments, 1)?;
    if super::value::type_name(value) == expected {
        Ok(value.clone())
    } else {
        Err(mismatch(1, expected, value))
    }
}
