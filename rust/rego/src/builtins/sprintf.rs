//! `sprintf`: the verbs of Go's package fmt, on Rego values.
//!
//! Integers are Go integers, other numbers are doubles, strings are strings; every other value is printed as its Rego
//! text. Source: https://pkg.go.dev/fmt

use anyhow::Result;
use regorus::Value;

use super::value::{argument, mismatch, string, Entry, Unsupported};

pub const ENTRIES: &[Entry] = &[("sprintf", 2, sprintf)];

/// Maximum width of a field. OPA has no limit, and no memory for more.
const MAX_WIDTH: usize = 1 << 20;

/// An integer longer than this that ends in `ZEROS` was written with an exponent.
const MAX_DIGITS: usize = 40;
const ZEROS: &str = "00000000000000000000";

/// Argument as Go represents it.
enum Operand {
    Integer(String),
    Float(f64),
    Text(String),
    Other(String),
}

impl Operand {
    fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.to_string()),
            Value::Number(number) if number.is_integer() => Self::Integer(
                number
                    .to_big()
                    .map_or_else(|_| value.to_string(), |big| big.to_string()),
            ),
            Value::Number(_) => match value.to_string().parse() {
                Ok(float) => Self::Float(float),
                Err(_) => Self::Text(value.to_string()),
            },
            other => Self::Other(rego_text(other)),
        }
    }

    /// True if the integer fits Go's int; a larger one is a big.Int.
    fn is_small(text: &str) -> bool {
        text.parse::<i64>().is_ok()
    }
}

/// Format a value as Rego text.
fn rego_text(value: &Value) -> String {
    let list = |members: Vec<String>| members.join(", ");
    match value {
        Value::Array(members) => format!("[{}]", list(members.iter().map(rego_text).collect())),
        Value::Set(members) if members.is_empty() => "set()".into(),
        Value::Set(members) => format!(
            "{{{}}}",
            list(members.iter_sorted().map(rego_text).collect())
        ),
        Value::Object(members) => {
            let pairs = members
                .iter_sorted()
                .map(|(key, value)| format!("{}: {}", rego_text(key), rego_text(value)));
            format!("{{{}}}", list(pairs.collect()))
        }
        other => other.to_string(),
    }
}

#[derive(Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

fn sprintf(arguments: &[Value]) -> Result<Value> {
    let format = string(arguments, 1)?;
    let Value::Array(values) = argument(arguments, 2)? else {
        return Err(mismatch(2, "array", argument(arguments, 2)?));
    };
    let operands: Vec<Operand> = values.iter().map(Operand::of).collect();
    let (mut used, mut formatted) = (0, String::new());
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        formatted.push_str(before);
        rest = directive(after, &operands, &mut used, &mut formatted)?;
    }
    formatted.push_str(rest);
    if let Some(extra) = operands.get(used..).filter(|extra| !extra.is_empty()) {
        let shown: Vec<String> = extra.iter().map(describe).collect();
        formatted.push_str(&format!("%!(EXTRA {})", shown.join(", ")));
    }
    Ok(Value::from(formatted))
}

fn describe(operand: &Operand) -> String {
    let kind = match operand {
        Operand::Integer(text) if Operand::is_small(text) => "int",
        Operand::Integer(_) => "*big.Int",
        Operand::Float(_) => "float64",
        _ => "string",
    };
    format!("{kind}={}", plain(operand))
}

fn plain(operand: &Operand) -> String {
    match operand {
        Operand::Integer(text) | Operand::Text(text) | Operand::Other(text) => text.clone(),
        Operand::Float(float) => shortest(*float, None, false),
    }
}

/// Format one directive, after its percent sign, and return the text behind it.
fn directive<'a>(
    text: &'a str,
    operands: &[Operand],
    used: &mut usize,
    formatted: &mut String,
) -> Result<&'a str> {
    let mut flags = Flags::default();
    let mut rest = text;
    loop {
        match rest.chars().next() {
            Some('-') => flags.minus = true,
            Some('+') => flags.plus = true,
            Some('#') => flags.sharp = true,
            Some(' ') => flags.space = true,
            Some('0') => flags.zero = true,
            _ => break,
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    (flags.width, rest) = count(rest)?;
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = count(after)?;
        flags.precision = Some(precision.unwrap_or(0));
        rest = after;
    }
    let Some(verb) = rest.chars().next() else {
        formatted.push_str("%!(NOVERB)");
        return Ok(rest);
    };
    rest = rest.get(verb.len_utf8()..).unwrap_or_default();
    if verb == '%' {
        formatted.push('%');
        return Ok(rest);
    }
    if matches!(verb, '[' | '*') {
        return Err(Unsupported(format!("sprintf with %{verb}")).into());
    }
    let Some(operand) = operands.get(*used) else {
        formatted.push_str(&format!("%!{verb}(MISSING)"));
        return Ok(rest);
    };
    *used += 1;
    formatted.push_str(&format_operand(operand, verb, &flags)?);
    Ok(rest)
}

fn count(text: &str) -> Result<(Option<usize>, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    match digits.parse::<usize>() {
        Ok(number) if number > MAX_WIDTH => {
            Err(Unsupported("sprintf of so wide a field".into()).into())
        }
        Ok(number) => Ok((Some(number), rest)),
        Err(_) => Ok((None, rest)),
    }
}

