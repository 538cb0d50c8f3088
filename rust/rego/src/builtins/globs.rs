//! `regex.globs_match`: intersection of two patterns of characters, `.`, `[a-z]`, `+` and `*`.

use std::collections::HashSet;

use anyhow::{bail, Result};
use regorus::Value;

use super::value::{string, Entry, Unsupported};

pub const ENTRIES: &[Entry] = &[("regex.globs_match", 2, globs_match)];

/// Maximum product of the numbers of parts of both patterns.
const MAX_WORK: usize = 1 << 12;

/// Range of characters, both ends included.
type Range = (char, char);

struct Part {
    ranges: Vec<Range>,
    is_optional: bool,
    is_repeatable: bool,
}

fn globs_match(arguments: &[Value]) -> Result<Value> {
    let (left, right) = (
        parse_pattern(string(arguments, 1)?)?,
        parse_pattern(string(arguments, 2)?)?,
    );
    if (left.len() + 1).saturating_mul(right.len() + 1) > MAX_WORK {
        return Err(Unsupported("regex.globs_match of patterns this long".into()).into());
    }
    // Reached pairs of positions; both patterns consume the same character at each step.
    let mut seen = HashSet::from([(0, 0)]);
    let mut open = vec![(0, 0)];
    while let Some((at_left, at_right)) = open.pop() {
        for (from_left, to_left) in steps(&left, at_left) {
            for (from_right, to_right) in steps(&right, at_right) {
                let pair = (left.get(from_left), right.get(from_right));
                let (Some(one), Some(other)) = pair else {
                    continue;
                };
                if !intersect(&one.ranges, &other.ranges) {
                    continue;
                }
                if can_end(&left, to_left) && can_end(&right, to_right) {
                    return Ok(Value::from(true));
                }
                if seen.insert((to_left, to_right)) {
                    open.push((to_left, to_right));
                }
            }
        }
    }
    if can_end(&left, 0) && can_end(&right, 0) {
        // Only the empty text matches both.
        return Err(Unsupported("regex.globs_match of patterns that may be empty".into()).into());
    }
    Ok(Value::from(false))
}

/// Return the parts that may consume the next character at a position, and the positions after them.
fn steps(parts: &[Part], at: usize) -> Vec<(usize, usize)> {
    let mut steps = Vec::new();
    for (index, part) in parts.iter().enumerate().skip(at) {
        steps.push((index, index + 1));
        if part.is_repeatable {
            steps.push((index, index));
        }
        if !part.is_optional {
            break;
        }
    }
    steps
}

fn can_end(parts: &[Part], at: usize) -> bool {
    parts.iter().skip(at).all(|part| part.is_optional)
}

fn intersect(left: &[Range], right: &[Range]) -> bool {
    left.iter().any(|one| {
        right
            .iter()
            .any(|other| one.0 <= other.1 && other.0 <= one.1)
    })
}

fn parse_pattern(pattern: &str) -> Result<Vec<Part>> {
    let mut characters = pattern.chars().peekable();
    let mut parts = Vec::new();
    while let Some(character) = characters.next() {
        let ranges = match character {
            '.' => vec![('\0', char::MAX)],
            '[' => parse_set(&mut characters)?,
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
        parts.push(Part {
            ranges,
            is_optional: quantifier == Some('*'),
            is_repeatable: quantifier.is_some(),
        });
    }
    Ok(parts)
}

fn parse_set(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Vec<Range>> {
    let unsupported = || Err(Unsupported("regex.globs_match of a set of this form".into()).into());
    let mut ranges: Vec<Range> = Vec::new();
    while let Some(character) = characters.next() {
        let first = match character {
            ']' if ranges.is_empty() => return unsupported(),
            ']' => return Ok(ranges),
            '-' | '^' | '[' => return unsupported(),
            '\\' => match characters.next() {
                Some(escaped) => escaped,
                None => return unsupported(),
            },
            other => other,
        };
        let last = match characters.next_if_eq(&'-') {
            None => first,
            Some(_) => match characters.next() {
                Some(last) if last > first && !matches!(last, ']' | '\\' | '-') => last,
                _ => return unsupported(),
            },
        };
        ranges.push((first, last));
    }
    unsupported()
}
