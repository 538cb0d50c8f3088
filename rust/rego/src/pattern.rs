//! Regular expressions in Go's syntax (RE2), matched in linear time, without backtracking.
//!
//! The crate regex differs in few places. In Go, Perl classes are ASCII, a brace that is not a repetition is a
//! literal, and a class has no nested classes and no set operators.

pub use regex::Regex;
use regex::RegexBuilder;

/// Default limit of the memory of a compiled pattern, and of its search cache.
pub const MAX_BYTES: usize = 1 << 21;

/// Error of a pattern: invalid syntax, or too much memory.
pub enum Flaw {
    Syntax(String),
    Size(String),
}

/// Compile a pattern in Go's syntax with at most `bytes` of memory, and `search` bytes for its search cache.
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
    let mut pattern = String::with_capacity(text.len() + 16);
    let mut at = 0;
    let mut repeated = false;
    while at < characters.len() {
        let rest = &characters[at..];
        if let Some(taken) = repetition(rest)? {
            if repeated {
                return Err("invalid nested repetition operator".to_owned());
            }
            repeated = true;
            pattern.extend(&rest[..taken]);
            at += taken;
            continue;
        }
        repeated = false;
        at += match rest[0] {
            '\\' => escape(rest, &mut pattern, false)?,
            '[' => class(rest, &mut pattern)?,
            '(' if rest.get(1) == Some(&'?') => group(rest, &mut pattern)?,
            '{' => plain("\\{", &mut pattern),
            other => {
                pattern.push(other);
                1
            }
        };
    }
    Ok(pattern)
}

fn plain(text: &str, pattern: &mut String) -> usize {
    pattern.push_str(text);
    1
}

/// Translate an escape and return its length in characters; `\Q...\E` is one escape.
fn escape(rest: &[char], pattern: &mut String, inside: bool) -> Result<usize, String> {
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
        (Some(members), _) if inside => pattern.push_str(members),
        (Some(members), _) => {
            pattern.push('[');
            pattern.push_str(members);
            pattern.push(']');
        }
        (_, Some(members)) => pattern.push_str(members),
        _ if letter == 'Q' && !inside => return Ok(quoted(rest, pattern)),
        _ if letter == 'b' && !inside => pattern.push_str("(?-u:\\b)"),
        _ if letter == '<' || letter == '>' => pattern.push(letter),
        _ => {
            pattern.push('\\');
            pattern.push(letter);
        }
    }
    Ok(2)
}

fn quoted(rest: &[char], pattern: &mut String) -> usize {
    let body = &rest[2..];
    let end = body.windows(2).position(|pair| pair == ['\\', 'E']);
    let literal: String = body[..end.unwrap_or(body.len())].iter().collect();
    pattern.push_str(&regex::escape(&literal));
    end.map_or(rest.len(), |end| end + 4)
}

/// Translate a bracketed class, in which brackets and the crate's set operators are literals.
fn class(rest: &[char], pattern: &mut String) -> Result<usize, String> {
    let mut at = 1;
    pattern.push('[');
    if rest.get(at) == Some(&'^') {
        pattern.push('^');
        at += 1;
    }
    if rest.get(at) == Some(&']') {
        pattern.push_str("\\]");
        at += 1;
    }
    while let Some(&letter) = rest.get(at) {
        at += match letter {
            ']' => {
                pattern.push(']');
                return Ok(at + 1);
            }
            '\\' => escape(&rest[at..], pattern, true)?,
            '[' => named_class(&rest[at..], pattern),
            '&' | '~' => plain(if letter == '&' { "\\&" } else { "\\~" }, pattern),
            _ => {
                pattern.push(letter);
                1
            }
        };
    }
    Err("missing closing ]".to_owned())
}

/// Translate `[:alpha:]` inside a class; any other bracket is a literal.
fn named_class(rest: &[char], pattern: &mut String) -> usize {
    if rest.get(1) == Some(&':') {
        if let Some(end) = rest.windows(2).skip(2).position(|pair| pair == [':', ']']) {
            pattern.extend(&rest[..end + 4]);
            return end + 4;
        }
    }
    plain("\\[", pattern)
}

/// Translate the opening of a group with flags or a name; Go has fewer flags than the crate.
fn group(rest: &[char], pattern: &mut String) -> Result<usize, String> {
    let end = rest
        .iter()
        .position(|letter| matches!(letter, ':' | ')' | '<'));
    let flags = &rest[2..end.unwrap_or(2)];
    if let Some(other) = flags.iter().find(|flag| !"imsU-P".contains(**flag)) {
        return Err(format!("invalid or unsupported Perl syntax: `(?{other}`"));
    }
    pattern.push_str("(?");
    Ok(2)
}

/// Return the length of the repetition at the start of `rest`, such as `*`, `+?` or `{2,5}`.
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

/// Return the length of `{2}`, `{2,}` or `{2,5}`; any other brace is a literal.
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
