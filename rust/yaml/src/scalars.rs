//! Resolution of YAML scalars as kubectl does it: YAML 1.1 as in go-yaml v2, then JSON.
//!
//! kubectl parses with sigs.k8s.io/yaml, whose go-yaml v2 resolves scalars (`resolve.go`), converts the result to JSON
//! and reads that into int64 and float64. So `yes` is true, `0644` is 420, `12:30` is text and `1e3` is the integer
//! 1000. A differential test compares this module with the Go code. Each scalar is resolved on its own.

use std::borrow::Cow;

const TAG: &str = "tag:yaml.org,2002:";
pub const MERGE_TAG: &str = "tag:yaml.org,2002:merge";

/// Scalar before the conversion to JSON: floats may be infinite, integers reach 2**64 - 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Cow<'a, str>),
}

/// Reason why kubectl refuses a scalar.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    /// The text does not match its tag; the name of the tag.
    NotA(&'static str),
    Because(String),
}

impl Scalar<'_> {
    pub fn into_owned(self) -> Scalar<'static> {
        match self {
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Scalar::Null => Scalar::Null,
            Scalar::Bool(value) => Scalar::Bool(value),
            Scalar::Int(value) => Scalar::Int(value),
            Scalar::Float(value) => Scalar::Float(value),
        }
    }

    /// Convert the scalar as JSON does: integers within 64 bits are kept, larger ones become floats.
    pub fn into_json(self) -> Result<Self, Refusal> {
        match self {
            Scalar::Float(value) => json_float(value),
            Scalar::Int(value) => Ok(json_integer(value)),
            other => Ok(other),
        }
    }

    /// Return the scalar as a mapping key, as sigs.k8s.io/yaml writes it; None for null.
    pub fn into_key(self) -> Result<Option<Self>, Refusal> {
        let text = match self {
            Scalar::Text(text) => text,
            Scalar::Bool(true) => "true".into(),
            Scalar::Bool(false) => "false".into(),
            Scalar::Int(value) if i64::try_from(value).is_ok() => value.to_string().into(),
            Scalar::Int(_) => {
                return Err(Refusal::Because(
                    "a mapping key must be text, not an integer of more than 64 bits".to_owned(),
                ))
            }
            Scalar::Float(value) => key_of_float(value).into(),
            Scalar::Null => return Ok(None),
        };
        Ok(Some(Scalar::Text(text)))
    }
}

/// Return an integer within 64 bits, else a float.
pub fn json_integer<'a>(value: i128) -> Scalar<'a> {
    if i64::try_from(value).is_ok() {
        Scalar::Int(value)
    } else {
        Scalar::Float(value as f64)
    }
}

/// Resolve a scalar without quotes or tag.
pub fn plain(text: Cow<'_, str>) -> Scalar<'_> {
    let Some(first) = text.as_bytes().first() else {
        return Scalar::Null;
    };
    let scalar = match first {
        b'0'..=b'9' => number(&text),
        b'+' | b'-' => word(&text).or_else(|| number(&text)),
        b'.' => word(&text).or_else(|| point_float(&text)),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(&text),
        _ => None,
    };
    scalar.unwrap_or(Scalar::Text(text))
}

fn word(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

fn number(text: &str) -> Option<Scalar<'static>> {
    let digits: Cow<'_, str> = if text.contains('_') {
        text.replace('_', "").into()
    } else {
        text.into()
    };
    let (sign, unsigned) = match digits.as_bytes().first() {
        Some(sign @ (b'-' | b'+')) => (Some(*sign), &digits[1..]),
        _ => (None, &digits[..]),
    };
    if let Some(magnitude) = integer(unsigned) {
        let magnitude = i128::from(magnitude);
        let value = if sign == Some(b'-') {
            -magnitude
        } else {
            magnitude
        };
        // strconv.ParseInt takes a sign, ParseUint does not.
        if sign.is_none() || i64::try_from(value).is_ok() {
            return Some(Scalar::Int(value));
        }
    }
    if is_float(unsigned) {
        return finite(&digits);
    }
    signed_binary(&digits)
}

