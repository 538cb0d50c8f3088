//! `regex.*`: regular expressions in Go's syntax. Each is compiled once per thread and used from the cache by
//! reference: a copy has no search cache, and building one takes longer than most searches.

use std::cell::RefCell;
use std::collections::HashMap;

use anyhow::{anyhow, bail, Result};
use regex::Regex;
use regorus::Value;

use super::value::{argument, array, string, Entry, Unsupported};
use crate::pattern::{compile, Flaw};

pub const ENTRIES: &[Entry] = &[
    ("re_match", 2, matches),
    ("regex.find_all_string_submatch_n", 3, find_groups),
    ("regex.find_n", 3, find),
    ("regex.is_valid", 1, is_valid),
    ("regex.match", 2, matches),
    ("regex.replace", 3, replace),
    ("regex.split", 2, split),
];

/// Cached patterns per thread; rules may build patterns from their input.
const MAX_CACHED: usize = 128;
const COMPILED_BYTES: usize = 1 << 20;
const SEARCH_BYTES: usize = 1 << 18;

thread_local! {
    static COMPILED: RefCell<HashMap<String, std::result::Result<Regex, Flaw>>> = RefCell::default();
}

/// Apply `search` to the compiled pattern. An invalid pattern is an error.
fn apply<T>(pattern: &str, search: impl FnOnce(&Regex) -> T) -> Result<T> {
    COMPILED.with_borrow_mut(|known| {
        // Most patterns are known: they are hashed once.
        if let Some(Ok(compiled)) = known.get(pattern) {
            return Ok(search(compiled));
        }
        if known.len() >= MAX_CACHED {
            known.clear();
        }
        let compiled = known
            .entry(pattern.to_owned())
            .or_insert_with(|| compile(pattern, COMPILED_BYTES, SEARCH_BYTES));
        match compiled {
            Ok(compiled) => Ok(search(compiled)),
            Err(Flaw::Syntax(message)) => bail!("error parsing regexp: {message}"),
            Err(_) => Err(Unsupported("a regular expression of this size".into()).into()),
        }
    })
}

fn matches(arguments: &[Value]) -> Result<Value> {
    let (pattern, text) = (string(arguments, 1)?, string(arguments, 2)?);
    Ok(Value::from(apply(pattern, |regex| regex.is_match(text))?))
}

/// False for values that are not strings.
fn is_valid(arguments: &[Value]) -> Result<Value> {
    let Value::String(pattern) = argument(arguments, 1)? else {
        return Ok(Value::from(false));
    };
    match apply(pattern, |_| ()) {
        Err(error) if error.is::<Unsupported>() => Err(error),
        result => Ok(Value::from(result.is_ok())),
    }
}

fn find(arguments: &[Value]) -> Result<Value> {
    let (pattern, text) = (string(arguments, 1)?, string(arguments, 2)?);
    let limit = match_limit(arguments)?;
    apply(pattern, |regex| {
        let matches = regex.find_iter(text).take(limit);
        array(matches.map(|span| Value::from(span.as_str())).collect())
    })
}

/// Each match with its groups; a group that did not take part is empty.
fn find_groups(arguments: &[Value]) -> Result<Value> {
    let (pattern, text) = (string(arguments, 1)?, string(arguments, 2)?);
    let limit = match_limit(arguments)?;
    apply(pattern, |regex| {
        let matches = regex.captures_iter(text).take(limit).map(|groups| {
            let texts = groups
                .iter()
                .map(|group| group.map_or("", |span| span.as_str()));
            array(texts.map(Value::from).collect())
        });
        array(matches.collect())
    })
}

/// Maximum number of matches, from the third argument; a negative number means all.
fn match_limit(arguments: &[Value]) -> Result<usize> {
    let number = argument(arguments, 3)?.as_number()?;
    if !number.is_integer() {
        bail!("operand 3 must be integer");
    }
    let limit = number
        .as_i64()
        .ok_or_else(|| anyhow!("operand 3 is out of range"))?;
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

fn replace(arguments: &[Value]) -> Result<Value> {
    let (text, pattern, replacement) = (
        string(arguments, 1)?,
        string(arguments, 2)?,
        string(arguments, 3)?,
    );
    Ok(Value::from(apply(pattern, |regex| {
        regex.replace_all(text, replacement).into_owned()
    })?))
}

/// Split as Go does: an empty match at the start or the end does not split.
fn split(arguments: &[Value]) -> Result<Value> {
    let (pattern, text) = (string(arguments, 1)?, string(arguments, 2)?);
    apply(pattern, |regex| {
        array(
            split_parts(regex, text)
                .into_iter()
                .map(Value::from)
                .collect(),
        )
    })
}

fn split_parts<'t>(pattern: &Regex, text: &'t str) -> Vec<&'t str> {
    if text.is_empty() && !pattern.as_str().is_empty() {
        return vec![text];
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for span in pattern.find_iter(text) {
        end = span.start();
        if span.end() != 0 {
            parts.extend(text.get(begin..end));
        }
        begin = span.end();
    }
    if end != text.len() {
        parts.extend(text.get(begin..));
    }
    parts
}
