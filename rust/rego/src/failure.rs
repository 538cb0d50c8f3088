//! Errors with OPA's codes and their locations.
//!
//! regorus reports errors as text; only this module parses that text.

use regorus::LimitError;

/// Error with code, message and location; becomes `kubekeep.engine.rego.RegoError`.
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
    file: String,
    line: u32,
    column: u32,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 {
            write!(formatter, "{}:{}: ", self.file, self.line)?;
        }
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Internal error of the engine.
    pub fn internal(message: String) -> Self {
        Self::without_location("eval_internal_error", message)
    }

    /// Error of a document that is not JSON or has the wrong shape.
    pub fn document(name: &str, error: &anyhow::Error) -> Self {
        Self::without_location("rego_parse_error", format!("{name}: {error}"))
    }

    /// Error of the parser.
    pub fn parse(error: &anyhow::Error) -> Self {
        let mut failure = Self::of(error);
        failure.code = "rego_parse_error";
        failure
    }

    /// Any other error of regorus, classified by its text.
    pub fn of(error: &anyhow::Error) -> Self {
        if error.downcast_ref::<LimitError>().is_some() {
            return Self::without_location("eval_cancel_error", error.to_string());
        }
        let text = error.to_string();
        let (message, file, line, column) = parse_location(&text);
        let (code, message) = parse_code(message);
        Self {
            code,
            message,
            file,
            line,
            column,
        }
    }

    /// Error at a location in a module.
    pub fn at(code: &'static str, message: String, file: &str, line: u32, column: u32) -> Self {
        Self {
            code,
            message,
            file: file.into(),
            line,
            column,
        }
    }

    /// Append an explanation to the message.
    pub fn add_note(mut self, note: String) -> Self {
        self.message = format!("{} ({note})", self.message);
        self
    }

    /// Take the location of another failure.
    pub fn move_to(self, other: Self) -> Self {
        let message = match self.message.as_str() {
            // The parser's note to itself, at the start of a body.
            "try parsing as comprehension" => "unexpected `:` after this statement".into(),
            _ => self.message,
        };
        Self { message, ..other }
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// Return line and column.
    pub fn position(&self) -> (u32, u32) {
        (self.line, self.column)
    }

    fn without_location(code: &'static str, message: String) -> Self {
        Self {
            code,
            message,
            file: String::new(),
            line: 0,
            column: 0,
        }
    }

    /// Return (code, message, file, line, column), the arguments of the Python exception.
    pub fn into_parts(self) -> (&'static str, String, String, u32, u32) {
        (self.code, self.message, self.file, self.line, self.column)
    }
}

/// Parse the location and the message in regorus' error text; a few errors are in one line, `file:line:column error: message`:
///
/// ```text
/// --> file:line:column
///   |
/// 1 | source
///   | ^
/// error: message
/// ```
fn parse_location(text: &str) -> (String, String, u32, u32) {
    if let Some((spot, message)) = text.split_once(" error: ") {
        if let Some((file, line, column)) = parse_spot(spot) {
            return (message.trim().to_string(), file, line, column);
        }
    }
    let message = text
        .rsplit_once("\nerror: ")
        .map_or(text, |(_, message)| message)
        .trim()
        .to_string();
    let located = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("--> "))
        .and_then(parse_spot);
    match located {
        Some((file, line, column)) => (message, file, line, column),
        None => (message, String::new(), 0, 0),
    }
}

/// Parse `file:line:column` on one line.
fn parse_spot(spot: &str) -> Option<(String, u32, u32)> {
    let mut parts = spot.rsplitn(3, ':');
    let column = parts.next()?.trim().parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    let file = parts.next().filter(|file| !file.contains('\n'))?;
    Some((file.to_string(), line, column))
}

/// Codes that the built-ins and checks of this crate put before their message.
const OWN_CODES: &[&str] = &[
    "eval_builtin_error",
    "eval_type_error",
    "rego_compile_error",
];

fn parse_code(message: String) -> (&'static str, String) {
    for own in OWN_CODES {
        if let Some(rest) = message
            .strip_prefix(own)
            .and_then(|rest| rest.strip_prefix(": "))
        {
            return (own, rest.to_string());
        }
    }
    const CODES: &[(&str, &str)] = &[
        ("multiple outputs", "eval_conflict_error"),
        (
            "complete rules should not produce multiple",
            "eval_conflict_error",
        ),
        ("value for key", "eval_conflict_error"),
        ("conflict", "eval_conflict_error"),
        ("unsafe", "rego_unsafe_var_error"),
        ("recursion", "rego_recursion_error"),
        ("could not find function", "rego_type_error"),
        ("used before definition", "rego_compile_error"),
        ("undefined rule", "rego_type_error"),
        ("in default value", "rego_type_error"),
        ("could not parse string as number", "eval_type_error"),
        ("mismatch in number of arguments", "rego_type_error"),
        ("incorrect number of parameters", "rego_type_error"),
        ("range_step", "eval_builtin_error"),
        ("step must be a positive", "eval_builtin_error"),
        ("expects", "eval_type_error"),
        ("must be", "eval_type_error"),
        ("requires", "eval_type_error"),
        ("is not an object", "eval_type_error"),
    ];
    let code = CODES
        .iter()
        .find(|(words, _)| message.contains(words))
        .map_or("eval_builtin_error", |(_, code)| code);
    (code, message)
}
