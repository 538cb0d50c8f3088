//! Built-ins of regorus that are right but for some arguments: those are answered here, or refused.

use anyhow::{anyhow, bail, Result};
use regorus::unstable::{Expr, Ref, Source, Span, BUILTINS};
use regorus::Value;

use super::value::{array, string, to_json, Unsupported};
use super::Entry;

pub const ENTRIES: &[Entry] = &[
    ("glob.match", 3, glob_match),
    ("json.match_schema", 2, match_schema),
    ("json.verify_schema", 1, verify_schema),
    ("json.unmarshal", 1, json_unmarshal),
    ("json.is_valid", 1, |a| is_text_and(a, "json.is_valid")),
    ("yaml.is_valid", 1, yaml_is_valid),
    ("numbers.range_step", 3, range_step),
    ("units.parse", 1, |a| units(a, "units.parse")),
    ("units.parse_bytes", 1, |a| units(a, "units.parse_bytes")),
    ("uuid.parse", 1, uuid_parse),
];

/// Ask the crate's own function.
fn ask(name: &str, arguments: &[Value]) -> Result<Value> {
    let (function, _) = BUILTINS
        .get(name)
        .ok_or_else(|| anyhow!("no built-in {name}"))?;
    let source = Source::from_contents("built-in".into(), name.into())?;
    let span = Span {
        source,
        line: 1,
        col: 1,
        start: 0,
        end: 0,
    };
    let place = |_: &Value| {
        Ref::new(Expr::Null {
            span: span.clone(),
            value: Value::Null,
            eidx: 0,
        })
    };
    let parameters: Vec<Ref<Expr>> = arguments.iter().map(place).collect();
    function(&span, &parameters, arguments, true).map_err(|error| {
        let text = error.to_string();
        anyhow!(
            "{}",
            text.rsplit_once("error: ")
                .map_or(text.as_str(), |(_, message)| message)
        )
    })
}

fn text(arguments: &[Value]) -> Option<&str> {
    match arguments.first() {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// An empty alternative, `{a,}`, matches nothing in regorus and the empty string in OPA.
fn glob_match(arguments: &[Value]) -> Result<Value> {
    let pattern = text(arguments).unwrap_or_default();
    if ["{,", ",}", ",,", "{}"]
        .iter()
        .any(|empty| pattern.contains(empty))
    {
        return Err(Unsupported(format!(
            "glob.match with the empty alternative of {pattern:?}"
        ))
        .into());
    }
    ask("glob.match", arguments)
}

/// Whether a document fits is certain; in which words it does not fit is OPA's own.
fn match_schema(arguments: &[Value]) -> Result<Value> {
    verdict(
        &ask("json.match_schema", arguments)?,
        Value::new_array(),
        "json.match_schema of a document that does not fit",
    )
}

fn verify_schema(arguments: &[Value]) -> Result<Value> {
    let refused = "json.verify_schema of a wrong schema";
    if let Some(kind) = unknown_type(arguments) {
        let message = format!(
            "jsonschema: has a primitive type that is NOT VALID -- given: /{kind}/ \
             Expected valid values are:[array boolean integer number null object string]"
        );
        return Ok(array(vec![Value::from(false), Value::from(message)]));
    }
    match ask("json.verify_schema", arguments) {
        Ok(answer) => verdict(&answer, Value::Null, refused),
        Err(_) => Err(Unsupported(refused.into()).into()),
    }
}

const TYPES: &[&str] = &[
    "array", "boolean", "integer", "number", "null", "object", "string",
];

/// The type of a schema that says nothing but its type, when there is no such type.
fn unknown_type(arguments: &[Value]) -> Option<String> {
    let schema = match arguments.first()? {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => to_json(other).ok()?,
    };
    let members = schema.as_object().filter(|members| members.len() == 1)?;
    let kind = members.get("type")?.as_str()?;
    (!TYPES.contains(&kind)).then(|| kind.to_string())
}

fn verdict(answer: &Value, details: Value, refused: &str) -> Result<Value> {
    match answer.as_array()?.first() {
        Some(Value::Bool(true)) => Ok(array(vec![Value::from(true), details])),
        _ => Err(Unsupported(refused.into()).into()),
    }
}

/// Numbers that no double can hold are refused, not lost.
fn json_unmarshal(arguments: &[Value]) -> Result<Value> {
    string(arguments, 1)?;
    ask("json.unmarshal", arguments).map_err(|error| {
        let valid = text(arguments)
            .is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        if valid {
            return Unsupported("json.unmarshal of a number of this size, or so deep".into())
                .into();
        }
        error
    })
}

/// False for anything but text.
fn is_text_and(arguments: &[Value], name: &str) -> Result<Value> {
    if text(arguments).is_none() {
        return Ok(Value::from(false));
    }
    ask(name, arguments)
}

/// A text may hold more than one document; the crate takes one only.
fn yaml_is_valid(arguments: &[Value]) -> Result<Value> {
    use serde::Deserialize as _;
    let Some(text) = text(arguments) else {
        return Ok(Value::from(false));
    };
    let mut documents = yaml_serde::Deserializer::from_str(text);
    let valid = documents.all(|document| serde::de::IgnoredAny::deserialize(document).is_ok());
    Ok(Value::from(valid))
}

fn range_step(arguments: &[Value]) -> Result<Value> {
    if let [first, last, Value::Number(step)] = arguments {
        let far = step.is_integer() && step.is_positive() && step.as_i64().is_none();
        if far && first.as_i64().is_ok() && last.as_i64().is_ok() && step.as_u64().is_none() {
            // The step is longer than the whole range.
            return Ok(array(vec![first.clone()]));
        }
    }
    let small = arguments
        .iter()
        .all(|argument| argument.as_i64().is_ok() || !matches!(argument, Value::Number(_)));
    if !small
        && arguments
            .iter()
            .all(|argument| argument.as_number().is_ok_and(|n| n.is_integer()))
    {
        return Err(Unsupported("numbers.range_step of numbers beyond 64 bits".into()).into());
    }
    ask("numbers.range_step", arguments)
}

/// OPA's most digits of an exponent.
const EXPONENT_DIGITS: usize = 6;

fn units(arguments: &[Value], name: &str) -> Result<Value> {
    let lower = text(arguments).unwrap_or_default().to_ascii_lowercase();
    let exponents = lower
        .match_indices('e')
        .map(|(index, _)| lower.get(index + 1..).unwrap_or_default());
    for exponent in exponents {
        let digits = exponent
            .trim_start_matches(['+', '-'])
            .chars()
            .take_while(char::is_ascii_digit)
            .count();
        if digits > EXPONENT_DIGITS {
            bail!("exponent too large");
        }
    }
    ask(name, arguments)
}

/// Of a text of 38 characters the first and the last do not count, whatever they are.
fn uuid_parse(arguments: &[Value]) -> Result<Value> {
    match text(arguments) {
        Some(text) if text.len() == 38 && text.is_ascii() => ask(
            "uuid.parse",
            &[Value::from(text.get(1..37).unwrap_or_default())],
        ),
        _ => ask("uuid.parse", arguments),
    }
}
