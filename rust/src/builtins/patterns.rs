//! Regular expressions in Go's syntax, as OPA has them. Each is compiled once a thread, and used where it is kept:
//! a copy has no memory to search with, and making that takes longer than most searches.

use std::cell::RefCell;
use std::collections::HashMap;

use anyhow::{anyhow, bail, Result};
use regex::Regex;
use regorus::Value;

use super::value::{argument, array, string, Unsupported};
use super::Entry;
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

/// Patterns a thread keeps; rules may make them from what they look at.
const MOST: usize = 128;
const COMPILED_BYTES: usize = 1 << 20;
const SEARCH_BYTES: usize = 1 << 18;

thread_local! {
    static COMPILED: RefCell<HashMap<String, std::result::Result<Regex, Flaw>>> = RefCell::default();
}

/// What `look` finds with the pattern, whose flaw is an error.
fn with<T>(pattern: &str, look: impl FnOnce(&Regex) -> T) -> Result<T> {
    COMPILED.with_borrow_mut(|known| {
        if !known.contains_key(pattern) {
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(
                pattern.to_owned(),
                compile(pattern, COMPILED_BYTES, SEARCH_BYTES),
            );
        }
        match known.get(pattern) {
            Some(Ok(compiled)) => Ok(look(compiled)),
            Some(Err(Flaw::Syntax(message))) => bail!("error parsing regexp: {message}"),
            _ => Err(Unsupported("a regular expression of this size".into()).into()),
        }
    })
}

fn matches(arguments: &[Value]) -> Result<Value> {
    let (pattern, text) = (string(arguments, 1)?, string(arguments, 2)?);
    Ok(Value::from(with(pattern, |it| it.is_match(text))?))
}

/// False for anything but text.
fn is_valid(arguments: &[Value]) -> Result<Value> {
    let Value::String(pattern) = argument(arguments, 1)? else {
        return Ok(Value::from(false));
    };
    match with(pattern, |_| ()) {
        Err(error) if error.is::<Unsupported>() => Err(error),
        found => Ok(Value::from(found.is_ok())),
    }
}

fn find(arguments: &[Value]) -> Result<Value> {
    let (pattern, text) = (string(arguments, 1)?, string(arguments, 2)?);
    let most = count(arguments)?;
    with(pattern, |it| {
        let found = it.find_iter(text).take(most);
        array(found.map(|one| Value::from(one.as_str())).collect())
    })
}

/// Each match with its groups; one that took no part is empty.
fn find_groups(arguments: &[Value]) -> Result<Value> {
    let (pattern, text) = (string(arguments, 1)?, string(arguments, 2)?);
    let most = count(arguments)?;
    with(pattern, |it| {
        let found = it.captures_iter(text).take(most).map(|groups| {
            let texts = groups.iter().map(|one| one.map_or("", |it| it.as_str()));
            array(texts.map(Value::from).collect())
        });
        array(found.collect())
    })
}

/// How many to find at most: all for a negative number.
fn count(arguments: &[Value]) -> Result<usize> {
    let number = argument(arguments, 3)?.as_number()?;
    if !number.is_integer() {
        bail!("operand 3 must be integer");
    }
    let said = number
        .as_i64()
        .ok_or_else(|| anyhow!("operand 3 is out of range"));
    Ok(usize::try_from(said?).unwrap_or(usize::MAX))
}

fn replace(arguments: &[Value]) -> Result<Value> {
    let (text, pattern, by) = (
        string(arguments, 1)?,
        string(arguments, 2)?,
        string(arguments, 3)?,
    );
    Ok(Value::from(with(pattern, |it| {
        it.replace_all(text, by).into_owned()
    })?))
}

/// As Go does: an empty match at the start parts nothing, nor does one at the end.
fn split(arguments: &[Value]) -> Result<Value> {
    let (pattern, text) = (string(arguments, 1)?, string(arguments, 2)?);
    with(pattern, |it| {
        array(parts(it, text).into_iter().map(Value::from).collect())
    })
}

fn parts<'t>(pattern: &Regex, text: &'t str) -> Vec<&'t str> {
    if text.is_empty() && !pattern.as_str().is_empty() {
        return vec![text];
    }
    let (mut found, mut begin, mut end) = (Vec::new(), 0, 0);
    for one in pattern.find_iter(text) {
        end = one.start();
        if one.end() != 0 {
            found.extend(text.get(begin..end));
        }
        begin = one.end();
    }
    if end != text.len() {
        found.extend(text.get(begin..));
    }
    found
}
