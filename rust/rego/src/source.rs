//! Rewriting of the few Rego constructs that regorus cannot parse or evaluates wrongly.
//!
//! A module is parsed, the spans to change are taken from its syntax tree, and the text between them is kept, so that
//! line numbers do not change.

use std::num::{NonZeroU32, NonZeroUsize};

use regorus::unstable::{
    AssignOp, Expr, Lexer, Literal, LiteralStmt, Module, Parser, Query, Rule, RuleAssign, RuleHead,
    Source, Span, Token, TokenKind,
};
use regorus::{Engine, PolicyLengthConfig};

use crate::builtins;
use crate::check::{check, check_query};
use crate::failure::Failure;
use crate::references::{bound_names, Part, References, Visitor};
use crate::{syntax, Modules};

/// Sources longer than this are refused; lines may be as long as the source.
const MAX_BYTES: usize = 16 << 20;

/// Maximum number of brackets that are open at once.
const MAX_NESTED: usize = 500;

/// regorus' parser reads the contents of a bracket or brace once as a literal and once as a comprehension, so that its
/// work doubles with each level. This many units take seconds.
const MAX_PARSING: u64 = 1 << 20;

/// Condition that is always true and reads `input`.
const READ_INPUT: &str = "input != null";

/// Accept long lines and long sources: generated rules have both.
pub fn lift_length_limits(engine: &mut Engine) {
    engine.set_policy_length_config(PolicyLengthConfig {
        max_col: NonZeroU32::MAX,
        max_file_bytes: NonZeroUsize::MIN.saturating_add(MAX_BYTES),
        max_lines: NonZeroUsize::MIN.saturating_add(MAX_BYTES),
    });
}

/// Check the modules of one evaluation together and rewrite them for the engine.
pub fn prepare(modules: Modules, v0: bool) -> Result<Prepared, Failure> {
    let (mut texts, mut trees) = (Vec::new(), Vec::new());
    for (name, text) in modules {
        check_nesting(&name, &text)?;
        syntax::check_imports(&name, &text)?;
        let (text, tree) = parse_module(&name, text, v0)?;
        let mut heads = Edits::new(&text);
        heads.heads(&tree);
        let heads = heads.finish()?;
        let text = if heads.is_empty() {
            rewrite(text, &tree, |edits, tree| edits.module(tree))?
        } else {
            let (text, tree) = parse_module(&name, apply(text, heads), v0)?;
            rewrite(text, &tree, |edits, tree| edits.module(tree))?
        };
        texts.push((name, text));
        trees.push(tree);
    }
    check(&trees)?;
    Ok(Prepared { texts, trees })
}

/// Prepare modules, and rewrite what regorus executes otherwise than OPA as byte code:
///
/// - `x := e` succeeds if `e` is undefined;
/// - a body with a loop over nothing is not followed by its `else`;
/// - a condition that fails in a comprehension without a loop ends the loop around the comprehension;
/// - an undefined value becomes an element of a comprehension;
/// - an index in `every` is taken for a loop;
/// - `some x in e` is false if `e` is text or a number, where the interpreter fails;
/// - `input` is read where it is used first, even if that is skipped, and not again;
/// - sets with a variable in their name, and defaults of functions, are ignored: refused.
pub fn prepare_for_byte_code(modules: Modules) -> Result<Modules, Failure> {
    let Prepared { texts, .. } = prepare(modules, false)?;
    texts
        .into_iter()
        .map(|(name, text)| {
            let (text, tree) = parse_module(&name, text, false)?;
            let mut text = rewrite(text, &tree, |edits, tree| edits.alternatives(tree))?;
            loop {
                // Inner comprehensions first: the rewriting of the outer one moves their text.
                let (current, tree) = parse_module(&name, text, false)?;
                text = rewrite(current.clone(), &tree, |edits, tree| {
                    edits.rewriting = Rewriting::Values;
                    edits.module(tree);
                })?;
                if text == current {
                    break;
                }
            }
            for rewriting in [Rewriting::Quantifiers, Rewriting::Loops] {
                let (current, tree) = parse_module(&name, text, false)?;
                text = rewrite(current, &tree, |edits, tree| {
                    edits.rewriting = rewriting;
                    edits.module(tree);
                })?;
            }
            let (current, tree) = parse_module(&name, text, false)?;
            let text = rewrite(current, &tree, |edits, tree| edits.inputs(tree))?;
            Ok((name, text))
        })
        .collect()
}

