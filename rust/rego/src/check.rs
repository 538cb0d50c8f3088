//! Checks of OPA's compiler that regorus does not make: recursion, conflicting rules, calls of unknown functions or
//! with the wrong number of arguments, and shadowed names.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use regorus::unstable::{Expr, Import, Module, Query, Rule, RuleAssign, RuleHead, Span, BUILTINS};

use crate::builtins;
use crate::failure::Failure;
use crate::references::{bound_names, components, Part, References, Visitor};

/// Deprecated built-ins, refused by OPA 1 in modules of the current syntax.
const RETIRED: &[&str] = &[
    "all",
    "any",
    "cast_array",
    "cast_boolean",
    "cast_null",
    "cast_object",
    "cast_set",
    "cast_string",
    "net.cidr_overlap",
    "re_match",
    "set_diff",
];

type Path = Vec<String>;

/// Declarations at one path.
#[derive(Default)]
struct Declarations {
    functions: Option<usize>,
    complete: bool,
    set: bool,
    defaults: usize,
}

struct Head {
    path: Vec<Part>,
    span: Span,
}

/// Check all modules of one evaluation together.
pub fn check(modules: &[Module]) -> Result<(), Failure> {
    let mut declarations: BTreeMap<Path, Declarations> = BTreeMap::new();
    let mut heads = Vec::new();
    for module in modules {
        check_imports(module)?;
        for rule in &module.policy {
            heads.push(declare(module, rule, &mut declarations)?);
        }
    }
    check_overlaps(&heads)?;
    let mut edges: HashMap<&Path, HashSet<&Path>> = HashMap::new();
    for module in modules {
        for rule in &module.policy {
            let references = references(rule);
            check_shadowing(module, rule)?;
            for (function, count, span) in &references.calls {
                check_call(module, function, *count, span, &declarations)?;
            }
            let from = known_prefix(&rule_path(module, refr(rule)));
            let Some((from, _)) = declarations.get_key_value(&from) else {
                continue;
            };
            for path in references
                .paths
                .iter()
                .filter_map(|path| resolve(module, path, &declarations))
            {
                edges
                    .entry(from)
                    .or_default()
                    .extend(targets(&path, &declarations));
            }
        }
    }
    check_cycles(&edges).map_err(|path| {
        let head = heads.iter().find(|head| known_prefix(&head.path) == *path);
        let message = format!(
            "rule data.{0} is recursive: data.{0} depends on itself",
            path.join(".")
        );
        match head {
            Some(head) => fail("rego_recursion_error", message, &head.span),
            None => Failure::at("rego_recursion_error", message, "", 0, 0),
        }
    })
}

fn fail(code: &'static str, message: String, span: &Span) -> Failure {
    Failure::at(code, message, span.source.file(), span.line, span.col)
}

pub fn refr(rule: &Rule) -> &Expr {
    match rule {
        Rule::Default { refr, .. } => refr,
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. }
            | RuleHead::Set { refr, .. }
            | RuleHead::Func { refr, .. } => refr,
        },
    }
}

/// Return the value of a head; a set has none.
pub fn assignment(head: &RuleHead) -> Option<&RuleAssign> {
    match head {
        RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => assign.as_ref(),
        RuleHead::Set { .. } => None,
    }
}

pub fn is_nested_set(head: &RuleHead) -> bool {
    matches!(head, RuleHead::Set { refr, .. } if !matches!(refr.as_ref(), Expr::Var { .. }))
}

/// Return the path of a rule: its package and the parts of its head.
fn rule_path(module: &Module, head: &Expr) -> Vec<Part> {
    let mut path = components(&module.package.refr);
    path.extend(components(head));
    path
}

/// Return the parts before the first one that is known only during evaluation.
fn known_prefix(path: &[Part]) -> Path {
    path.iter().map_while(Clone::clone).collect()
}

fn check_imports(module: &Module) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    for import in &module.imports {
        let path = components(&import.refr);
        let Some(Some(root)) = path.first() else {
            continue;
        };
        if matches!(root.as_str(), "future" | "rego") {
            continue;
        }
        let name = alias(import);
        if module.rego_v1 && !seen.insert(name.clone()) {
            return Err(fail(
                "rego_compile_error",
                format!("import must not shadow import {name}"),
                &import.span,
            ));
        }
    }
    Ok(())
}

