//! References of a rule: the functions it calls, the paths it refers to and the variables it declares.
//!
//! The path of `data.a["b"][x]` is data, a, b and an unknown part.

use std::collections::HashSet;

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Query, Rule, RuleHead, Span};

/// Name, or None for a part that is known only during evaluation.
pub type Part = Option<String>;

/// Return the parts of a reference; empty for other expressions.
pub fn components(mut expression: &Expr) -> Vec<Part> {
    let mut parts = Vec::new();
    loop {
        match expression {
            Expr::Var { span, .. } => {
                parts.push(Some(span.text().to_string()));
                break;
            }
            Expr::RefDot { refr, field, .. } => {
                parts.push(field.1.as_string().ok().map(|name| name.to_string()));
                expression = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                parts.push(match index.as_ref() {
                    Expr::String { value, .. } | Expr::RawString { value, .. } => {
                        value.as_string().ok().map(|name| name.to_string())
                    }
                    // No rule is named by a number.
                    Expr::Number { span, .. } => Some(format!("\0{}", span.text())),
                    _ => None,
                });
                expression = refr;
            }
            _ => return Vec::new(),
        }
    }
    parts.reverse();
    parts
}

/// Return the location of the variable with which a reference begins.
fn root(mut expression: &Expr) -> Option<&Span> {
    loop {
        match expression {
            Expr::Var { span, .. } => return Some(span),
            Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => expression = refr,
            _ => return None,
        }
    }
}

/// Add the variables that a pattern binds to `names`.
pub fn bound_names(pattern: &Expr, names: &mut Vec<String>) {
    match pattern {
        Expr::Var { span, .. } => names.push(span.text().to_string()),
        Expr::Array { items, .. } => items.iter().for_each(|element| bound_names(element, names)),
        Expr::Object { fields, .. } => fields
            .iter()
            .for_each(|(_, _, value)| bound_names(value, names)),
        _ => {}
    }
}

#[derive(Default)]
pub struct References {
    /// Function, number of arguments and location of each call.
    pub calls: Vec<(Vec<Part>, usize, Span)>,
    pub paths: Vec<Vec<Part>>,
    /// Location of the first part of each path that is not a call.
    pub roots: Vec<Span>,
    pub locals: HashSet<String>,
}

impl References {
    /// Collect the references of a rule.
    pub fn rule(&mut self, rule: &Rule) {
        match rule {
            Rule::Default { value, .. } => self.expression(value),
            Rule::Spec { head, bodies, .. } => {
                match head {
                    RuleHead::Compr { refr, assign, .. } => {
                        self.indexes(refr);
                        assign
                            .iter()
                            .for_each(|assign| self.expression(&assign.value));
                    }
                    RuleHead::Func {
                        refr, args, assign, ..
                    } => {
                        self.indexes(refr);
                        args.iter().for_each(|arg| self.declare(arg));
                        assign
                            .iter()
                            .for_each(|assign| self.expression(&assign.value));
                    }
                    RuleHead::Set { refr, key, .. } => {
                        self.indexes(refr);
                        key.iter().for_each(|key| self.expression(key));
                    }
                }
                for body in bodies {
                    body.assign
                        .iter()
                        .for_each(|assign| self.expression(&assign.value));
                    self.query(&body.query);
                }
            }
        }
    }

    fn declare(&mut self, pattern: &Expr) {
        let mut bound = Vec::new();
        bound_names(pattern, &mut bound);
        self.locals.extend(bound);
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        for modifier in &statement.with_mods {
            // `with f as g` names a function, which is neither a call nor a value.
            self.expression(&modifier.r#as);
        }
        match &statement.literal {
            Literal::SomeVars { vars, .. } => {
                self.locals
                    .extend(vars.iter().map(|name| name.text().to_string()));
            }
            Literal::SomeIn {
                key,
                value,
                collection,
                ..
            } => {
                key.iter().for_each(|key| self.declare(key));
                self.declare(value);
                self.expression(collection);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expression(expr),
            Literal::Every {
                key,
                value,
                domain,
                query,
                ..
            } => {
                self.locals
                    .extend(key.iter().map(|name| name.text().to_string()));
                self.locals.insert(value.text().to_string());
                self.expression(domain);
                self.query(query);
            }
        }
    }

    /// Collect the indexes of a reference, without the reference itself.
    fn indexes(&mut self, mut expression: &Expr) {
        loop {
            match expression {
                Expr::RefDot { refr, .. } => expression = refr,
                Expr::RefBrack { refr, index, .. } => {
                    self.expression(index);
                    expression = refr;
                }
                Expr::Var { .. } => return,
                other => return self.expression(other),
            }
        }
    }
}

impl Visitor for References {
    fn query(&mut self, query: &Query) {
        query
            .stmts
            .iter()
            .for_each(|statement| self.statement(statement));
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Var { span, .. } => {
                self.paths.push(components(expression));
                self.roots.push(span.clone());
            }
            Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                let path = components(expression);
                if !path.is_empty() {
                    self.paths.push(path);
                    self.roots.extend(root(expression).cloned());
                }
                self.indexes(expression);
            }
            Expr::Call {
                span, fcn, params, ..
            } => {
                let path = components(fcn);
                self.calls.push((path.clone(), params.len(), span.clone()));
                self.paths.push(path);
                self.parts(expression);
            }
            Expr::AssignExpr {
                lhs,
                rhs,
                op: AssignOp::ColEq,
                ..
            } => {
                self.declare(lhs);
                self.expression(rhs);
            }
            _ => self.parts(expression),
        }
    }
}

/// Traversal of expressions. A visitor handles the variants that matter to it and leaves the others to `parts`.
pub trait Visitor {
    fn expression(&mut self, expression: &Expr);

    fn query(&mut self, query: &Query);

    /// Visit the direct parts of an expression in the order of the text, without the name of a called function.
    fn parts(&mut self, expression: &Expr) {
        match expression {
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().for_each(|element| self.expression(element));
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
            Expr::ObjectCompr {
                key, value, query, ..
            } => {
                self.expression(key);
                self.expression(value);
                self.query(query);
            }
            Expr::Call { params, .. } => {
                params.iter().for_each(|element| self.expression(element));
            }
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
            Expr::Membership {
                key,
                value,
                collection,
                ..
            } => {
                key.iter().for_each(|key| self.expression(key));
                self.expression(value);
                self.expression(collection);
            }
            _ => {}
        }
    }
}
