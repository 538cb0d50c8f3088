//! A query checked against a schema, by the rules of the specification that gqlparser knows.

use std::collections::{HashMap, HashSet};

use anyhow::{anyhow, Result};
use serde_json::Value as Json;

use super::fields;
use super::schema::{required, type_name, Schema};
use super::{list, named, text};
use crate::builtins::value::Unsupported;

pub const COMPOSITE: &[&str] = &["OBJECT", "INTERFACE", "UNION"];
const INPUT: &[&str] = &["SCALAR", "ENUM", "INPUT_OBJECT"];

/// What one document is checked with. Definitions are nodes of the schema, None where unknown.
pub struct Check<'a> {
    pub schema: &'a Schema,
    pub fragments: HashMap<&'a str, &'a Json>,
    /// The operation whose selections are looked at; none while fragments are looked at alone.
    pub operation: Option<&'a Json>,
    pub used: HashSet<&'a str>,
    spread: HashSet<&'a str>,
    entered: HashSet<&'a str>,
    wrong: Option<String>,
    unsure: Option<&'static str>,
    steps: usize,
}

/// Definitions and selections that are looked at for one query, about a second.
const MOST_STEPS: usize = 3_000_000;

/// An error when the query breaks a rule, or when that cannot be told here.
pub fn check(schema: &Schema, document: &Json) -> Result<()> {
    let (operations, fragments) = (list(document, "Operations"), list(document, "Fragments"));
    let mut check = Check {
        schema,
        fragments: fragments
            .iter()
            .map(|fragment| (text(fragment, "Name"), fragment))
            .collect(),
        operation: None,
        used: HashSet::new(),
        spread: HashSet::new(),
        entered: HashSet::new(),
        wrong: None,
        unsure: None,
        steps: 0,
    };
    check.unique(fragments, "Name", "fragment");
    check.unique(operations, "Name", "operation");
    if operations.len() > 1
        && operations
            .iter()
            .any(|operation| text(operation, "Name").is_empty())
    {
        check.wrong("This anonymous operation must be the only defined operation".into());
    }
    if fields::circular(&check.fragments) {
        check.wrong("Cannot spread a fragment within itself".into());
    }
    for operation in operations {
        check.operation(operation);
    }
    check.operation = None;
    for fragment in fragments {
        check.entered.clear();
        check.fragment(fragment);
    }
    if check.steps >= MOST_STEPS {
        return Err(Unsupported("a GraphQL query that takes so long to check".into()).into());
    }
    match (check.wrong, check.unsure) {
        (Some(message), _) => Err(anyhow!(message)),
        (None, Some(what)) => Err(Unsupported(what.into()).into()),
        (None, None) => Ok(()),
    }
}

impl<'a> Check<'a> {
    /// Note the first rule that is broken.
    pub fn wrong(&mut self, message: String) {
        self.wrong.get_or_insert(message);
    }

    pub fn unsure(&mut self, what: &'static str) {
        self.unsure.get_or_insert(what);
    }

    /// Count work; false when there was so much that the check has no answer any more.
    pub fn affords(&mut self, steps: usize) -> bool {
        self.steps = self.steps.saturating_add(steps);
        self.steps < MOST_STEPS
    }

    pub fn unique(&mut self, nodes: &[Json], member: &str, what: &str) {
        let mut seen = HashSet::new();
        if let Some(node) = nodes.iter().find(|node| !seen.insert(text(node, member))) {
            let name = text(node, member);
            self.wrong(format!("There can be only one {what} named {name:?}"));
        }
    }

    fn operation(&mut self, operation: &'a Json) {
        self.operation = Some(operation);
        self.used.clear();
        self.entered.clear();
        let (word, place) = match text(operation, "Operation") {
            "mutation" => ("mutation", "MUTATION"),
            "subscription" => ("subscription", "SUBSCRIPTION"),
            _ => ("query", "QUERY"),
        };
        let root = self.schema.root(word);
        if root.is_none() {
            self.wrong(format!("Schema does not support operation type {word:?}"));
        }
        let variables = list(operation, "VariableDefinitions");
        self.unique(variables, "Variable", "variable");
        for variable in variables {
            self.variable(variable);
        }
        self.directives(list(operation, "Directives"), place);
        self.selections(root, list(operation, "SelectionSet"));
        let unused = |variable: &&Json| !self.used.contains(text(variable, "Variable"));
        if let Some(variable) = variables.iter().find(unused) {
            let name = text(variable, "Variable");
            self.wrong(format!("Variable \"${name}\" is never used"));
        }
        if word == "subscription" {
            let names = fields::top(list(operation, "SelectionSet"), &self.fragments);
            if names.len() > 1 || names.iter().any(|name| name.starts_with("__")) {
                self.wrong("A subscription must select only one top level field".into());
            }
        }
        fields::overlap(self, root, list(operation, "SelectionSet"));
    }

