//! Replacements in the text of a module, from its syntax tree: the constructs that regorus evaluates otherwise than OPA.
//!
//! Rules:
//!
//! 1. A construct gets the meaning that it has in OPA, or the module is refused with its location. The first refusal
//!    counts.
//! 2. Text outside of the replaced spans stays as it is, and lines keep their numbers, because errors name them:
//!    `apply` adds the line ends of the replaced text. Only the value of a head that contains a comment or a
//!    comprehension keeps its line ends where it is moved to.
//! 3. One reading of a module makes the edits of one `Rewriting`. They do not overlap, and `apply` makes the last one
//!    first, so that the offsets of the others stay valid.
//! 4. A part that is moved is copied from the original text. If it would have to be rewritten itself, it is refused
//!    (`require_unchanged`), or the module is read again in between (`heads`, and the passes for byte code).
//! 5. For the interpreter, a negated statement and one with `with` are never rewritten into several statements: these
//!    would not all be negated or modified.
//! 6. A rule may have a single statement without braces as its body. If it becomes several, braces are added.
//! 7. The span of an expression in regorus may exclude its quotes or include the next word; `extent` corrects this.
//!
//! Example:
//!
//! ```rego
//! p contains path if {
//!   [path, value] := walk(input)
//!   value == 1
//! }
//! ```
//!
//! `walk` with one argument is undefined in regorus. The right side of the assignment is a call of `walk`, so
//! `Edits::walk` replaces the span of the assignment. Its variables are declared first, as `:=` did:
//!
//! ```rego
//!   some path, value; walk(input, [path, value])
//! ```
//!
//! For the input `{"a": 1, "b": {"c": 1}}`, `p` is `{["a"], ["b", "c"]}`. `count(walk(input))` cannot be written in
//! this way and is refused: "walk() inside of an expression is not supported".

mod byte_code;

use regorus::unstable::{
    AssignOp, Expr, Literal, LiteralStmt, Module, Query, Rule, RuleHead, Span,
};

use crate::builtins;
use crate::check::{assignment, is_nested_set};
use crate::failure::Failure;
use crate::references::{bound_names, Visitor};

/// Return a text with the edits that a function makes to its tree.
pub fn rewrite(
    text: String,
    tree: &Module,
    edit: impl FnOnce(&mut Edits<'_>, &Module),
) -> Result<String, Failure> {
    let mut edits = Edits::new(&text);
    edit(&mut edits, tree);
    let edits = edits.finish()?;
    Ok(apply(text, edits))
}

/// Replacements of parts of a source: (start, end, new text), in bytes.
pub struct Edits<'a> {
    text: &'a str,
    list: Vec<(usize, usize, String)>,
    refused: Option<Failure>,
    /// True if the current statement is a whole body without braces.
    is_bare: bool,
    pub rewriting: Rewriting,
}

/// The constructs that are rewritten in one reading of a module.
#[derive(Clone, Copy, PartialEq)]
pub enum Rewriting {
    /// Those that the interpreter evaluates otherwise than OPA.
    Interpreted,
    /// For byte code: the values of comprehensions.
    Values,
    /// For byte code: `every`.
    Quantifiers,
    /// For byte code: declarations and comprehensions.
    Loops,
}

pub fn apply(mut text: String, mut edits: Vec<(usize, usize, String)>) -> String {
    // From the end. At one offset the replacement comes before the insertion, which then stands in front of it.
    edits.sort_by_key(|edit| std::cmp::Reverse((edit.0, edit.1)));
    for (start, end, new) in edits {
        let lines = text
            .get(start..end)
            .unwrap_or_default()
            .matches('\n')
            .count();
        if text.is_char_boundary(start) && text.is_char_boundary(end) {
            text.replace_range(start..end, &format!("{new}{}", "\n".repeat(lines)));
        }
    }
    text
}