/// Return the name of an import in its module.
pub fn alias(import: &Import) -> String {
    match &import.r#as {
        Some(name) => name.text().to_string(),
        None => components(&import.refr)
            .last()
            .cloned()
            .flatten()
            .unwrap_or_default(),
    }
}

fn declare(
    module: &Module,
    rule: &Rule,
    declarations: &mut BTreeMap<Path, Declarations>,
) -> Result<Head, Failure> {
    let path = rule_path(module, refr(rule));
    let constant = path.iter().all(Option::is_some);
    let entry = declarations.entry(known_prefix(&path)).or_default();
    let span = rule.span();
    let name = format!("data.{}", known_prefix(&path).join("."));
    let conflict = || {
        fail(
            "rego_type_error",
            format!("conflicting rules {name} found"),
            span,
        )
    };
    let arity = match rule {
        Rule::Default { args, .. } => {
            entry.defaults += 1;
            if entry.defaults > 1 {
                return Err(fail(
                    "rego_type_error",
                    format!("multiple default rules {name} found"),
                    span,
                ));
            }
            Some(args.len()).filter(|count| *count > 0)
        }
        Rule::Spec {
            head: RuleHead::Func { args, .. },
            ..
        } => Some(args.len()),
        Rule::Spec {
            head: RuleHead::Set { key, .. },
            ..
        } => {
            entry.set |= constant && key.is_some();
            None
        }
        Rule::Spec { .. } => {
            entry.complete |= constant;
            None
        }
    };
    match (arity, entry.functions) {
        (Some(arity), Some(other)) if arity != other => return Err(conflict()),
        (Some(arity), _) => entry.functions = Some(arity),
        (None, _) => {}
    }
    if (entry.functions.is_some() && (entry.complete || entry.set)) || (entry.complete && entry.set)
    {
        return Err(conflict());
    }
    Ok(Head {
        path,
        span: span.clone(),
    })
}

/// Refuse a rule with a variable inside its head if the variable can be the name of another rule: regorus hides the
/// values of one of the two.
fn check_overlaps(heads: &[Head]) -> Result<(), Failure> {
    for head in heads {
        let Some(at) = head.path.iter().position(Option::is_none) else {
            continue;
        };
        if at + 1 == head.path.len() {
            continue;
        }
        let prefix = head.path.get(..at).unwrap_or_default();
        let other = heads.iter().find(|other| {
            other.path.len() > at
                && other.path.get(..at) == Some(prefix)
                && other.path.get(at).is_some_and(Option::is_some)
        });
        if other.is_some() {
            let message =
                "a rule whose head has a variable where another rule has a name is not supported";
            return Err(fail("rego_compile_error", message.into(), &head.span));
        }
    }
    Ok(())
}

fn check_shadowing(module: &Module, rule: &Rule) -> Result<(), Failure> {
    let args = match rule {
        Rule::Spec {
            head: RuleHead::Func { args, .. },
            ..
        }
        | Rule::Default { args, .. } => args,
        Rule::Spec { .. } => return Ok(()),
    };
    let mut bound = Vec::new();
    args.iter().for_each(|arg| bound_names(arg, &mut bound));
    for name in ["input", "data"] {
        if module.rego_v1 && bound.iter().any(|bound| bound == name) {
            return Err(fail(
                "rego_compile_error",
                format!("variables must not shadow {name}"),
                rule.span(),
            ));
        }
    }
    Ok(())
}

fn references(rule: &Rule) -> References {
    let mut references = References::default();
    references.rule(rule);
    let locals = std::mem::take(&mut references.locals);
    references
        .paths
        .retain(|path| matches!(path.first(), Some(Some(root)) if !locals.contains(root)));
    references
}

/// Return the path under `data` that a reference stands for, if any.
fn resolve(
    module: &Module,
    path: &[Part],
    declarations: &BTreeMap<Path, Declarations>,
) -> Option<Vec<Part>> {
    let root = path.first()?.as_ref()?;
    let rest = path.get(1..)?;
    match root.as_str() {
        "data" => return Some(rest.to_vec()),
        "input" => return None,
        _ => {}
    }
    if let Some(import) = module.imports.iter().find(|import| alias(import) == *root) {
        let mut target = components(&import.refr);
        if target.first() != Some(&Some("data".to_string())) {
            return None;
        }
        target.remove(0);
        target.extend_from_slice(rest);
        return Some(target);
    }
    let mut target = components(&module.package.refr);
    target.push(Some(root.clone()));
    let known = declarations
        .range((Bound::Included(known_prefix(&target)), Bound::Unbounded))
        .next()
        .is_some_and(|(path, _)| path.starts_with(&known_prefix(&target)));
    target.extend_from_slice(rest);
    known.then_some(target)
}