/// Parse digits in any base that Go knows; None for other text and beyond 64 bits.
fn integer(digits: &str) -> Option<u64> {
    let bytes = digits.as_bytes();
    let (base, digits) = match bytes {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0'] => return Some(0),
        [b'0', ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // from_str_radix would take a sign here.
    if matches!(digits.as_bytes().first(), Some(b'+' | b'-')) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// True for `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, with an optional exponent.
fn is_float(unsigned: &str) -> bool {
    let bytes = unsigned.as_bytes();
    let whole = leading_digits(bytes);
    let mut rest = &bytes[whole..];
    if let [b'.', after @ ..] = rest {
        let fraction = leading_digits(after);
        if whole + fraction == 0 {
            return false;
        }
        rest = &after[fraction..];
    } else if whole == 0 {
        return false;
    }
    match rest {
        [] => true,
        [b'e' | b'E', b'-' | b'+', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && leading_digits(exponent) == exponent.len()
        }
        _ => false,
    }
}

fn leading_digits(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count()
}

/// Parse `.5`, in which underscores must be between digits.
fn point_float(text: &str) -> Option<Scalar<'static>> {
    let bytes = text.as_bytes();
    let is_well_placed = |at: usize| {
        let adjacent = [at.checked_sub(1), at.checked_add(1)];
        adjacent.into_iter().all(|index| {
            index
                .and_then(|index| bytes.get(index))
                .is_some_and(u8::is_ascii_digit)
        })
    };
    let underscores = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_');
    if !underscores.into_iter().all(|(at, _)| is_well_placed(at)) {
        return None;
    }
    let digits = text.replace('_', "");
    if is_float(&digits) {
        finite(&digits)
    } else {
        None
    }
}

fn signed_binary(digits: &str) -> Option<Scalar<'static>> {
    let signed = digits.strip_prefix("0b")?;
    if !signed.starts_with(['-', '+']) {
        return None;
    }
    let value = i64::from_str_radix(signed, 2).ok()?;
    Some(Scalar::Int(value.into()))
}

/// Parse a float; None if it is too large (strconv.ParseFloat fails).
fn finite(digits: &str) -> Option<Scalar<'static>> {
    let value: f64 = digits.parse().ok()?;
    value.is_finite().then_some(Scalar::Float(value))
}

/// Resolve a scalar with an explicit tag; None, for the text itself, if YAML does not define the tag.
pub fn tagged(tag: &str, text: &str) -> Result<Option<Scalar<'static>>, Refusal> {
    let name = match tag.strip_prefix(TAG) {
        Some("binary") => return binary(text).map(|text| Some(Scalar::Text(text.into()))),
        Some("timestamp") if is_timestamp(text) => return Ok(None),
        Some("timestamp") => "timestamp",
        Some("bool") => "bool",
        Some("int") => "int",
        Some("float") => "float",
        Some("null") => "null",
        _ => return Ok(None),
    };
    let value = plain(text.into());
    match (name, &value) {
        ("bool", Scalar::Bool(_))
        | ("int", Scalar::Int(_))
        | ("float", Scalar::Float(_))
        | ("null", Scalar::Null) => Ok(Some(value.into_owned())),
        ("float", Scalar::Int(whole)) if i64::try_from(*whole).is_ok() => {
            Ok(Some(Scalar::Float(*whole as f64)))
        }
        _ => Err(Refusal::NotA(name)),
    }
}

/// True if go-yaml reads the text as a timestamp (it remains text, but no other tag accepts it).
fn is_timestamp(text: &str) -> bool {
    timestamp(text.as_bytes()).is_some()
}

