//! Built-ins that are refused or corrected for some arguments, because regorus differs from OPA there, and built-ins
//! that are refused because they would leave the process or the engine. Errors of OPA stay OPA's errors.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{anyhow, bail, Result};
use regorus::unstable::{Expr, Ref, Source, Span, BUILTINS};
use regorus::Value;

use super::value::{argument, array, mismatch, string, to_json, type_error, Entry, Unsupported};

pub const ENTRIES: &[Entry] = &[
    ("http.send", 1, http_send),
    ("net.lookup_ip_addr", 1, lookup),
    ("rego.parse_module", 2, |_| {
        Err(Unsupported("rego.parse_module".into()).into())
    }),
    ("glob.match", 3, glob_match),
    ("json.match_schema", 2, match_schema),
    ("json.verify_schema", 1, verify_schema),
    ("json.unmarshal", 1, json_unmarshal),
    ("json.is_valid", 1, |a| is_valid_text(a, "json.is_valid")),
    ("yaml.is_valid", 1, yaml_is_valid),
    ("numbers.range_step", 3, range_step),
    ("units.parse", 1, |a| units(a, "units.parse")),
    ("units.parse_bytes", 1, |a| units(a, "units.parse_bytes")),
    ("uuid.parse", 1, uuid_parse),
];

/// Call the crate's own function.
fn call_regorus(name: &str, arguments: &[Value]) -> Result<Value> {
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
    let parameter = |_: &Value| {
        Ref::new(Expr::Null {
            span: span.clone(),
            value: Value::Null,
            eidx: 0,
        })
    };
    let parameters: Vec<Ref<Expr>> = arguments.iter().map(parameter).collect();
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
    call_regorus("glob.match", arguments)
}

/// Answer for a document that matches; the messages for one that does not match are OPA's own.
fn match_schema(arguments: &[Value]) -> Result<Value> {
    accept_valid(
        &call_regorus("json.match_schema", arguments)?,
        Value::new_array(),
        "json.match_schema of a document that does not fit",
    )
}

fn verify_schema(arguments: &[Value]) -> Result<Value> {
    let refusal = "json.verify_schema of a wrong schema";
    if let Some(kind) = unknown_type(arguments) {
        let message = format!(
            "jsonschema: has a primitive type that is NOT VALID -- given: /{kind}/ \
             Expected valid values are:[array boolean integer number null object string]"
        );
        return Ok(array(vec![Value::from(false), Value::from(message)]));
    }
    match call_regorus("json.verify_schema", arguments) {
        Ok(result) => accept_valid(&result, Value::Null, refusal),
        Err(_) => Err(Unsupported(refusal.into()).into()),
    }
}

const TYPES: &[&str] = &[
    "array", "boolean", "integer", "number", "null", "object", "string",
];

/// Return the type of a schema that consists of its type only, if that type does not exist.
fn unknown_type(arguments: &[Value]) -> Option<String> {
    let schema = match arguments.first()? {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => to_json(other).ok()?,
    };
    let members = schema.as_object().filter(|members| members.len() == 1)?;
    let kind = members.get("type")?.as_str()?;
    (!TYPES.contains(&kind)).then(|| kind.to_string())
}

fn accept_valid(result: &Value, details: Value, refusal: &str) -> Result<Value> {
    match result.as_array()?.first() {
        Some(Value::Bool(true)) => Ok(array(vec![Value::from(true), details])),
        _ => Err(Unsupported(refusal.into()).into()),
    }
}

/// Refuse numbers that do not fit a double.
fn json_unmarshal(arguments: &[Value]) -> Result<Value> {
    string(arguments, 1)?;
    call_regorus("json.unmarshal", arguments).map_err(|error| {
        let valid = text(arguments)
            .is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        if valid {
            return Unsupported("json.unmarshal of a number of this size, or so deep".into())
                .into();
        }
        error
    })
}

/// Return false for values that are not strings.
fn is_valid_text(arguments: &[Value], name: &str) -> Result<Value> {
    if text(arguments).is_none() {
        return Ok(Value::from(false));
    }
    call_regorus(name, arguments)
}

/// Accept several documents in one text; the crate accepts only one.
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
        let is_large = step.is_integer() && step.is_positive() && step.as_i64().is_none();
        if is_large && first.as_i64().is_ok() && last.as_i64().is_ok() && step.as_u64().is_none() {
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
    call_regorus("numbers.range_step", arguments)
}

/// OPA's maximum number of digits of an exponent.
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
    call_regorus(name, arguments)
}

/// Ignore the first and the last of 38 characters, as OPA does.
fn uuid_parse(arguments: &[Value]) -> Result<Value> {
    match text(arguments) {
        Some(text) if text.len() == 38 && text.is_ascii() => call_regorus(
            "uuid.parse",
            &[Value::from(text.get(1..37).unwrap_or_default())],
        ),
        _ => call_regorus("uuid.parse", arguments),
    }
}

/// Parameters of a request.
const REQUEST: &[&str] = &[
    "method",
    "url",
    "body",
    "enable_redirect",
    "force_json_decode",
    "force_yaml_decode",
    "headers",
    "raw_body",
    "tls_use_system_certs",
    "tls_ca_cert",
    "tls_ca_cert_file",
    "tls_ca_cert_env_variable",
    "tls_client_cert",
    "tls_client_cert_file",
    "tls_client_cert_env_variable",
    "tls_client_key",
    "tls_client_key_file",
    "tls_client_key_env_variable",
    "tls_insecure_skip_verify",
    "tls_server_name",
    "timeout",
    "cache",
    "force_cache",
    "force_cache_duration_seconds",
    "raise_error",
    "caching_mode",
    "max_retry_attempts",
    "cache_ignored_headers",
];

/// Format names as a set in Rego.
fn format_names(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("{{{}}}", quoted.join(", "))
}

/// Check the parameters of `http.send`, so that an invalid request gets OPA's error.
fn check_request(request: &Value, position: usize) -> Result<()> {
    let Value::Object(members) = request else {
        return Err(mismatch(position, "object", request));
    };
    let unknown: Vec<String> = members
        .iter_sorted()
        .map(|(name, _)| match name {
            Value::String(name) => name.to_string(),
            other => other.to_string(),
        })
        .filter(|name| !REQUEST.contains(&name.as_str()))
        .collect();
    if !unknown.is_empty() {
        let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
        return Err(type_error(format!(
            "operand {position} invalid request parameters(s): {}",
            format_names(&names)
        )));
    }
    let missing: Vec<&str> = ["method", "url"]
        .into_iter()
        .filter(|name| members.get(&Value::from(*name)).is_none())
        .collect();
    if !missing.is_empty() {
        return Err(type_error(format!(
            "operand {position} missing required request parameters(s): {}",
            format_names(&missing)
        )));
    }
    Ok(())
}

fn http_send(arguments: &[Value]) -> Result<Value> {
    check_request(argument(arguments, 1)?, 1)?;
    Err(Unsupported("http.send: rules never reach the network".into()).into())
}

/// Return an address as itself; a name would need the network.
fn lookup(arguments: &[Value]) -> Result<Value> {
    let name = string(arguments, 1)?;
    match name.parse::<IpAddr>() {
        Ok(address) if address.to_canonical() == address => {
            Ok(Value::from(BTreeSet::from([Value::from(
                address.to_string(),
            )])))
        }
        _ => Err(Unsupported("net.lookup_ip_addr: rules never reach the network".into()).into()),
    }
}
