//! Built-ins on strings and durations that regorus does not have, or that differ from OPA's there.

use anyhow::{anyhow, bail, Result};
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::Engine as _;
use regorus::Value;

use super::value::{argument, array, mismatch, string, type_error, Entry, Unsupported};

pub const ENTRIES: &[Entry] = &[
    ("strings.split_n", 3, split_n),
    ("strings.replace_n", 2, replace_n),
    ("strings.count", 2, count),
    ("strings.render_template", 2, render_template),
    ("base64.decode", 1, base64_decode),
    ("base64.is_valid", 1, base64_is_valid),
    ("base64url.decode", 1, base64url_decode),
    ("time.parse_duration_ns", 1, parse_duration),
];

/// Return the first `n` parts, or the last ones if `n` is negative.
fn split_n(arguments: &[Value]) -> Result<Value> {
    let (text, delimiter) = (string(arguments, 1)?, string(arguments, 2)?);
    let Value::Number(number) = argument(arguments, 3)? else {
        return Err(mismatch(3, "number", argument(arguments, 3)?));
    };
    let limit = number
        .as_i64()
        .filter(|_| number.is_integer())
        .ok_or_else(|| {
            type_error("operand 3 must be integer number but got floating-point number".into())
        })?;
    let parts: Vec<Value> = if delimiter.is_empty() {
        text.chars()
            .map(|character| Value::from(character.to_string()))
            .collect()
    } else {
        text.split(delimiter).map(Value::from).collect()
    };
    let count = usize::try_from(limit.unsigned_abs())
        .unwrap_or(usize::MAX)
        .min(parts.len());
    let range = if limit < 0 {
        parts.len() - count..parts.len()
    } else {
        0..count
    };
    Ok(array(parts.get(range).unwrap_or_default().to_vec()))
}

/// Replace in one pass from left to right; at each position the first matching pattern in their order applies.
fn replace_n(arguments: &[Value]) -> Result<Value> {
    let Value::Object(patterns) = argument(arguments, 1)? else {
        return Err(mismatch(1, "object", argument(arguments, 1)?));
    };
    let mut pairs = Vec::new();
    for (old, new) in patterns.iter_sorted() {
        match (old, new) {
            (Value::String(old), Value::String(new)) => pairs.push((old.as_ref(), new.as_ref())),
            (Value::String(_), _) => {
                return Err(type_error(
                    "operand 1 non-string value found in pattern object".into(),
                ))
            }
            _ => {
                return Err(type_error(
                    "operand 1 non-string key found in pattern object".into(),
                ))
            }
        }
    }
    Ok(Value::from(replace_patterns(string(arguments, 2)?, &pairs)))
}

/// Replace patterns. The empty one matches before every character and at the end, but only once at a position.
fn replace_patterns(text: &str, pairs: &[(&str, &str)]) -> String {
    let (mut rest, mut replaced, mut was_empty) = (text, String::new(), false);
    loop {
        let matching = pairs
            .iter()
            .filter(|(old, _)| !(was_empty && old.is_empty()))
            .find_map(|(old, new)| Some((rest.strip_prefix(old)?, old, new)));
        if let Some((after, old, new)) = matching {
            replaced.push_str(new);
            was_empty = old.is_empty();
            rest = after;
            continue;
        }
        was_empty = false;
        let Some(character) = rest.chars().next() else {
            return replaced;
        };
        replaced.push(character);
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
}

/// Count occurrences that do not overlap; the empty string occurs once more than there are characters.
fn count(arguments: &[Value]) -> Result<Value> {
    let (text, part) = (string(arguments, 1)?, string(arguments, 2)?);
    Ok(Value::from(text.matches(part).count()))
}

/// Remove line breaks, which Go's decoder ignores.
fn remove_line_breaks(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect()
}

fn base64_decode(arguments: &[Value]) -> Result<Value> {
    let bytes = STANDARD
        .decode(remove_line_breaks(string(arguments, 1)?))
        .map_err(|error| anyhow!("illegal base64 data: {error}"))?;
    Ok(Value::from(String::from_utf8_lossy(&bytes).into_owned()))
}

fn base64_is_valid(arguments: &[Value]) -> Result<Value> {
    Ok(Value::from(
        STANDARD
            .decode(remove_line_breaks(string(arguments, 1)?))
            .is_ok(),
    ))
}

/// Decode base64url with or without padding.
fn base64url_decode(arguments: &[Value]) -> Result<Value> {
    let text = remove_line_breaks(string(arguments, 1)?);
    let bytes = URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|error| anyhow!("illegal base64 data: {error}"))?;
    Ok(Value::from(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Go templates with fields only: `{{.name}}`, `{{ .outer.inner }}`.
fn render_template(arguments: &[Value]) -> Result<Value> {
    let (mut rest, variables) = (string(arguments, 1)?, argument(arguments, 2)?);
    let mut rendered = String::new();
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((action, after)) = after.split_once("}}") else {
            bail!("template: unclosed action");
        };
        rendered.push_str(before);
        rendered.push_str(&render_field(action.trim(), variables)?);
        rest = after;
    }
    rendered.push_str(rest);
    Ok(Value::from(rendered))
}

fn render_field(action: &str, variables: &Value) -> Result<String> {
    let plain = action.strip_prefix('.').filter(|path| {
        !path.is_empty()
            && path
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
    });
    let Some(path) = plain else {
        return Err(Unsupported(format!("strings.render_template with {{{{{action}}}}}")).into());
    };
    let mut value = variables;
    for name in path.split('.') {
        match value
            .as_object()
            .ok()
            .and_then(|members| members.get(&Value::from(name)))
        {
            Some(member) => value = member,
            None if value.as_object().is_ok() => return Ok("<undefined>".into()),
            None => bail!("template: can't evaluate field {name}"),
        }
    }
    match value {
        Value::String(text) => Ok(text.to_string()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(Unsupported("strings.render_template of a collection".into()).into()),
    }
}

/// Parse a Go duration, with days, weeks and years of 365 days: `1h30m`, `-1.5h`, `2w`.
fn parse_duration(arguments: &[Value]) -> Result<Value> {
    let text = string(arguments, 1)?;
    let wrong = || anyhow!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Value::from(0_u64));
    }
    let mut total: i128 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c != '.' && !c.is_ascii_digit())
            .ok_or_else(wrong)?;
        let (number, after) = rest.split_at(end);
        let unit_end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let scale = nanoseconds(unit)
            .ok_or_else(|| anyhow!("time: unknown unit {unit:?} in duration {text:?}"))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(wrong());
        }
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| wrong())?
        };
        total = whole
            .checked_mul(scale)
            .and_then(|whole| total.checked_add(whole))
            .ok_or_else(wrong)?;
        if !fraction.is_empty() {
            let part: f64 = format!("0.{fraction}").parse().map_err(|_| wrong())?;
            total += (part * scale as f64) as i128;
        }
        rest = after;
    }
    let signed = if negative { -total } else { total };
    i64::try_from(signed).map(Value::from).map_err(|_| wrong())
}

fn nanoseconds(unit: &str) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        "w" => 7 * 86_400 * SECOND,
        "y" => 365 * 86_400 * SECOND,
        _ => return None,
    })
}
