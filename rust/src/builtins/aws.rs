//! `providers.aws.sign_req`: requests signed as Amazon's services want them.
//!
//! Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::DateTime;
use hmac::{Hmac, Mac};
use regorus::Value;
use sha2::{Digest, Sha256};

use super::hashes::hex;
use super::offline::{check_request, keys_shown};
use super::value::{argument, mismatch, type_error, Unsupported};
use super::Entry;

pub const ENTRIES: &[Entry] = &[("providers.aws.sign_req", 3, sign_request)];

const REQUIRED: &[&str] = &[
    "aws_access_key",
    "aws_region",
    "aws_secret_access_key",
    "aws_service",
];

/// Headers that change on their way and are not signed.
const UNSIGNED: &[&str] = &["authorization", "user-agent", "x-amzn-trace-id"];

/// Digits before the last zeros of a timestamp that nobody writes with an exponent.
const LEAST_DIGITS: usize = 7;

/// Levels of a body.
const MOST_DEEP: usize = 200;

fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.as_object().ok()?.get(&Value::from(name))
}

/// A member that is text; nothing when it is something else.
fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    match member(object, name) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

fn is_text(object: &Value, name: &str) -> bool {
    matches!(member(object, name), Some(Value::String(_)))
}

fn sign_request(arguments: &[Value]) -> Result<Value> {
    let (request, settings) = (argument(arguments, 1)?, argument(arguments, 2)?);
    for object in [request, settings] {
        if object.as_object().is_err() {
            return Err(mismatch(1, "object", object));
        }
    }
    check_settings(settings)?;
    let moment = argument(arguments, 3)?;
    let Value::Number(_) = moment else {
        return Err(mismatch(1, "number", moment));
    };
    let nanoseconds = timestamp(moment)?;
    check_request(request, 1)?;
    let given = headers(request)?;
    let wrong: Vec<&str> = ["method", "url"]
        .into_iter()
        .filter(|name| !is_text(request, name))
        .collect();
    if !wrong.is_empty() {
        return Err(type_error(format!(
            "operand 1 invalid values for required request parameters(s): {}",
            keys_shown(&wrong)
        )));
    }
    let unsigned = match member(settings, "disable_payload_signing") {
        None => false,
        Some(Value::Bool(unsigned)) => *unsigned,
        Some(_) => {
            return Err(type_error(
                "operand 2 invalid value for 'disable_payload_signing' in AWS config".into(),
            ))
        }
    };
    let digest = if unsigned {
        "UNSIGNED-PAYLOAD".to_string()
    } else {
        hex(&Sha256::digest(body(request)?.as_bytes()))
    };
    let mut added = BTreeMap::from([
        ("host", address(text(request, "url"))?.host),
        (
            "x-amz-date",
            DateTime::from_timestamp_nanos(nanoseconds)
                .format("%Y%m%dT%H%M%SZ")
                .to_string(),
        ),
    ]);
    if matches!(text(settings, "aws_service"), "s3" | "glacier") {
        added.insert("x-amz-content-sha256", digest.clone());
    }
    let token = text(settings, "aws_session_token");
    if !token.is_empty() {
        added.insert("x-amz-security-token", token.into());
    }
    let authorization = authorization(request, settings, &given, &added, &digest)?;
    let mut signed = given;
    signed.insert("Authorization".into(), authorization);
    signed.extend(added.into_iter().map(|(name, value)| (name.into(), value)));
    let mut answer = request.clone();
    let headers: BTreeMap<Value, Value> = signed
        .into_iter()
        .map(|(name, value)| (Value::from(name), Value::from(value)))
        .collect();
    answer
        .as_object_mut()?
        .insert(Value::from("headers"), Value::from(headers));
    Ok(answer)
}

/// Nanoseconds since 1970. OPA refuses a number that is written with an exponent, which cannot be
/// seen here; one that may well have been is refused.
fn timestamp(moment: &Value) -> Result<i64> {
    let digits = moment.to_string();
    let Ok(nanoseconds) = digits.parse() else {
        return Err(type_error(
            "operand 3 could not convert time_ns value into a unix timestamp".into(),
        ));
    };
    let told = digits.trim_end_matches('0').len();
    if nanoseconds != 0 && told < LEAST_DIGITS && told < digits.len() {
        return Err(refused("a timestamp that may have an exponent"));
    }
    Ok(nanoseconds)
}

fn check_settings(settings: &Value) -> Result<()> {
    let missing = |name: &&str| member(settings, name).is_none();
    let wrong = |name: &&str| !is_text(settings, name);
    let missing: Vec<&str> = REQUIRED.iter().copied().filter(missing).collect();
    if !missing.is_empty() {
        return Err(type_error(format!(
            "operand 2 missing required AWS config parameters(s): {}",
            keys_shown(&missing)
        )));
    }
    let wrong: Vec<&str> = REQUIRED.iter().copied().filter(wrong).collect();
    if !wrong.is_empty() {
        return Err(type_error(format!(
            "operand 2 invalid values for required AWS config parameters(s): {}",
            keys_shown(&wrong)
        )));
    }
    Ok(())
}