fn timestamp(text: &[u8]) -> Option<()> {
    let (year, rest) = digits(text, 4, 4)?;
    let (month, rest) = digits(rest.strip_prefix(b"-")?, 1, 2)?;
    let (day, rest) = digits(rest.strip_prefix(b"-")?, 1, 2)?;
    // Go has a year 0, a leap year.
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) {
        return None;
    }
    let (needs_zone, rest) = match rest {
        [] => return Some(()),
        [b'T' | b't', rest @ ..] => (true, rest),
        [b' ', rest @ ..] => (false, rest),
        _ => return None,
    };
    let (hour, rest) = digits(rest, 1, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(b":")?, 1, 2)?;
    let (second, mut rest) = digits(rest.strip_prefix(b":")?, 1, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if let [b'.' | b',', fraction @ ..] = rest {
        let count = leading_digits(fraction);
        rest = &fraction[count..];
        if count == 0 {
            return None;
        }
    }
    match (needs_zone, rest) {
        (false, []) | (true, [b'Z']) => Some(()),
        (true, [b'-' | b'+', zone @ ..]) => {
            let (_, rest) = digits(zone, 2, 2)?;
            let (_, rest) = digits(rest.strip_prefix(b":")?, 2, 2)?;
            rest.is_empty().then_some(())
        }
        _ => None,
    }
}

/// Parse `min` to `max` digits and return their value and the rest of the text.
fn digits(text: &[u8], min: usize, max: usize) -> Option<(u32, &[u8])> {
    let count = leading_digits(text).min(max);
    let number = text[..count]
        .iter()
        .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    (count >= min).then_some((number, &text[count..]))
}

fn binary(text: &str) -> Result<String, Refusal> {
    let data =
        base64(text).ok_or_else(|| Refusal::Because("!!binary value is not base64".to_owned()))?;
    let mut decoded = String::with_capacity(data.len());
    for chunk in data.utf8_chunks() {
        decoded.push_str(chunk.valid());
        // encoding/json writes one replacement character for each byte that is not UTF-8.
        decoded.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Ok(decoded)
}

/// Decode base64 in whole groups of four; line breaks may be anywhere.
fn base64(text: &str) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    if bytes.len() % 4 != 0 || padding > 2 {
        return None;
    }
    let mut data = Vec::with_capacity(bytes.len() / 4 * 3);
    for group in bytes[..bytes.len() - padding].chunks(4) {
        let mut bits = 0u32;
        for byte in group {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - group.len());
        data.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(data)
}

/// Return the number that int64-or-float64 decoding reads from a float written by encoding/json.
///
/// encoding/json writes no exponent below 1e21, so a whole number that fits is read back as an integer.
fn json_float<'a>(value: f64) -> Result<Scalar<'a>, Refusal> {
    if !value.is_finite() {
        let name = match value {
            f64::INFINITY => "infinity",
            f64::NEG_INFINITY => "-infinity",
            _ => "nan",
        };
        return Err(Refusal::Because(format!("JSON has no number {name}")));
    }
    if value.fract() == 0.0 && value.abs() < 1e21 {
        // The shortest text that is parsed as the float, not the float's exact value.
        if let Ok(whole) = value.to_string().parse::<i64>() {
            return Ok(Scalar::Int(whole.into()));
        }
    }
    Ok(Scalar::Float(value))
}

/// Return the shortest text with an exponent that is parsed as the float; of two equally near ones the even one, as in
/// Go.
fn shortest(single: f32) -> String {
    let text = format!("{single:e}");
    let digits = text
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    let even = format!("{:.*e}", digits - 1, f64::from(single));
    if even.parse() == Ok(single) {
        even
    } else {
        text
    }
}

/// strconv.FormatFloat(value, 'g', -1, 32): the shortest text that is parsed as the same 32-bit float.
fn key_of_float(value: f64) -> String {
    let single = value as f32;
    if !single.is_finite() {
        let name = match single {
            f32::INFINITY => ".inf",
            f32::NEG_INFINITY => "-.inf",
            _ => ".nan",
        };
        return name.to_owned();
    }
    let text = shortest(single);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        // An exponent is written from 1e6 on and below 1e-4, with at least two digits.
        exponent @ -4..=5 => {
            let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
            let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
            format!("{:.decimals$}", f64::from(single))
        }
        exponent if exponent < 0 => format!("{mantissa}e-{:02}", -exponent),
        exponent => format!("{mantissa}e+{exponent:02}"),
    }
}