impl<'a> Edits<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            list: Vec::new(),
            refused: None,
            is_bare: false,
            rewriting: Rewriting::Interpreted,
        }
    }

    pub fn finish(self) -> Result<Vec<(usize, usize, String)>, Failure> {
        match self.refused {
            Some(failure) => Err(failure),
            None => Ok(self.list),
        }
    }

    pub fn module(&mut self, module: &Module) {
        for rule in &module.policy {
            match rule.as_ref() {
                Rule::Default { value, args, .. } => {
                    if self.rewriting == Rewriting::Loops && !args.is_empty() {
                        self.refuse(value.span(), "a default of a function");
                    }
                    self.expression(value);
                }
                Rule::Spec { head, bodies, span } => {
                    if self.rewriting == Rewriting::Loops && is_nested_set(head) {
                        self.refuse(span, "a set with a variable in its name");
                    }
                    if let RuleHead::Set { key: Some(key), .. } = head {
                        self.expression(key);
                    } else if let Some(assign) = assignment(head) {
                        self.expression(&assign.value);
                    }
                    for body in bodies {
                        body.assign
                            .iter()
                            .for_each(|assign| self.expression(&assign.value));
                        self.body(&body.query);
                    }
                }
            }
        }
    }

    /// Compute the elements of sets and the values of objects in the body: a value that is undefined for one element of a
    /// loop would discard the others.
    pub fn heads(&mut self, module: &Module) {
        for rule in &module.policy {
            let Rule::Spec { head, bodies, .. } = rule.as_ref() else {
                continue;
            };
            let value = match head {
                RuleHead::Set { key, .. } => key.as_ref(),
                RuleHead::Compr {
                    refr,
                    assign: Some(assign),
                    ..
                } if matches!(refr.as_ref(), Expr::RefBrack { .. }) => Some(&assign.value),
                _ => None,
            };
            if let (Some(value), [body]) = (value, bodies.as_slice()) {
                if is_computed(value) && iterates(&body.query) {
                    self.compute_in_body(value, &body.query);
                }
            }
        }
    }

    fn compute_in_body(&mut self, value: &Expr, query: &Query) {
        let (start, end) = self.extent(value);
        self.list.push((start, end, "head_value".into()));
        let text = self.slice(value);
        let mut contained = Edits::new(self.text);
        contained.rewriting = Rewriting::Loops;
        contained.expression(value);
        // In one line, so that the lines below keep their numbers, unless line ends may be part of the syntax.
        let text = if text.contains('#') || !contained.list.is_empty() {
            text
        } else {
            text.replace('\n', " ")
        };
        self.surround(query, String::new(), format!("; head_value := {text}"));
    }

    /// Insert text at the start and at the end of a body.
    fn surround(&mut self, query: &Query, before: String, after: String) {
        let (start, end) = (query.span.start as usize, query.span.end as usize);
        if self
            .text
            .get(start..end)
            .is_some_and(|text| text.starts_with('{'))
        {
            self.list.push((start + 1, start + 1, before));
            self.list.push((end - 1, end - 1, after));
        } else if let [statement] = query.stmts.as_slice() {
            let (start, end) = match &statement.literal {
                Literal::Expr { expr, .. } if statement.with_mods.is_empty() => self.extent(expr),
                Literal::NotExpr { expr, .. } if statement.with_mods.is_empty() => {
                    (start, self.extent(expr).1)
                }
                Literal::SomeIn { collection, .. } => (start, self.extent(collection).1),
                _ => (start, end),
            };
            self.list.push((start, start, format!("{{ {before}")));
            self.list.push((end, end, format!("{after} }}")));
        }
    }

    /// Rewrite the body of a rule. A body of a single statement may have no braces, which are added if the statement
    /// becomes several.
    fn body(&mut self, query: &Query) {
        if let [only] = query.stmts.as_slice() {
            let head = self
                .text
                .get(..only.span.start as usize)
                .unwrap_or_default();
            self.is_bare = !head.trim_end().ends_with('{');
            self.statement(only);
        } else {
            self.query(query);
        }
    }

    fn join_statements(&self, text: String) -> String {
        let line = text.replace('\n', " ");
        if self.is_bare {
            format!("{{ {line} }}")
        } else {
            line
        }
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        for modifier in &statement.with_mods {
            self.expression(&modifier.r#as);
        }
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn {
                key,
                value,
                collection,
                ..
            } => {
                if self.rewriting == Rewriting::Loops {
                    self.check_collection(collection);
                }
                key.iter().for_each(|key| self.expression(key));
                self.expression(value);
                self.expression(collection);
            }
            Literal::Expr { expr, .. } => {
                self.statement_expression(expr, !statement.with_mods.is_empty())
            }
            Literal::NotExpr { expr, .. } => self.statement_expression(expr, true),
            Literal::Every { domain, query, .. } => {
                if self.rewriting == Rewriting::Quantifiers {
                    self.quantifier(statement, domain, query);
                }
                self.expression(domain);
                self.query(query);
            }
        }
    }

    /// Rewrite the expression of a statement. A `fixed` one is negated or has modifiers, so it must remain a single
    /// statement.
    fn statement_expression(&mut self, expression: &Expr, fixed: bool) {
        match self.rewriting {
            Rewriting::Interpreted => {}
            Rewriting::Values | Rewriting::Quantifiers => return self.expression(expression),
            Rewriting::Loops => {
                self.split_declaration(expression);
                return self.expression(expression);
            }
        }
        match expression {
            Expr::Call { params, fcn, .. } if params.len() == 2 && is_walk(fcn) => {
                params.iter().for_each(|element| self.expression(element));
                return;
            }
            Expr::Call { .. } => self.output_argument(expression),
            Expr::AssignExpr { lhs, rhs, op, .. } => {
                if let (Some(argument), false) =
                    (walk_argument(rhs), fixed && *op == AssignOp::ColEq)
                {
                    self.walk(lhs, rhs, argument, *op == AssignOp::ColEq);
                    return;
                }
                let is_unification = matches!(op, AssignOp::Eq) && !fixed;
                if is_unification
                    && is_composite(lhs)
                    && is_composite(rhs)
                    && self.unification(lhs, rhs)
                {
                    return;
                }
            }
            _ => {}
        }
        self.expression(expression);
    }

    /// Rewrite `[path, value] := walk(x)`, which is undefined in regorus, as `walk(x, [path, value])`.
    fn walk(&mut self, target: &Expr, call: &Expr, argument: &Expr, declares: bool) {
        let (start, end) = (self.extent(target).0, self.extent(call).1);
        self.require_unchanged(argument);
        self.require_unchanged(target);
        let mut names = Vec::new();
        if declares {
            bound_names(target, &mut names);
            names.retain(|name| name != "_");
        }
        let declared = if names.is_empty() {
            String::new()
        } else {
            format!("some {}; ", names.join(", "))
        };
        let text = format!(
            "{declared}walk({}, {})",
            self.slice(argument),
            self.slice(target)
        );
        let text = self.join_statements(text);
        self.list.push((start, end, text));
    }

    /// Match the members of `=` one by one if both sides have free variables: regorus matches only one side against
    /// the other. Returns true if the expression was rewritten.
    fn unification(&mut self, left: &Expr, right: &Expr) -> bool {
        let mut pairs = Vec::new();
        if !pair_members(left, right, &mut pairs) || pairs.len() < 2 {
            return false;
        }
        self.require_unchanged(left);
        self.require_unchanged(right);
        let text: Vec<String> = pairs
            .iter()
            .map(|(left, right)| format!("{} = {}", self.slice(left), self.slice(right)))
            .collect();
        let text = self.join_statements(text.join("; "));
        self.list
            .push((self.extent(left).0, self.extent(right).1, text));
        true
    }

    /// Refuse a part that is to be moved and would itself have to be rewritten.
    fn require_unchanged(&mut self, expression: &Expr) {
        // A trial without effect: two edits of one span could not both be applied.
        let mut inner = Edits::new(self.text);
        inner.expression(expression);
        if let Some(failure) = inner.refused {
            self.refused.get_or_insert(failure);
        } else if !inner.list.is_empty() {
            self.refuse(
                expression.span(),
                "this construct inside of a call or pattern",
            );
        }
    }

    fn slice(&self, expression: &Expr) -> String {
        let (start, end) = self.extent(expression);
        self.text.get(start..end).unwrap_or_default().to_string()
    }

    /// Rewrite `f(a, b, x)` of a built-in with two arguments as `x = f(a, b)`. regorus supports the output argument for
    /// its own built-ins only.
    fn output_argument(&mut self, expression: &Expr) {
        let Expr::Call {
            span, fcn, params, ..
        } = expression
        else {
            return;
        };
        let Some((output, inputs)) = params.split_last() else {
            return;
        };
        if builtins::arity(fcn.span().text()) != Some(inputs.len()) {
            return;
        }
        let start = span.start as usize;
        let (from, to) = self.extent(output);
        let comma = match inputs.last() {
            Some(last) => self.extent(last).1,
            None => from,
        };
        self.require_unchanged(output.as_ref());
        self.list.push((
            start,
            start,
            format!("{} = ", self.slice(output).replace('\n', " ")),
        ));
        self.list.push((comma, to, String::new()));
    }

    /// Rewrite `key, value in set`, which is false in regorus, as a call of OPA's internal function.
    fn keyed_membership(&mut self, key: &Expr, value: &Expr, collection: &Expr) {
        let (start, end) = (self.extent(key).0, self.extent(collection).1);
        let (from, to) = (self.extent(value).1, self.extent(collection).0);
        let between = self.text.get(from..to).unwrap_or_default().to_string();
        let commas = between.replacen("in", ",", 1);
        self.list.push((start, start, "internal.member_3(".into()));
        self.list.push((from, to, commas.replace('\n', " ")));
        self.list.push((end, end, ")".into()));
    }

    /// Return start and end of an expression. In regorus the span of a string excludes its quotes, the span of an object
    /// starts at one of its keys, and that of `set()` includes the next word.
    fn extent(&self, expression: &Expr) -> (usize, usize) {
        let span = expression.span();
        let (start, end) = (span.start as usize, span.end as usize);
        match expression {
            Expr::String { .. } | Expr::RawString { .. } => (start.saturating_sub(1), end + 1),
            Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => (self.extent(refr).0, end),
            Expr::Object { fields, .. } => {
                let key = fields
                    .first()
                    .map_or(start + 1, |(_, key, _)| self.extent(key).0);
                (
                    self.text
                        .get(..key)
                        .and_then(|head| head.rfind('{'))
                        .unwrap_or(start),
                    end,
                )
            }
            Expr::Set { items, .. } if items.is_empty() => {
                let length = self.text.get(start..end).and_then(|text| text.find(')'));
                (start, length.map_or(end, |length| start + length + 1))
            }
            Expr::Membership {
                key,
                value,
                collection,
                ..
            } => {
                let first = key.as_ref().unwrap_or(value);
                (self.extent(first).0, self.extent(collection).1)
            }
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. } => {
                (start.min(self.extent(lhs).0), end.max(self.extent(rhs).1))
            }
            _ => (start, end),
        }
    }

    fn refuse(&mut self, span: &Span, construct: &str) {
        self.refused.get_or_insert_with(|| {
            let file = span.source.file();
            Failure::at(
                "rego_compile_error",
                format!("{construct} is not supported"),
                file,
                span.line,
                span.col,
            )
        });
    }
}