/// Return a text with the edits that a function makes to its tree.
fn rewrite(
    text: String,
    tree: &Module,
    edit: impl FnOnce(&mut Edits<'_>, &Module),
) -> Result<String, Failure> {
    let mut edits = Edits::new(&text);
    edit(&mut edits, tree);
    let edits = edits.finish()?;
    Ok(apply(text, edits))
}

/// Rewritten sources by name, and the syntax trees of the original sources.
pub struct Prepared {
    pub texts: Vec<(String, String)>,
    pub trees: Vec<Module>,
}

/// Parse a module, appending `= true` to functions that are only a head with constants, `f("x")`.
fn parse_module(name: &str, text: String, v0: bool) -> Result<(String, Module), Failure> {
    let (ends, failure) = {
        let source = source(name, &text)?;
        let mut parser = parser(&source, v0)?;
        let mut failure = match parser.parse() {
            Ok(module) => return Ok((text, module)),
            Err(error) => locate(Failure::parse(&error), &mut parser),
        };
        let tokens = tokens(&source);
        let mut ends = Vec::new();
        while let Some(end) = find_head_end(&failure, &tokens) {
            ends.push(end);
            failure = find_next_failure(&mut parser);
        }
        // Where the last failure is the end of the text, all rules but the heads have been read.
        if ends.is_empty() || find_token(&failure, &tokens) < tokens.len() {
            return Err(syntax::explain(failure, &text));
        }
        (ends, failure)
    };
    let edits = ends
        .into_iter()
        .map(|end| (end, end, " = true".to_string()));
    let text = apply(text, edits.collect());
    let source = source(name, &text)?;
    match parser(&source, v0)?.parse() {
        Ok(module) => Ok((text, module)),
        // The location in the text without additions.
        Err(_) => Err(syntax::explain(failure, &text)),
    }
}

/// Continue after a rule that is only a head: the parser has read it. The end of the text is a failure too.
fn find_next_failure(parser: &mut Parser<'_>) -> Failure {
    loop {
        if let Err(error) = parser.parse_rule() {
            return locate(Failure::parse(&error), parser);
        }
    }
}

/// Add the position of the parser to a failure without location.
fn locate(failure: Failure, parser: &mut Parser<'_>) -> Failure {
    if failure.position().0 > 0 {
        return failure;
    }
    // Fails at the current token.
    match parser.parse_package() {
        Err(error) => failure.move_to(Failure::parse(&error)),
        Ok(_) => failure,
    }
}

/// Return the tokens up to the first invalid one.
fn tokens(source: &Source) -> Vec<Token> {
    let mut lexer = Lexer::new(source);
    lexer.set_max_col(NonZeroU32::MAX);
    std::iter::from_fn(|| lexer.next_token().ok())
        .take_while(|token| token.0 != TokenKind::Eof)
        .collect()
}

/// Return the index of the token at the location of a failure, or of the next one.
fn find_token(failure: &Failure, tokens: &[Token]) -> usize {
    tokens.partition_point(|Token(_, span)| (span.line, span.col) < failure.position())
}

/// Return the end of the function head that the parser reports to have no body.
fn find_head_end(failure: &Failure, tokens: &[Token]) -> Option<usize> {
    if !failure.message().contains("must have a body or assignment") {
        return None;
    }
    let mut depth = 0_usize;
    let mut expects_name = true;
    let mut is_call = false;
    for Token(kind, span) in tokens.get(find_token(failure, tokens)..)? {
        let symbol = match kind {
            TokenKind::Symbol => span.text(),
            _ => "",
        };
        match symbol {
            "(" | "[" | "{" => {
                is_call |= depth == 0 && symbol == "(";
                depth += 1;
            }
            ")" | "]" | "}" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 && is_call {
                    return Some(span.end as usize);
                }
            }
            _ if depth > 0 => {}
            "." => expects_name = true,
            // Only parts of the name may come before the arguments: `a == f(b)` is not the head of a function.
            _ if expects_name && *kind == TokenKind::Ident => expects_name = false,
            _ => return None,
        }
    }
    None
}

/// Check a query and rewrite it for the engine.
pub fn prepare_query(text: String, trees: &[Module]) -> Result<String, Failure> {
    check_nesting("query", &text)?;
    let edits = {
        let source = source("query", &text)?;
        let mut parser = parser(&source, false)?;
        let query = parser
            .parse_user_query()
            .map_err(|error| syntax::explain(Failure::parse(&error), &text))?;
        check_query(&query, trees)?;
        let mut edits = Edits::new(&text);
        edits.query(&query);
        edits.finish()?
    };
    Ok(apply(text, edits))
}

