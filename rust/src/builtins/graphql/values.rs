//! Values in a query: of the type that their place expects, with variables that are defined.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::query::Check;
use super::schema::{compatible, non_null, required};
use super::{list, named, text};

const VARIABLE: u64 = 0;
const INT: u64 = 1;
const FLOAT: u64 = 2;
const STRING: u64 = 3;
const BLOCK: u64 = 4;
const BOOLEAN: u64 = 5;
const NULL: u64 = 6;
const ENUM: u64 = 7;
const LIST: u64 = 8;
const OBJECT: u64 = 9;

fn kind(value: &Json) -> u64 {
    value.get("Kind").and_then(Json::as_u64).unwrap_or(VARIABLE)
}

/// A number in the value that Go's int64 or float64 cannot hold.
fn overflows(value: &Json) -> bool {
    let raw = text(value, "Raw");
    match kind(value) {
        INT => raw.parse::<i64>().is_err(),
        FLOAT => !raw.parse::<f64>().is_ok_and(f64::is_finite),
        LIST | OBJECT => list(value, "Children")
            .iter()
            .filter_map(|child| child.get("Value"))
            .any(overflows),
        _ => false,
    }
}

impl<'a> Check<'a> {
    /// A value where `expected` is the type, and `definition` what the innermost name of it means.
    pub fn value(
        &mut self,
        value: &'a Json,
        expected: Option<&'a Json>,
        has_default: bool,
        definition: Option<&'a Json>,
    ) {
        let children = list(value, "Children");
        match kind(value) {
            VARIABLE => self.variable_here(text(value, "Raw"), expected, has_default),
            OBJECT => {
                self.unique(children, "Name", "input field");
                for child in children {
                    let fields = definition.map_or(&[][..], |found| list(found, "Fields"));
                    let field = named(fields, text(child, "Name"));
                    if let Some(value) = child.get("Value") {
                        self.given(value, field);
                    }
                }
                self.one_of(children, definition);
            }
            LIST => {
                let element = expected.and_then(|kind| kind.get("Elem"));
                let definition = element.and(definition);
                for value in children.iter().filter_map(|child| child.get("Value")) {
                    self.value(value, element, false, definition);
                }
            }
            _ => {}
        }
        if let (Some(expected), Some(definition)) = (expected, definition) {
            if !fits(value, expected, definition) {
                let name = text(definition, "Name");
                self.wrong(format!("A value is not of the expected type {name:?}"));
            }
        }
    }

    fn variable_here(&mut self, name: &'a str, expected: Option<&Json>, has_default: bool) {
        let Some(operation) = self.operation else {
            return;
        };
        let variables = list(operation, "VariableDefinitions");
        let mut same = variables
            .iter()
            .filter(|variable| text(variable, "Variable") == name);
        let Some(variable) = same.next() else {
            self.wrong(format!("Variable \"${name}\" is not defined"));
            return;
        };
        self.used.insert(name);
        let (Some(expected), Some(given)) = (expected, variable.get("Type")) else {
            return;
        };
        let own_default = variable
            .get("DefaultValue")
            .is_some_and(|value| kind(value) != NULL);
        let mut wanted = expected.clone();
        if let (true, Some(members)) = (own_default || has_default, wanted.as_object_mut()) {
            members.insert("NonNull".into(), false.into());
        }
        if !compatible(given, &wanted) {
            self.wrong(format!(
                "Variable \"${name}\" is used in a position of another type"
            ));
        }
    }

    /// An input object of which exactly one field must be given.
    fn one_of(&mut self, children: &'a [Json], definition: Option<&Json>) {
        let limited =
            definition.is_some_and(|found| named(list(found, "Directives"), "oneOf").is_some());
        if !limited {
            return;
        }
        let value = children.first().and_then(|child| child.get("Value"));
        if children.len() != 1 || value.is_none_or(|value| kind(value) == NULL) {
            self.wrong("a OneOf Input Object must specify exactly one key".into());
        }
        let (Some(value), Some(operation)) = (value, self.operation) else {
            return;
        };
        let nullable: HashSet<&str> = list(operation, "VariableDefinitions")
            .iter()
            .filter(|variable| !variable.get("Type").is_some_and(non_null))
            .map(|variable| text(variable, "Variable"))
            .collect();
        if kind(value) == VARIABLE && nullable.contains(text(value, "Raw")) {
            self.wrong("a variable for a OneOf Input Object must be non-nullable".into());
        }
    }
}

/// Whether a value may be of a type. Scalars that a schema defines take everything; where a list is
/// expected a single value may stand.
fn fits(value: &Json, expected: &Json, definition: &Json) -> bool {
    let (name, sort) = (text(definition, "Name"), text(definition, "Kind"));
    if kind(value) == NULL {
        return !non_null(expected);
    }
    let built_in = ["Int", "Float", "String", "Boolean", "ID"].contains(&name);
    if sort == "SCALAR" && !built_in {
        return true;
    }
    if overflows(value) {
        return false;
    }
    match kind(value) {
        LIST => expected.get("Elem").is_some(),
        INT => ["Int", "Float", "ID"].contains(&name),
        FLOAT => name == "Float",
        STRING | BLOCK => sort != "ENUM" && ["String", "ID"].contains(&name),
        BOOLEAN => name == "Boolean",
        ENUM => {
            sort == "ENUM" && named(list(definition, "EnumValues"), text(value, "Raw")).is_some()
        }
        OBJECT => {
            let (fields, children) = (list(definition, "Fields"), list(value, "Children"));
            let given = |field: &Json| named(children, text(field, "Name")).is_some();
            let known = |child: &Json| named(fields, text(child, "Name")).is_some();
            fields.iter().all(|field| !required(field) || given(field))
                && children.iter().all(known)
        }
        _ => true,
    }
}
