//! Names of the Rego syntax that regorus' parser does not support, for error messages.

use crate::failure::Failure;

/// Imports that enable unsupported syntax.
const IMPORTS: &[(&str, &str)] = &[
    (
        "future.keywords.not",
        "not with a body (import future.keywords.not)",
    ),
    (
        "future.keywords.and",
        "the operator and (import future.keywords.and)",
    ),
    (
        "future.keywords.or",
        "the operator or (import future.keywords.or)",
    ),
    ("rego.v2", "Rego v2 (import rego.v2)"),
];

const KEYWORDS: &[&str] = &[
    "as", "contains", "default", "else", "every", "false", "if", "import", "in", "not", "null",
    "package", "some", "true", "with", "and", "or",
];

/// Refuse imports of unsupported and of unknown syntax.
pub fn check_imports(name: &str, text: &str) -> Result<(), Failure> {
    for (index, line) in text.lines().enumerate() {
        let Some(path) = line.trim_start().strip_prefix("import ").map(str::trim) else {
            continue;
        };
        let path = path.split([' ', '\t', '#', ';']).next().unwrap_or_default();
        let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
        if let Some((_, feature)) = IMPORTS.iter().find(|(import, _)| *import == path) {
            return Err(Failure::at(
                "rego_parse_error",
                format!("{feature} is not supported"),
                name,
                line,
                1,
            ));
        }
        if let Some(keyword) = path.strip_prefix("future.keywords.") {
            if !["in", "every", "if", "contains"].contains(&keyword) {
                let message =
                    format!("unexpected keyword, must be one of [contains every if in]: {keyword}");
                return Err(Failure::at("rego_parse_error", message, name, line, 1));
            }
        }
    }
    Ok(())
}

/// Add the name of the newer syntax that the text seems to use to an error of the parser.
pub fn explain(failure: Failure, text: &str) -> Failure {
    let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let feature = if text.contains("$\"") || text.contains("$`") {
        "string interpolation"
    } else if has_keyword_reference(text) {
        "a keyword inside of a reference"
    } else if text.contains("import future.keywords") && text.contains("not") {
        "not with a body"
    } else if words.any(|word| matches!(word, "and" | "or")) {
        "the operators and, or"
    } else {
        return failure;
    };
    failure.add_note(format!("{feature} is not supported"))
}

fn has_keyword_reference(text: &str) -> bool {
    let after_dot = text
        .split('.')
        .skip(1)
        .any(|part| KEYWORDS.contains(&first_word(part)));
    let before_dot = text
        .split('.')
        .any(|part| KEYWORDS.contains(&last_word(part)));
    after_dot
        || before_dot
        || KEYWORDS
            .iter()
            .any(|word| text.contains(&format!("\n{word}[")))
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .next()
        .unwrap_or_default()
}

fn last_word(text: &str) -> &str {
    text.rsplit(|c: char| !(c.is_alphanumeric() || c == '_'))
        .next()
        .unwrap_or_default()
}
