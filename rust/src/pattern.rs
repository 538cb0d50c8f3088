//! Regular expressions in Go's syntax, matched in linear time whatever the text.
//!
//! Go's package knows RE2's syntax, the crate nearly the same: perl classes are ASCII, a brace that is no
//! repetition is itself, a class has no nested classes and no set operators. Never backtracks.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use regex::{Regex, RegexBuilder};

const COMPILED_BYTES: usize = 1 << 21;

#[pyclass(frozen)]
pub struct Pattern(Regex);

#[pymethods]
impl Pattern {
    #[new]
    fn new(text: &str) -> PyResult<Self> {
        match compile(text, COMPILED_BYTES, COMPILED_BYTES) {
            Ok(compiled) => Ok(Self(compiled)),
            Err(Flaw::Syntax(message) | Flaw::Size(message)) => Err(PyValueError::new_err(message)),
        }
    }

    /// Whether it matches anywhere in `text`.
    fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The leftmost match.
    fn find(&self, text: &str) -> Option<String> {
        self.0.find(text).map(|found| found.as_str().to_owned())
    }

    /// The matches from left to right, `limit` at most.
    fn find_all(&self, text: &str, limit: usize) -> Vec<String> {
        let found = self.0.find_iter(text).take(limit);
        found.map(|one| one.as_str().to_owned()).collect()
    }
}

/// Why there is no such pattern: it is none, or it would take too much memory.
pub enum Flaw {
    Syntax(String),
    Size(String),
}

/// The pattern that `text` stands for in Go's syntax; it has `bytes` at most, and `search` bytes to search with.
pub fn compile(text: &str, bytes: usize, search: usize) -> Result<Regex, Flaw> {
    let translated = translate(text).map_err(Flaw::Syntax)?;
    RegexBuilder::new(&translated)
        .size_limit(bytes)
        .dfa_size_limit(search)
        .build()
        .map_err(|error| {
            let message = last_line(&error.to_string());
            match error {
                regex::Error::CompiledTooBig(_) => Flaw::Size(message),
                _ => Flaw::Syntax(message),
            }
        })
}

fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

fn translate(text: &str) -> Result<String, String> {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 16);
    let mut at = 0;
    let mut repeated = false;
    while at < characters.len() {
        let rest = &characters[at..];
        if let Some(taken) = repetition(rest)? {
            if repeated {
                return Err("invalid nested repetition operator".to_owned());
            }
            repeated = true;
            out.extend(&rest[..taken]);
            at += taken;
            continue;
        }
        repeated = false;
        at += match rest[0] {
            '\\' => escape(rest, &mut out, false)?,
            '[' => class(rest, &mut out)?,
            '(' if rest.get(1) == Some(&'?') => group(rest, &mut out)?,
            '{' => plain("\\{", &mut out),
            other => {
                out.push(other);
                1
            }
        };
    }
    Ok(out)
}

fn plain(text: &str, out: &mut String) -> usize {
    out.push_str(text);
    1
}

/// The characters that an escape takes; `\Q...\E` takes all of it.
fn escape(rest: &[char], out: &mut String, inside: bool) -> Result<usize, String> {
    let Some(&letter) = rest.get(1) else {
        return Err("trailing backslash at end of expression".to_owned());
    };
    let ascii = match letter {
        'd' => Some("0-9"),
        'w' => Some("0-9A-Za-z_"),
        's' => Some("\\t\\n\\f\\r "),
        _ => None,
    };
    let none = match letter {
        'D' => Some("[^0-9]"),
        'W' => Some("[^0-9A-Za-z_]"),
        'S' => Some("[^\\t\\n\\f\\r ]"),
        _ => None,
    };
    match (ascii, none) {
        (Some(members), _) if inside => out.push_str(members),
        (Some(members), _) => {
            out.push('[');
            out.push_str(members);
            out.push(']');
        }
        (_, Some(members)) => out.push_str(members),
        _ if letter == 'Q' && !inside => return Ok(quoted(rest, out)),
        _ if letter == 'b' && !inside => out.push_str("(?-u:\\b)"),
        _ if letter == '<' || letter == '>' => out.push(letter),
        _ => {
            out.push('\\');
            out.push(letter);
        }
    }
    Ok(2)
}

fn quoted(rest: &[char], out: &mut String) -> usize {
    let body = &rest[2..];
    let end = body.windows(2).position(|pair| pair == ['\\', 'E']);
    let literal: String = body[..end.unwrap_or(body.len())].iter().collect();
    out.push_str(&regex::escape(&literal));
    end.map_or(rest.len(), |end| end + 4)
}

/// A bracketed class, in which a bracket and the crate's set operators are themselves.
fn class(rest: &[char], out: &mut String) -> Result<usize, String> {
    let mut at = 1;
    out.push('[');
    if rest.get(at) == Some(&'^') {
        out.push('^');
        at += 1;
    }
    if rest.get(at) == Some(&']') {
        out.push_str("\\]");
        at += 1;
    }
    while let Some(&letter) = rest.get(at) {
        at += match letter {
            ']' => {
                out.push(']');
                return Ok(at + 1);
            }
            '\\' => escape(&rest[at..], out, true)?,
            '[' => named_class(&rest[at..], out),
            '&' | '~' => plain(if letter == '&' { "\\&" } else { "\\~" }, out),
            _ => {
                out.push(letter);
                1
            }
        };
    }
    Err("missing closing ]".to_owned())
}

/// `[:alpha:]` inside a class; any other bracket is itself.
fn named_class(rest: &[char], out: &mut String) -> usize {
    if rest.get(1) == Some(&':') {
        if let Some(end) = rest.windows(2).skip(2).position(|pair| pair == [':', ']']) {
            out.extend(&rest[..end + 4]);
            return end + 4;
        }
    }
    plain("\\[", out)
}

/// The opening of a group with flags or a name; Go knows fewer flags than the crate.
fn group(rest: &[char], out: &mut String) -> Result<usize, String> {
    let end = rest
        .iter()
        .position(|letter| matches!(letter, ':' | ')' | '<'));
    let flags = &rest[2..end.unwrap_or(2)];
    if let Some(other) = flags.iter().find(|flag| !"imsU-P".contains(**flag)) {
        return Err(format!("invalid or unsupported Perl syntax: `(?{other}`"));
    }
    out.push_str("(?");
    Ok(2)
}

/// How many characters the repetition takes that `rest` begins with: `*`, `+?`, `{2,5}`.
fn repetition(rest: &[char]) -> Result<Option<usize>, String> {
    let operator = match rest[0] {
        '*' | '+' | '?' => 1,
        '{' => match braces(rest)? {
            Some(taken) => taken,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let lazy = rest.get(operator) == Some(&'?');
    Ok(Some(operator + usize::from(lazy)))
}

/// The length of `{2}`, `{2,}` or `{2,5}`; a brace that is nothing of this is itself.
fn braces(rest: &[char]) -> Result<Option<usize>, String> {
    let Some(end) = rest.iter().position(|letter| *letter == '}') else {
        return Ok(None);
    };
    let body: String = rest[1..end].iter().collect();
    let (least, most) = body.split_once(',').unwrap_or((&body, ""));
    let digits = |text: &str| text.chars().all(|letter| letter.is_ascii_digit());
    if least.is_empty() || !digits(least) || !digits(most) {
        return Ok(None);
    }
    let large =
        |text: &str| !text.is_empty() && text.parse::<u32>().map_or(true, |count| count > 1000);
    if large(least) || large(most) {
        return Err(format!("invalid repeat count: `{{{body}}}`"));
    }
    Ok(Some(end + 1))
}
