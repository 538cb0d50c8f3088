//! Sources as regorus can read and evaluate them, for the few spellings of Rego that it cannot.
//!
//! A module is parsed, the places to change are taken from its syntax tree, and the text between
//! stays as it is, so that every line keeps its number.

use std::num::{NonZeroU32, NonZeroUsize};

use regorus::unstable::{Expr, Literal, LiteralStmt, Module, Parser, Query, Rule, RuleHead, Source};
use regorus::{Engine, PolicyLengthConfig};

use crate::builtins;
use crate::failure::Failure;

/// Sources longer than this are refused; lines may be as long as the source.
const MOST_BYTES: usize = 16 << 20;

/// Brackets that may be open at once; each one costs the parser a good deal of stack.
const MOST_NESTED: usize = 1_000;

/// Take long lines and long sources: generated rules have both.
pub fn widen(engine: &mut Engine) {
    engine.set_policy_length_config(PolicyLengthConfig {
        max_col: NonZeroU32::MAX,
        max_file_bytes: NonZeroUsize::MIN.saturating_add(MOST_BYTES),
        max_lines: NonZeroUsize::MIN.saturating_add(MOST_BYTES),
    });
}

/// The text to give the engine instead of a module's source.
pub fn prepare(name: &str, text: String, v0: bool) -> Result<String, Failure> {
    check_nesting(name, &text)?;
    let edits = {
        let source = source(name, &text)?;
        let module = parse(&source, v0)?;
        let mut found = Edits::default();
        found.module(&module);
        found.list
    };
    Ok(apply(text, edits))
}

/// The same for a query.
pub fn prepare_query(text: String) -> Result<String, Failure> {
    check_nesting("query", &text)?;
    let edits = {
        let source = source("query", &text)?;
        let mut parser = parser(&source, false)?;
        let query = parser.parse_user_query().map_err(|error| Failure::parse(&error))?;
        let mut found = Edits::default();
        found.query(&query);
        found.list
    };
    Ok(apply(text, edits))
}

fn source(name: &str, text: &str) -> Result<Source, Failure> {
    let most = NonZeroUsize::MIN.saturating_add(MOST_BYTES);
    Source::from_contents_with_limits(name.into(), text.into(), most, most)
        .map_err(|error| Failure::parse(&error))
}

fn parser(source: &Source, v0: bool) -> Result<Parser<'_>, Failure> {
    let mut parser = Parser::new(source).map_err(|error| Failure::parse(&error))?;
    parser.set_max_col(NonZeroU32::MAX);
    if !v0 {
        parser.enable_rego_v1().map_err(|error| Failure::parse(&error))?;
    }
    Ok(parser)
}

fn parse(source: &Source, v0: bool) -> Result<Module, Failure> {
    parser(source, v0)?.parse().map_err(|error| Failure::parse(&error))
}

fn check_nesting(name: &str, text: &str) -> Result<(), Failure> {
    let (mut depth, mut line) = (0_usize, 1_u32);
    for byte in text.bytes() {
        match byte {
            b'\n' => line = line.saturating_add(1),
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_NESTED {
            let message = format!("more than {MOST_NESTED} brackets are open at once");
            return Err(Failure::at("rego_parse_error", message, name, line, 1));
        }
    }
    Ok(())
}

/// Replacements of parts of a source: (start, end, new text), in bytes.
#[derive(Default)]
struct Edits {
    list: Vec<(usize, usize, String)>,
}

fn apply(mut text: String, mut edits: Vec<(usize, usize, String)>) -> String {
    edits.sort_by(|left, right| (right.0, right.1).cmp(&(left.0, left.1)));
    for (start, end, new) in edits {
        let lines = text.get(start..end).unwrap_or_default().matches('\n').count();
        if text.is_char_boundary(start) && text.is_char_boundary(end) {
            text.replace_range(start..end, &format!("{new}{}", "\n".repeat(lines)));
        }
    }
    text
}

impl Edits {
    fn module(&mut self, module: &Module) {
        for rule in &module.policy {
            match rule.as_ref() {
                Rule::Default { value, .. } => self.expression(value),
                Rule::Spec { head, bodies, .. } => {
                    match head {
                        RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => {
                            assign.iter().for_each(|assign| self.expression(&assign.value));
                        }
                        RuleHead::Set { key, .. } => key.iter().for_each(|key| self.expression(key)),
                    }
                    for body in bodies {
                        body.assign.iter().for_each(|assign| self.expression(&assign.value));
                        self.query(&body.query);
                    }
                }
            }
        }
    }

    fn query(&mut self, query: &Query) {
        for statement in &query.stmts {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        for modifier in &statement.with_mods {
            self.expression(&modifier.r#as);
        }
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { key, value, collection, .. } => {
                key.iter().for_each(|key| self.expression(key));
                self.expression(value);
                self.expression(collection);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => {
                self.output_argument(expr);
                self.expression(expr);
            }
            Literal::Every { domain, query, .. } => {
                self.expression(domain);
                self.query(query);
            }
        }
    }

    /// `f(a, b, x)` of a built-in that takes two arguments says that x is its value. regorus knows
    /// this of its own built-ins only.
    fn output_argument(&mut self, expression: &Expr) {
        let Expr::Call { span, fcn, params, .. } = expression else {
            return;
        };
        let Some((output, inputs)) = params.split_last() else {
            return;
        };
        if builtins::arity(fcn.span().text()) != Some(inputs.len()) {
            return;
        }
        let output = output.span();
        let from = inputs.last().map_or(output.start, |last| last.span().end);
        let start = span.start as usize;
        self.list.push((start, start, format!("{} = ", output.text().replace('\n', " "))));
        self.list.push((from as usize, output.end as usize, String::new()));
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().for_each(|item| self.expression(item));
            }
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.expression(key);
                    self.expression(value);
                }
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expression(term);
                self.query(query);
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                self.expression(key);
                self.expression(value);
                self.query(query);
            }
            Expr::Call { params, .. } => params.iter().for_each(|item| self.expression(item)),
            Expr::UnaryExpr { expr, .. } => self.expression(expr),
            Expr::RefDot { refr, .. } => self.expression(refr),
            Expr::RefBrack { refr, index, .. } => {
                self.expression(refr);
                self.expression(index);
            }
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expression(lhs);
                self.expression(rhs);
            }
            Expr::Membership { key, value, collection, .. } => {
                key.iter().for_each(|key| self.expression(key));
                self.expression(value);
                self.expression(collection);
            }
            _ => {}
        }
    }
}
