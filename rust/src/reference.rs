//! References taken apart: `data.a["b"][x]` is data, a, b and something unknown.

use regorus::unstable::Expr;

/// A name, or None where it is only known when rules are evaluated.
pub type Part = Option<String>;

/// The parts of a reference; empty when the expression is none.
pub fn components(mut expression: &Expr) -> Vec<Part> {
    let mut found = Vec::new();
    loop {
        match expression {
            Expr::Var { span, .. } => {
                found.push(Some(span.text().to_string()));
                break;
            }
            Expr::RefDot { refr, field, .. } => {
                found.push(field.1.as_string().ok().map(|name| name.to_string()));
                expression = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                found.push(match index.as_ref() {
                    Expr::String { value, .. } | Expr::RawString { value, .. } => {
                        value.as_string().ok().map(|name| name.to_string())
                    }
                    // No rule has a number for a name.
                    Expr::Number { span, .. } => Some(format!("\0{}", span.text())),
                    _ => None,
                });
                expression = refr;
            }
            _ => return Vec::new(),
        }
    }
    found.reverse();
    found
}

/// The variables that a pattern binds.
pub fn names(pattern: &Expr, found: &mut Vec<String>) {
    match pattern {
        Expr::Var { span, .. } => found.push(span.text().to_string()),
        Expr::Array { items, .. } => items.iter().for_each(|item| names(item, found)),
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| names(value, found)),
        _ => {}
    }
}