    fn variable(&mut self, variable: &'a Json) {
        let kind = variable.get("Type");
        let name = kind.map_or("", type_name);
        let definition = self.schema.named(name);
        match definition {
            None => self.wrong(format!("Unknown type {name:?}")),
            Some(definition) if !INPUT.contains(&text(definition, "Kind")) => {
                self.wrong(format!("A variable cannot be of non-input type {name:?}"));
            }
            Some(_) => {}
        }
        if let Some(value) = variable.get("DefaultValue") {
            self.value(value, kind, false, definition);
        }
        self.directives(list(variable, "Directives"), "VARIABLE_DEFINITION");
    }

    fn fragment(&mut self, fragment: &'a Json) {
        let condition = text(fragment, "TypeCondition");
        let definition = self.schema.named(condition);
        match definition {
            None => self.wrong(format!("Unknown type {condition:?}")),
            Some(definition) if !COMPOSITE.contains(&text(definition, "Kind")) => {
                self.wrong(format!(
                    "Fragment cannot condition on non composite type {condition:?}"
                ));
            }
            Some(_) => {}
        }
        self.directives(list(fragment, "Directives"), "FRAGMENT_DEFINITION");
        self.selections(definition, list(fragment, "SelectionSet"));
        fields::overlap(self, definition, list(fragment, "SelectionSet"));
        let name = text(fragment, "Name");
        if !self.spread.contains(name) {
            self.wrong(format!("Fragment {name:?} is never used"));
        }
    }

    fn directives(&mut self, directives: &'a [Json], place: &str) {
        let mut seen = HashSet::new();
        for directive in directives {
            let name = text(directive, "Name");
            let definition = self.schema.directive(name);
            let arguments = list(directive, "Arguments");
            self.arguments(arguments, definition);
            let repeats = !seen.insert(name);
            let Some(definition) = definition else {
                self.wrong(format!("Unknown directive \"@{name}\""));
                continue;
            };
            if repeats && definition.get("IsRepeatable") != Some(&Json::Bool(true)) {
                self.wrong(format!("The directive \"@{name}\" can only be used once"));
            }
            let mut places = list(definition, "Locations").iter();
            if !places.any(|known| known.as_str() == Some(place)) {
                self.wrong(format!("Directive \"@{name}\" may not be used on {place}"));
            }
            self.provided(arguments, definition);
        }
    }

    /// The values of arguments; those of an unknown field or directive are only looked through.
    fn arguments(&mut self, arguments: &'a [Json], owner: Option<&'a Json>) {
        self.unique(arguments, "Name", "argument");
        for argument in arguments {
            let Some(value) = argument.get("Value") else {
                continue;
            };
            let name = text(argument, "Name");
            let defined = owner.and_then(|owner| named(list(owner, "Arguments"), name));
            if owner.is_some() && defined.is_none() {
                self.wrong(format!("Unknown argument {name:?}"));
            }
            self.given(value, defined);
        }
    }

    /// A value for an argument or a field of an input object.
    pub fn given(&mut self, value: &'a Json, place: Option<&'a Json>) {
        let kind = place.and_then(|place| place.get("Type"));
        let default = place
            .and_then(|place| place.get("DefaultValue"))
            .is_some_and(|value| value.get("Kind").and_then(Json::as_u64) != Some(6));
        let definition = kind.and_then(|kind| self.schema.named(type_name(kind)));
        self.value(value, kind, default, definition);
    }

    fn provided(&mut self, arguments: &[Json], owner: &Json) {
        let missing = list(owner, "Arguments").iter().find(|argument| {
            required(argument) && named(arguments, text(argument, "Name")).is_none()
        });
        if let Some(argument) = missing {
            let (argument, owner) = (text(argument, "Name"), text(owner, "Name"));
            self.wrong(format!(
                "Argument {argument:?} of {owner:?} is required, but it was not provided"
            ));
        }
    }