fn source(name: &str, text: &str) -> Result<Source, Failure> {
    let limit = NonZeroUsize::MIN.saturating_add(MAX_BYTES);
    Source::from_contents_with_limits(name.into(), text.into(), limit, limit)
        .map_err(|error| Failure::parse(&error))
}

fn parser(source: &Source, v0: bool) -> Result<Parser<'_>, Failure> {
    let mut parser = Parser::new(source).map_err(|error| Failure::parse(&error))?;
    parser.set_max_col(NonZeroU32::MAX);
    if !v0 {
        parser
            .enable_rego_v1()
            .map_err(|error| Failure::parse(&error))?;
    }
    Ok(parser)
}

fn check_nesting(name: &str, text: &str) -> Result<(), Failure> {
    let (mut open, mut line, mut work) = (Vec::new(), 1_u32, 0_u64);
    let mut doubling = 0_u32;
    for byte in text.bytes() {
        match byte {
            b'\n' => line = line.saturating_add(1),
            b'(' => open.push(byte),
            b'[' | b'{' => {
                open.push(byte);
                doubling += 1;
                work = work.saturating_add(1_u64.checked_shl(doubling).unwrap_or(u64::MAX));
            }
            b')' | b']' | b'}' => {
                let doubled = open.pop().is_some_and(|opened| opened != b'(');
                doubling -= u32::from(doubled);
            }
            _ => {}
        }
        if open.len() > MAX_NESTED || work > MAX_PARSING {
            let message = "too many brackets inside of each other to be read".into();
            return Err(Failure::at("rego_parse_error", message, name, line, 1));
        }
    }
    Ok(())
}

/// Replacements of parts of a source: (start, end, new text), in bytes.
struct Edits<'a> {
    text: &'a str,
    list: Vec<(usize, usize, String)>,
    refused: Option<Failure>,
    /// True if the current statement is a whole body without braces.
    is_bare: bool,
    rewriting: Rewriting,
}

/// The constructs that are rewritten in one reading of a module.
#[derive(Clone, Copy, PartialEq)]
enum Rewriting {
    /// Those that the interpreter evaluates otherwise than OPA.
    Interpreted,
    /// For byte code: the values of comprehensions.
    Values,
    /// For byte code: `every`.
    Quantifiers,
    /// For byte code: declarations and comprehensions.
    Loops,
}

fn apply(mut text: String, mut edits: Vec<(usize, usize, String)>) -> String {
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
    fn new(text: &'a str) -> Self {
        Self {
            text,
            list: Vec::new(),
            refused: None,
            is_bare: false,
            rewriting: Rewriting::Interpreted,
        }
    }

    fn finish(self) -> Result<Vec<(usize, usize, String)>, Failure> {
        match self.refused {
            Some(failure) => Err(failure),
            None => Ok(self.list),
        }
    }

    fn module(&mut self, module: &Module) {
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
                    match head {
                        RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => {
                            assign
                                .iter()
                                .for_each(|assign| self.expression(&assign.value));
                        }
                        RuleHead::Set { key, .. } => {
                            key.iter().for_each(|key| self.expression(key))
                        }
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
    fn heads(&mut self, module: &Module) {
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

    /// Read `input` at the start of each body of a rule that refers to it.
    fn inputs(&mut self, module: &Module) {
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
            let head = match head {
                RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => assign.as_ref(),
                RuleHead::Set { .. } => None,
            };
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

    /// Rewrite `every k, v in d { q }`: no element of `d` is without a solution of `q`.
    fn quantifier(&mut self, statement: &LiteralStmt, domain: &Expr, query: &Query) {
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
    fn check_collection(&mut self, collection: &Expr) {
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
    fn alternatives(&mut self, module: &Module) {
        for rule in &module.policy {
            let Rule::Spec { head, bodies, .. } = rule.as_ref() else {
                continue;
            };
            let head = match head {
                RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => assign.as_ref(),
                RuleHead::Set { .. } => None,
            };
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
    fn bind_values(&mut self, expression: &Expr) {
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

    /// Rewrite `x := e` as `some x; x = e`.
    fn split_declaration(&mut self, expression: &Expr) {
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
    fn start_with_loop(&mut self, expression: &Expr) {
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

fn is_nested_set(head: &RuleHead) -> bool {
    matches!(head, RuleHead::Set { refr, .. } if !matches!(refr.as_ref(), Expr::Var { .. }))
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