impl Visitor for Edits<'_> {
    fn query(&mut self, query: &Query) {
        self.is_bare = false;
        for statement in &query.stmts {
            self.statement(statement);
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match self.rewriting {
            Rewriting::Interpreted => {}
            Rewriting::Values => return self.bind_values(expression),
            Rewriting::Quantifiers => return self.parts(expression),
            Rewriting::Loops => {
                self.start_with_loop(expression);
                if matches!(expression, Expr::Call { fcn, .. } if fcn.span().text() == builtins::CHECK_COLLECTION)
                {
                    self.refuse(expression.span(), builtins::CHECK_COLLECTION);
                }
                return self.parts(expression);
            }
        }
        match expression {
            Expr::Call { fcn, span, .. } if is_walk(fcn) => {
                self.refuse(span, "walk() inside of an expression");
            }
            Expr::Membership {
                key: Some(key),
                value,
                collection,
                ..
            } => self.keyed_membership(key, value, collection),
            _ => {}
        }
        self.parts(expression);
    }
}

/// Return true if a query contains a loop outside of comprehensions.
fn iterates(query: &Query) -> bool {
    let mut loops = Loops(false);
    loops.query(query);
    loops.0
}

/// True after a visit of an expression with a loop. A reference with a variable is one unless the variable has a value,
/// which is not known here.
struct Loops(bool);

