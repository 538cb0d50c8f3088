//! Edits for the compiler of byte code, which differs from OPA where the interpreter does not.

use std::collections::HashMap;

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Module, Query, Rule, RuleAssign};

use super::{is_computed, iterates, Edits};
use crate::builtins;
use crate::check::{alias, assignment, refr};
use crate::references::{bound_names, components, Part, References, Visitor};

/// Condition that is always true and reads `input`.
const READ_INPUT: &str = "input != null";

impl Edits<'_> {
    /// Read `input` at the start of each body of a rule that refers to it.
    pub fn inputs(&mut self, module: &Module) {
        for rule in &module.policy {
            let Rule::Spec { head, bodies, .. } = rule.as_ref() else {
                continue;
            };
            let mut references = References::default();
            references.rule(rule);
            let is_input =
                |path: &Vec<Part>| matches!(path.first(), Some(Some(name)) if name == "input");
            if !references.paths.iter().any(is_input) {
                continue;
            }
            let head = assignment(head);
            if bodies.is_empty() {
                self.add_body(head);
            }
            for body in bodies {
                if body.query.stmts.is_empty() {
                    self.add_body(body.assign.as_ref());
                } else {
                    self.surround(&body.query, format!("{READ_INPUT}; "), String::new());
                }
            }
        }
    }

    fn add_body(&mut self, assign: Option<&RuleAssign>) {
        if let Some(assign) = assign {
            let end = self.extent(&assign.value).1;
            self.list
                .push((end, end, format!(" if {{ {READ_INPUT} }}")));
        }
    }

    /// Write references to rules of imported packages in full: `data.a.b.rule` for `b.rule`.
    pub fn imports(&mut self, module: &Module) {
        let rules: Vec<Part> = module
            .policy
            .iter()
            .flat_map(|rule| components(refr(rule)).into_iter().next())
            .collect();
        let mut paths = HashMap::new();
        for import in &module.imports {
            let name = alias(import);
            let path = components(&import.refr);
            let is_data = path
                .first()
                .is_some_and(|root| root.as_deref() == Some("data"));
            if is_data && !rules.contains(&Some(name.clone())) {
                paths.insert(name, self.slice(&import.refr));
            }
        }
        for rule in &module.policy {
            let mut references = References::default();
            references.rule(rule);
            for span in &references.roots {
                let name = span.text();
                if let (Some(path), false) = (paths.get(name), references.locals.contains(name)) {
                    let (start, end) = (span.start as usize, span.end as usize);
                    self.list.push((start, end, path.clone()));
                }
            }
        }
    }

    /// Rewrite `every k, v in d { q }`: no element of `d` is without a solution of `q`.
    pub(super) fn quantifier(&mut self, statement: &LiteralStmt, domain: &Expr, query: &Query) {
        let start = statement.span.start as usize;
        let (from, to) = self.extent(domain);
        let (open, close) = (query.span.start as usize + 1, query.span.end as usize - 1);
        let head = self.text.get(start..from).unwrap_or_default();
        let Some(variables) = head.trim_start().strip_prefix("every") else {
            return self.refuse(&statement.span, "this form of every");
        };
        let name = format!("domain_{start}");
        let brace = if self.is_bare { "{ " } else { "" };
        self.list
            .push((start, from, format!("{brace}some {name}; {name} = ")));
        let middle = format!("; count([1 | some{variables} {name}; count([1 | ");
        self.list.push((to, open, middle));
        let brace = if self.is_bare { " }" } else { "" };
        self.list
            .push((close, close + 1, format!("]) == 0]) == 0{brace}")));
    }

    /// Pass the collection of a loop through a check of its type.
    pub(super) fn check_collection(&mut self, collection: &Expr) {
        if is_collection(collection) {
            return;
        }
        let (start, end) = self.extent(collection);
        self.list
            .push((start, start, format!("{}(", builtins::CHECK_COLLECTION)));
        self.list.push((end, end, ")".into()));
    }

    /// Gather the values of each body that has an `else` in a list, unless it has exactly one: a body without values then
    /// fails.
    pub fn alternatives(&mut self, module: &Module) {
        for rule in &module.policy {
            let Rule::Spec { head, bodies, .. } = rule.as_ref() else {
                continue;
            };
            let head = assignment(head);
            for (body, next) in bodies.iter().zip(bodies.iter().skip(1)) {
                let assign = if body.is_else {
                    body.assign.as_ref()
                } else {
                    head
                };
                let value = assign.map(|assign| assign.value.as_ref());
                if next.is_else && (iterates(&body.query) || value.is_some_and(is_computed)) {
                    self.gather_values(value, &body.query);
                }
            }
        }
    }

    fn gather_values(&mut self, value: Option<&Expr>, query: &Query) {
        let (before, after) = match value {
            Some(value) => {
                self.list.push((
                    self.extent(value).0,
                    self.extent(value).1,
                    "body_values[0]".into(),
                ));
                let value = self.slice(value);
                (
                    format!("body_values := [({value}) | "),
                    "]; count(body_values) > 0".to_string(),
                )
            }
            None => ("count([1 | ".to_string(), "]) > 0".to_string()),
        };
        self.surround(query, before, after);
    }

    /// Bind the computed values of a comprehension to variables. Comprehensions in these values come first, because their
    /// text is moved: then this one is left for the next reading.
    pub(super) fn bind_values(&mut self, expression: &Expr) {
        let (values, query): (Vec<&Expr>, _) = match expression {
            Expr::ArrayCompr { term, query, .. } => (vec![term], query),
            Expr::ObjectCompr {
                key, value, query, ..
            } => (vec![key, value], query),
            _ => return self.parts(expression),
        };
        self.query(query);
        let before = self.list.len();
        values.iter().for_each(|value| self.expression(value));
        if self.list.len() > before {
            return;
        }
        let mut conditions = String::new();
        for (number, value) in values.into_iter().enumerate() {
            if !is_computed(value) {
                continue;
            }
            let (start, end) = self.extent(value);
            let text = self.slice(value);
            conditions += &format!("; some value_{number}; value_{number} = {text}");
            self.list.push((start, end, format!("value_{number}")));
        }
        if !conditions.is_empty() {
            let end = self.extent(expression).1.saturating_sub(1);
            self.list.push((end, end, conditions));
        }
    }

    /// Rewrite `x := e` as `some x; x = e`.
    pub(super) fn split_declaration(&mut self, expression: &Expr) {
        let Expr::AssignExpr {
            lhs,
            rhs,
            op: AssignOp::ColEq,
            ..
        } = expression
        else {
            return;
        };
        let mut names = Vec::new();
        bound_names(lhs, &mut names);
        names.retain(|name| name != "_");
        let (start, left) = self.extent(lhs);
        let (right, end) = self.extent(rhs);
        let brace = if self.is_bare { "{ " } else { "" };
        if names.is_empty() {
            self.list.push((start, start, brace.into()));
        } else {
            let declared = format!("{brace}some {}; ", names.join(", "));
            self.list.push((start, start, declared));
        }
        self.list.push((left, right, " = ".into()));
        if self.is_bare {
            self.list.push((end, end, " }".into()));
        }
    }

    /// Add a loop with one turn to a comprehension that does not start with a loop.
    pub(super) fn start_with_loop(&mut self, expression: &Expr) {
        let (Expr::ArrayCompr { query, .. }
        | Expr::SetCompr { query, .. }
        | Expr::ObjectCompr { query, .. }) = expression
        else {
            return;
        };
        let Some(first) = query.stmts.first() else {
            return;
        };
        let start = match &first.literal {
            Literal::SomeIn { .. } => return,
            Literal::Expr { expr, .. } => self.extent(expr).0,
            _ => first.span.start as usize,
        };
        self.list.push((start, start, "some _ in [0]; ".into()));
    }
}

fn is_collection(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::Array { .. }
            | Expr::Set { .. }
            | Expr::Object { .. }
            | Expr::ArrayCompr { .. }
            | Expr::SetCompr { .. }
            | Expr::ObjectCompr { .. }
    )
}