/// Return the rules that a reference may read: rules above and below its path.
fn targets<'a>(path: &[Part], declarations: &'a BTreeMap<Path, Declarations>) -> Vec<&'a Path> {
    let start = known_prefix(path);
    let above = (1..start.len())
        .filter_map(|length| declarations.get_key_value(start.get(..length)?))
        .map(|(path, _)| path);
    let below = declarations
        .range((Bound::Included(start.clone()), Bound::Unbounded))
        .map(|(path, _)| path)
        .take_while(|path| path.starts_with(&start))
        .filter(|rule| {
            rule.iter()
                .zip(path)
                .all(|(name, part)| part.as_ref().is_none_or(|part| part == name))
        });
    above.chain(below).collect()
}

fn check_call(
    module: &Module,
    function: &[Part],
    count: usize,
    span: &Span,
    declarations: &BTreeMap<Path, Declarations>,
) -> Result<(), Failure> {
    let parts: Vec<String> = function
        .iter()
        .map(|part| part.clone().unwrap_or_default())
        .collect();
    let name = parts.join(".");
    let user = resolve(module, function, declarations)
        .and_then(|path| declarations.get(&known_prefix(&path))?.functions);
    let builtin = builtins::arity(&name).or_else(|| {
        BUILTINS
            .get(name.as_str())
            .map(|entry| usize::from(entry.1))
    });
    let Some(arity) = user.or(builtin) else {
        if name == "print" {
            return Ok(());
        }
        return Err(fail(
            "rego_type_error",
            builtins::undefined_function(&name),
            span,
        ));
    };
    if module.rego_v1 && user.is_none() && RETIRED.contains(&name.as_str()) {
        let message = format!("deprecated built-in function calls in expression: {name}");
        return Err(fail("rego_type_error", message, span));
    }
    if count == arity || count == arity + 1 {
        return Ok(());
    }
    let message = format!("{name}: arity mismatch: {count} arguments where it takes {arity}");
    Err(fail("rego_type_error", message, span))
}

/// Return a path that depends on itself as the error. Iterative, so that long chains cannot overflow the stack.
fn check_cycles<'a>(edges: &HashMap<&'a Path, HashSet<&'a Path>>) -> Result<(), &'a Path> {
    let mut order: Vec<&&Path> = edges.keys().collect();
    order.sort();
    let (mut done, mut open): (HashSet<&Path>, HashSet<&Path>) = Default::default();
    for start in order {
        let mut stack = vec![(*start, false)];
        while let Some((path, leaving)) = stack.pop() {
            if leaving {
                open.remove(path);
                done.insert(path);
                continue;
            }
            if done.contains(path) {
                continue;
            }
            if !open.insert(path) {
                continue;
            }
            stack.push((path, true));
            for next in edges.get(path).into_iter().flatten() {
                if open.contains(next) {
                    return Err(next);
                }
                stack.push((next, false));
            }
        }
    }
    Ok(())
}

/// Check the calls of a query, which has no package.
pub fn check_query(query: &Query, modules: &[Module]) -> Result<(), Failure> {
    let mut references = References::default();
    references.query(query);
    let functions: HashSet<Path> = modules
        .iter()
        .flat_map(|module| {
            module
                .policy
                .iter()
                .map(move |rule| known_prefix(&rule_path(module, refr(rule))))
        })
        .collect();
    for (function, _, span) in &references.calls {
        let parts: Vec<String> = function
            .iter()
            .map(|part| part.clone().unwrap_or_default())
            .collect();
        let name = parts.join(".");
        let known = builtins::arity(&name).is_some()
            || BUILTINS.contains_key(name.as_str())
            || name == "print"
            || parts.first().is_some_and(|root| root == "data")
                && parts.get(1..).is_some_and(|path| functions.contains(path));
        if !known {
            return Err(fail(
                "rego_type_error",
                builtins::undefined_function(&name),
                span,
            ));
        }
    }
    Ok(())
}