impl Visitor for Loops {
    fn query(&mut self, query: &Query) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { .. } | Literal::SomeIn { .. } => self.0 = true,
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expression(expr),
                Literal::Every { domain, .. } => self.expression(domain),
            }
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {}
            Expr::RefBrack { index, .. } if !is_constant(index) => self.0 = true,
            Expr::Call { fcn, .. } if is_walk(fcn) => self.0 = true,
            _ => self.parts(expression),
        }
    }
}

/// Return true for an expression that may be undefined even if its variables are bound.
fn is_computed(expression: &Expr) -> bool {
    !is_constant(expression)
        && !matches!(
            expression,
            Expr::Var { .. } | Expr::Bool { .. } | Expr::Null { .. }
        )
}

fn is_constant(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::String { .. } | Expr::RawString { .. } | Expr::Number { .. }
    )
}

fn is_walk(function: &Expr) -> bool {
    matches!(function, Expr::Var { span, .. } if span.text() == "walk")
}

fn walk_argument(expression: &Expr) -> Option<&Expr> {
    match expression {
        Expr::Call { fcn, params, .. } if params.len() == 1 && is_walk(fcn) => {
            params.first().map(AsRef::as_ref)
        }
        _ => None,
    }
}

fn is_composite(expression: &Expr) -> bool {
    matches!(expression, Expr::Array { .. } | Expr::Object { .. })
}

/// Pair the members of two patterns. Returns false if their shapes differ.
fn pair_members<'a>(
    left: &'a Expr,
    right: &'a Expr,
    pairs: &mut Vec<(&'a Expr, &'a Expr)>,
) -> bool {
    match (left, right) {
        (Expr::Array { items: ours, .. }, Expr::Array { items: theirs, .. }) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| pair_members(ours, theirs, pairs))
        }
        (Expr::Object { fields: ours, .. }, Expr::Object { fields: theirs, .. }) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(_, key, value)| {
                    let same = theirs.iter().find(|(_, other, _)| {
                        matches!((key.as_ref(), other.as_ref()),
                            (Expr::String { value: ours, .. }, Expr::String { value: theirs, .. }) if ours == theirs)
                    });
                    same.is_some_and(|(_, _, other)| pair_members(value, other, pairs))
                })
        }
        _ => {
            pairs.push((left, right));
            true
        }
    }
}
