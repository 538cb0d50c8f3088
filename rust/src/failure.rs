//! What went wrong, with OPA's code for it and the place.
//!
//! regorus tells its errors as text; this module is the only one that reads that text.

use regorus::LimitError;

/// One error as `kubekeep.engine.rego.RegoError` shows it.
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
    file: String,
    line: u32,
    column: u32,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 {
            write!(out, "{}:{}: ", self.file, self.line)?;
        }
        write!(out, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// An error of this engine itself.
    pub fn internal(message: String) -> Self {
        Self::placeless("eval_internal_error", message)
    }

    /// A document that is not JSON, or not of the right shape.
    pub fn document(name: &str, error: &anyhow::Error) -> Self {
        Self::placeless("rego_parse_error", format!("{name}: {error}"))
    }

    /// An error of the parser.
    pub fn parse(error: &anyhow::Error) -> Self {
        let mut failure = Self::of(error);
        failure.code = "rego_parse_error";
        failure
    }

    /// Any other error of regorus, told apart by its words.
    pub fn of(error: &anyhow::Error) -> Self {
        if error.downcast_ref::<LimitError>().is_some() {
            return Self::placeless("eval_cancel_error", error.to_string());
        }
        let text = error.to_string();
        let (message, file, line, column) = place(&text);
        let (code, message) = code(message);
        Self {
            code,
            message,
            file,
            line,
            column,
        }
    }

    /// An error at a place of a module.
    pub fn at(code: &'static str, message: String, file: &str, line: u32, column: u32) -> Self {
        Self {
            code,
            message,
            file: file.into(),
            line,
            column,
        }
    }

    /// The same with an explanation behind its message.
    pub fn noting(mut self, note: String) -> Self {
        self.message = format!("{} ({note})", self.message);
        self
    }

    /// Line and column of the place, and the message.
    pub fn place(&self) -> (u32, u32, &str) {
        (self.line, self.column, &self.message)
    }

    fn placeless(code: &'static str, message: String) -> Self {
        Self {
            code,
            message,
            file: String::new(),
            line: 0,
            column: 0,
        }
    }

    /// (code, message, file, line, column), the arguments of the Python exception.
    pub fn into_parts(self) -> (&'static str, String, String, u32, u32) {
        (self.code, self.message, self.file, self.line, self.column)
    }
}

/// Read regorus' picture of a place:
///
/// ```text
/// --> file:line:column
///   |
/// 1 | source
///   | ^
/// error: message
/// ```
fn place(text: &str) -> (String, String, u32, u32) {
    let message = text
        .rsplit_once("\nerror: ")
        .map_or(text, |(_, message)| message)
        .trim()
        .to_string();
    let located = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("--> "))
        .and_then(|spot| {
            let mut parts = spot.rsplitn(3, ':');
            let column = parts.next()?.trim().parse().ok()?;
            let line = parts.next()?.parse().ok()?;
            Some((parts.next()?.to_string(), line, column))
        });
    match located {
        Some((file, line, column)) => (message, file, line, column),
        None => (message, String::new(), 0, 0),
    }
}

/// Codes that our own built-ins and checks put before their message.
const OWN: &[&str] = &[
    "eval_builtin_error",
    "eval_type_error",
    "rego_compile_error",
];

fn code(message: String) -> (&'static str, String) {
    for own in OWN {
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