/// The headers of a request by name; values that are no text are empty, as in OPA.
fn headers(request: &Value) -> Result<BTreeMap<String, String>> {
    let Some(given) = member(request, "headers") else {
        return Ok(BTreeMap::new());
    };
    let Value::Object(members) = given else {
        return Err(mismatch(0, "object", given));
    };
    let (mut found, mut lower) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in members.iter_sorted() {
        let Value::String(name) = name else {
            return Err(refused("headers whose names are no text"));
        };
        if lower.insert(name.to_lowercase(), ()).is_some() {
            return Err(refused("headers that differ in case only"));
        }
        let value = match value {
            Value::String(value) => value.to_string(),
            _ => String::new(),
        };
        found.insert(name.to_string(), value);
    }
    Ok(found)
}

fn refused(what: &str) -> anyhow::Error {
    Unsupported(format!("providers.aws.sign_req with {what}")).into()
}

struct Address {
    host: String,
    path: String,
    query: String,
}

/// The parts of a URL, which must need no escaping.
fn address(url: &str) -> Result<Address> {
    let plain = |text: &str, more: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let parts = || {
        let (scheme, rest) = url.split_once("://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = match rest.find('/') {
            Some(start) => rest.split_at(start),
            None => (rest, ""),
        };
        let (name, port) = host.split_once(':').unwrap_or((host, "0"));
        let fine = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && plain(scheme, "+-.")
            && plain(name, "-._")
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && plain(path, "-._~/")
            && plain(query, "-._~/=&+%:,");
        fine.then(|| Address {
            host: host.into(),
            path: path.into(),
            query: query.into(),
        })
    };
    parts().ok_or_else(|| refused("a URL of this form"))
}

fn body(request: &Value) -> Result<String> {
    match (member(request, "raw_body"), member(request, "body")) {
        (Some(Value::String(raw)), _) => Ok(raw.to_string()),
        (Some(_), _) | (None, None) => Ok(String::new()),
        (None, Some(body)) => {
            let mut text = String::new();
            write_json(body, &mut text, 0)?;
            Ok(text)
        }
    }
}

/// JSON as Go writes it: no spaces, sorted keys, and nothing that HTML would read.
fn write_json(value: &Value, out: &mut String, depth: usize) -> Result<()> {
    if depth > MOST_DEEP {
        return Err(refused("a body this deep"));
    }
    let list = |items: Vec<&Value>, out: &mut String| -> Result<()> {
        out.push('[');
        for (index, item) in items.into_iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            write_json(item, out, depth + 1)?;
        }
        out.push(']');
        Ok(())
    };
    match value {
        Value::Null | Value::Bool(_) => out.push_str(&value.to_string()),
        Value::Number(_) => match value.as_i64() {
            Ok(number) => out.push_str(&number.to_string()),
            Err(_) => return Err(refused("a body with such a number")),
        },
        Value::String(text) => write_text(text, out),
        Value::Array(items) => list(items.iter().collect(), out)?,
        Value::Set(items) => list(items.iter_sorted().collect(), out)?,
        Value::Object(members) => {
            out.push('{');
            for (index, (name, member)) in members.iter_sorted().enumerate() {
                let Value::String(name) = name else {
                    return Err(refused("a body whose keys are no text"));
                };
                out.push_str(if index > 0 { "," } else { "" });
                write_text(name, out);
                out.push(':');
                write_json(member, out, depth + 1)?;
            }
            out.push('}');
        }
        Value::Undefined => return Err(refused("an undefined body")),
    }
    Ok(())
}

fn write_text(text: &str, out: &mut String) {
    for character in serde_json::Value::from(text).to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => out.push(other),
        }
    }
}

fn authorization(
    request: &Value,
    settings: &Value,
    given: &BTreeMap<String, String>,
    added: &BTreeMap<&str, String>,
    digest: &str,
) -> Result<String> {
    let mut signed: BTreeMap<String, &String> = added
        .iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect();
    let lower = given
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value));
    signed.extend(lower.filter(|(name, _)| !UNSIGNED.contains(&name.as_str())));
    let names = signed.keys().cloned().collect::<Vec<_>>().join(";");
    let lines: String = signed
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let url = address(text(request, "url"))?;
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{digest}",
        text(request, "method"),
        url.path,
        url.query
    );
    let moment = added.get("x-amz-date").map_or("", String::as_str);
    let day = moment.get(..8).unwrap_or_default();
    let (region, service) = (text(settings, "aws_region"), text(settings, "aws_service"));
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let wanted = format!(
        "AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut key = format!("AWS4{}", text(settings, "aws_secret_access_key")).into_bytes();
    for message in [day, region, service, "aws4_request", &wanted] {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&key)?;
        mac.update(message.as_bytes());
        key = mac.finalize().into_bytes().to_vec();
    }
    Ok(format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={}",
        text(settings, "aws_access_key"),
        hex(&key)
    ))
}
