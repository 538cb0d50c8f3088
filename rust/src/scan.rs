//! One walk over a rule that collects what it calls, what it refers to and what it declares.

use std::collections::HashSet;

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Query, Rule, RuleHead, Span};

use crate::reference::{components, names, Part};

#[derive(Default)]
pub struct Found {
    /// Function, number of arguments, place.
    pub calls: Vec<(Vec<Part>, usize, Span)>,
    pub references: Vec<Vec<Part>>,
    pub locals: HashSet<String>,
}

/// Collect from the whole of a rule.
pub fn walk_module_rule(rule: &Rule, found: &mut Found) {
    match rule {
        Rule::Default { value, .. } => found.expression(value),
        Rule::Spec { head, bodies, .. } => {
            match head {
                RuleHead::Compr { refr, assign, .. } => {
                    found.indexes(refr);
                    assign
                        .iter()
                        .for_each(|assign| found.expression(&assign.value));
                }
                RuleHead::Func {
                    refr, args, assign, ..
                } => {
                    found.indexes(refr);
                    args.iter().for_each(|arg| found.declare(arg));
                    assign
                        .iter()
                        .for_each(|assign| found.expression(&assign.value));
                }
                RuleHead::Set { refr, key, .. } => {
                    found.indexes(refr);
                    key.iter().for_each(|key| found.expression(key));
                }
            }
            for body in bodies {
                body.assign
                    .iter()
                    .for_each(|assign| found.expression(&assign.value));
                found.query(&body.query);
            }
        }
    }
}

impl Found {
    fn declare(&mut self, pattern: &Expr) {
        let mut bound = Vec::new();
        names(pattern, &mut bound);
        self.locals.extend(bound);
    }

    pub fn query(&mut self, query: &Query) {
        query
            .stmts
            .iter()
            .for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        for modifier in &statement.with_mods {
            // A function may be replaced by name, which is neither a call nor a value.
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

    /// The indexes of a reference, without the reference itself.
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

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Var { .. } => self.references.push(components(expression)),
            Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                let path = components(expression);
                if !path.is_empty() {
                    self.references.push(path);
                }
                self.indexes(expression);
            }
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
            Expr::ObjectCompr {
                key, value, query, ..
            } => {
                self.expression(key);
                self.expression(value);
                self.query(query);
            }
            Expr::Call {
                span, fcn, params, ..
            } => {
                let path = components(fcn);
                self.calls.push((path.clone(), params.len(), span.clone()));
                self.references.push(path);
                params.iter().for_each(|item| self.expression(item));
            }
            _ => self.operation(expression),
        }
    }

    fn operation(&mut self, expression: &Expr) {
        match expression {
            Expr::UnaryExpr { expr, .. } => self.expression(expr),
            Expr::AssignExpr { lhs, rhs, op, .. } => {
                if *op == AssignOp::ColEq {
                    self.declare(lhs);
                } else {
                    self.expression(lhs);
                }
                self.expression(rhs);
            }
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. } => {
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