    fn selections(&mut self, parent: Option<&'a Json>, selections: &'a [Json]) {
        let known = parent.map_or(0, |parent| list(parent, "Fields").len());
        for selection in selections {
            if !self.affords(known + 1) {
                return;
            }
            if selection.get("Alias").is_some() {
                self.field(parent, selection);
            } else if selection.get("TypeCondition").is_some() {
                self.inline(parent, selection);
            } else {
                self.spread(parent, selection);
            }
        }
    }

    fn field(&mut self, parent: Option<&'a Json>, field: &'a Json) {
        let name = text(field, "Name");
        let (definition, kind) = match (name, parent) {
            ("__typename", _) => (None, "String"),
            (_, Some(parent)) => match named(list(parent, "Fields"), name) {
                Some(found) => (Some(found), found.get("Type").map_or("", type_name)),
                None => {
                    let parent = text(parent, "Name");
                    self.wrong(format!("Cannot query field {name:?} on type {parent:?}"));
                    (None, "")
                }
            },
            (_, None) => (None, ""),
        };
        let (arguments, inner) = (list(field, "Arguments"), list(field, "SelectionSet"));
        if name == "__typename" && parent.is_some() && !arguments.is_empty() {
            self.wrong("Unknown argument on field \"__typename\"".into());
        }
        self.arguments(arguments, definition);
        if let Some(definition) = definition {
            self.provided(arguments, definition);
        }
        self.directives(list(field, "Directives"), "FIELD");
        let next = self.schema.named(kind);
        if let Some(next) = next {
            if COMPOSITE.contains(&text(next, "Kind")) == inner.is_empty() {
                self.wrong(format!(
                    "Field {name:?} of type {kind:?} must have a selection of subfields if it can"
                ));
            }
        }
        if matches!(name, "__schema" | "__type") {
            match fields::too_deep(field, &self.fragments) {
                Some(true) => self.wrong("Maximum introspection depth exceeded".into()),
                Some(false) => {}
                None => self.unsure("a GraphQL query with so large an introspection"),
            }
        }
        self.selections(next, inner);
    }

    fn inline(&mut self, parent: Option<&'a Json>, fragment: &'a Json) {
        let condition = text(fragment, "TypeCondition");
        let mut next = parent;
        if !condition.is_empty() {
            next = self.schema.named(condition);
            match next {
                None => self.wrong(format!("Unknown type {condition:?}")),
                Some(next) if !COMPOSITE.contains(&text(next, "Kind")) => {
                    self.wrong(format!(
                        "Fragment cannot condition on non composite type {condition:?}"
                    ));
                }
                Some(_) => self.spreadable(parent, condition),
            }
        }
        self.directives(list(fragment, "Directives"), "INLINE_FRAGMENT");
        self.selections(next, list(fragment, "SelectionSet"));
    }

    fn spread(&mut self, parent: Option<&'a Json>, spread: &'a Json) {
        let name = text(spread, "Name");
        self.directives(list(spread, "Directives"), "FRAGMENT_SPREAD");
        let Some(fragment) = self.fragments.get(name).copied() else {
            self.wrong(format!("Unknown fragment {name:?}"));
            return;
        };
        if self.operation.is_some() {
            self.spread.insert(name);
        }
        let condition = text(fragment, "TypeCondition");
        if self.entered.insert(name) {
            self.directives(list(fragment, "Directives"), "FRAGMENT_DEFINITION");
            let next = self.schema.named(condition);
            self.selections(next, list(fragment, "SelectionSet"));
        }
        self.spreadable(parent, condition);
    }

    /// A fragment must be able to fit something that may stand where it is.
    fn spreadable(&mut self, parent: Option<&Json>, condition: &str) {
        let (Some(parent), Some(target)) = (parent, self.schema.named(condition)) else {
            return;
        };
        let name = text(parent, "Name");
        let own = [name.to_string()];
        let here = match text(parent, "Kind") {
            "OBJECT" => own.as_slice(),
            "INTERFACE" | "UNION" => self.schema.possible(name),
            _ => return,
        };
        if !COMPOSITE.contains(&text(target, "Kind")) {
            return;
        }
        let mut there = self.schema.possible(condition).iter();
        if !there.any(|name| here.contains(name)) {
            self.wrong(format!(
                "Fragment cannot be spread here as objects of type {name:?} can never be of type {condition:?}"
            ));
        }
    }
}