fn format_operand(operand: &Operand, verb: char, flags: &Flags) -> Result<String> {
    if let Operand::Integer(digits) = operand {
        // 2e308 and its digits are the same number to regorus, but different text to Go.
        if digits.len() > MAX_DIGITS && digits.ends_with(ZEROS) {
            return Err(Unsupported("sprintf of a number of this size".into()).into());
        }
    }
    let text = match (operand, verb) {
        (Operand::Integer(text), 'd' | 'v' | 'b' | 'o' | 'O' | 'x' | 'X') => {
            return integer(text, verb, flags)
        }
        (Operand::Integer(text), 's') if !Operand::is_small(text) => {
            return integer(text, 'd', flags)
        }
        (Operand::Integer(text), 'c' | 'U' | 'q') if Operand::is_small(text) => {
            character(text, verb)
        }
        (Operand::Float(float), 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'v') => {
            return Ok(real(*float, verb, flags))
        }
        // 100 and 100.0 are the same number to regorus, but not to Go.
        (Operand::Integer(_), 'e' | 'E' | 'f' | 'F' | 'g' | 'G') => {
            return Err(Unsupported(format!("sprintf of a whole number with %{verb}")).into());
        }
        (Operand::Float(_), 'b' | 'x' | 'X') => {
            return Err(Unsupported(format!("sprintf of a float with %{verb}")).into())
        }
        (Operand::Text(text) | Operand::Other(text), 's' | 'v') => {
            if flags.sharp && verb == 'v' {
                quote(text)
            } else {
                truncate(text, flags)
            }
        }
        (Operand::Text(text) | Operand::Other(text), 'q') => quote(&truncate(text, flags)),
        (Operand::Text(text) | Operand::Other(text), 'x' | 'X') => {
            let hex = super::hashes::hex(truncate(text, flags).as_bytes());
            if verb == 'X' {
                hex.to_uppercase()
            } else {
                hex
            }
        }
        (Operand::Integer(_), 'T') => "int".into(),
        (Operand::Float(_), 'T') => "float64".into(),
        (_, 'T') => "string".into(),
        _ => return Ok(format!("%!{verb}({})", describe(operand))),
    };
    Ok(pad(text, flags, false))
}

fn truncate(text: &str, flags: &Flags) -> String {
    match flags.precision {
        Some(length) => text.chars().take(length).collect(),
        None => text.into(),
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn character(text: &str, verb: char) -> String {
    let code = text.parse::<u32>().ok();
    let character = code.and_then(char::from_u32).unwrap_or('\u{fffd}');
    match verb {
        'c' => character.to_string(),
        'q' => format!("'{}'", character.escape_debug()),
        _ => format!("U+{:04X}", code.unwrap_or(0xfffd)),
    }
}

fn integer(text: &str, verb: char, flags: &Flags) -> Result<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let mut body = match (verb, digits.parse::<u128>()) {
        ('d' | 'v', _) => digits.to_string(),
        ('b', Ok(number)) => format!("{number:b}"),
        ('o' | 'O', Ok(number)) => format!("{number:o}"),
        ('x', Ok(number)) => format!("{number:x}"),
        ('X', Ok(number)) => format!("{number:X}"),
        _ => return Err(Unsupported(format!("sprintf of so large a number with %{verb}")).into()),
    };
    if let Some(min_digits) = flags.precision {
        body = format!(
            "{}{body}",
            "0".repeat(min_digits.saturating_sub(body.len()))
        );
    }
    let prefix = match verb {
        'O' => "0o",
        'b' if flags.sharp => "0b",
        'o' if flags.sharp => "0",
        'x' if flags.sharp => "0x",
        'X' if flags.sharp => "0X",
        _ => "",
    };
    let sign = sign(negative, flags);
    if flags.zero && !flags.minus && flags.precision.is_none() {
        let taken = sign.len() + body.len() + prefix.len();
        body = format!(
            "{}{body}",
            "0".repeat(flags.width.unwrap_or(0).saturating_sub(taken))
        );
    }
    Ok(pad(format!("{sign}{prefix}{body}"), flags, false))
}

fn sign(negative: bool, flags: &Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

fn real(float: f64, verb: char, flags: &Flags) -> String {
    let size = float.abs();
    let body = match verb {
        'f' | 'F' => format!("{size:.*}", flags.precision.unwrap_or(6)),
        'e' | 'E' => exponential(size, flags.precision.or(Some(6))),
        _ => shortest(size, flags.precision, verb == 'v'),
    };
    let body = if verb == 'E' || verb == 'G' {
        body.to_uppercase()
    } else {
        body
    };
    pad(
        format!("{}{body}", sign(float.is_sign_negative(), flags)),
        flags,
        true,
    )
}

/// Format `%e`: an exponent of at least two digits, with its sign.
fn exponential(float: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(digits) => format!("{float:.digits$e}"),
        None => format!("{float:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Format `%g`, or `%v`, whose exponent starts at 21.
fn shortest(float: f64, precision: Option<usize>, plain_to_21: bool) -> String {
    if float == 0.0 {
        return "0".into();
    }
    let digits = precision.map(|digits| digits.max(1));
    let rounded = match digits {
        Some(digits) => format!("{float:.*e}", digits - 1).parse().unwrap_or(float),
        None => float,
    };
    let scientific = exponential(rounded, None);
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, text)| text.parse().ok())
        .unwrap_or(0);
    let limit = match digits {
        Some(digits) => i32::try_from(digits).unwrap_or(i32::MAX),
        None => 21,
    };
    let limit = if plain_to_21 { 21 } else { limit };
    if exponent < -4 || exponent >= limit {
        scientific
    } else {
        format!("{rounded}")
    }
}

fn pad(text: String, flags: &Flags, number: bool) -> String {
    let padding = flags
        .width
        .unwrap_or(0)
        .saturating_sub(text.chars().count());
    if padding == 0 {
        return text;
    }
    if flags.minus {
        return format!("{text}{}", " ".repeat(padding));
    }
    if flags.zero && number {
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+', ' '])));
        return format!("{sign}{}{digits}", "0".repeat(padding));
    }
    format!(
        "{}{text}",
        if flags.zero { "0" } else { " " }.repeat(padding)
    )
}
