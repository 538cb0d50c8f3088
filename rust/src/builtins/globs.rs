//! `regex.globs_match`: whether some text fits two patterns of characters, `.`, `[a-z]`, `+` and `*`.

use std::collections::HashSet;

use anyhow::{bail, Result};
use regorus::Value;

use super::value::{string, Unsupported};
use super::Entry;

pub const ENTRIES: &[Entry] = &[("regex.globs_match", 2, globs_match)];

/// Parts of both patterns, multiplied.
const MOST_WORK: usize = 1 << 12;

/// Characters from one to another, both included.
type Range = (char, char);

struct Part {
    ranges: Vec<Range>,
    /// May be left out.
    optional: bool,
    /// May come again.
    repeats: bool,
}

fn globs_match(arguments: &[Value]) -> Result<Value> {
    let (left, right) = (parts(string(arguments, 1)?)?, parts(string(arguments, 2)?)?);
    if (left.len() + 1).saturating_mul(right.len() + 1) > MOST_WORK {
        return Err(Unsupported("regex.globs_match of patterns this long".into()).into());
    }
    // Reached pairs of places; both patterns take the same character at each step.
    let mut seen = HashSet::from([(0, 0)]);
    let mut open = vec![(0, 0)];
    while let Some((at_left, at_right)) = open.pop() {
        for (from_left, to_left) in steps(&left, at_left) {
            for (from_right, to_right) in steps(&right, at_right) {
                let pair = (left.get(from_left), right.get(from_right));
                let (Some(one), Some(other)) = pair else {
                    continue;
                };
                if !meet(&one.ranges, &other.ranges) {
                    continue;
                }
                if ends(&left, to_left) && ends(&right, to_right) {
                    return Ok(Value::from(true));
                }
                if seen.insert((to_left, to_right)) {
                    open.push((to_left, to_right));
                }
            }
        }
    }
    if ends(&left, 0) && ends(&right, 0) {
        // Only the empty text fits both.
        return Err(Unsupported("regex.globs_match of patterns that may be empty".into()).into());
    }
    Ok(Value::from(false))
}

/// The parts that may take the next character at a place, and the places after them.
fn steps(parts: &[Part], at: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (index, part) in parts.iter().enumerate().skip(at) {
        found.push((index, index + 1));
        if part.repeats {
            found.push((index, index));
        }
        // A part that repeats and was taken once stands here again as it is.
        if !part.optional {
            break;
        }
    }
    found
}

fn ends(parts: &[Part], at: usize) -> bool {
    parts.iter().skip(at).all(|part| part.optional)
}

fn meet(left: &[Range], right: &[Range]) -> bool {
    left.iter().any(|one| {
        right
            .iter()
            .any(|other| one.0 <= other.1 && other.0 <= one.1)
    })
}

fn parts(pattern: &str) -> Result<Vec<Part>> {
    let mut characters = pattern.chars().peekable();
    let mut found = Vec::new();
    while let Some(character) = characters.next() {
        let ranges = match character {
            '.' => vec![('\0', char::MAX)],
            '[' => set(&mut characters)?,
            '\\' => match characters.next() {
                Some(escaped) => vec![(escaped, escaped)],
                None => bail!("input ends with an escape"),
            },
            '+' | '*' | ']' => {
                return Err(Unsupported(format!("regex.globs_match of {pattern:?}")).into())
            }
            other => vec![(other, other)],
        };
        let quantifier = characters.next_if(|next| matches!(next, '+' | '*'));
        found.push(Part {
            ranges,
            optional: quantifier == Some('*'),
            repeats: quantifier.is_some(),
        });
    }
    Ok(found)
}

fn set(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Vec<Range>> {
    let odd = || Err(Unsupported("regex.globs_match of a set of this form".into()).into());
    let mut found: Vec<Range> = Vec::new();
    while let Some(character) = characters.next() {
        let first = match character {
            ']' if found.is_empty() => return odd(),
            ']' => return Ok(found),
            '-' | '^' | '[' => return odd(),
            '\\' => match characters.next() {
                Some(escaped) => escaped,
                None => return odd(),
            },
            other => other,
        };
        let last = match characters.next_if_eq(&'-') {
            None => first,
            Some(_) => match characters.next() {
                Some(last) if last > first && !matches!(last, ']' | '\\' | '-') => last,
                _ => return odd(),
            },
        };
        found.push((first, last));
    }
    odd()
}
