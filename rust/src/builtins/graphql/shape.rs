//! Syntax trees that come from a rule: of the shape that the parser gives, or refused.

use anyhow::Result;
use serde_json::{Map, Value as Json};

use super::Document;
use crate::builtins::value::Unsupported;

/// What a member of a node is.
#[derive(Clone, Copy)]
enum Member {
    /// Text, with nothing as its default.
    Text,
    /// True or false, with false as its default.
    Flag,
    /// Always false: what a check would set.
    False,
    Number,
    Names,
    Node(Shape),
    Nodes(Shape),
}

#[derive(Clone, Copy)]
struct Shape(&'static [(&'static str, Member)]);

use Member::{False, Flag, Names, Node, Nodes, Number, Text};

const TYPE: &[(&str, Member)] = &[("NamedType", Text), ("NonNull", Flag)];
const VALUE: &[(&str, Member)] = &[
    ("Raw", Text),
    ("Kind", Number),
    ("ExpectedTypeHasDefault", False),
];
const ARGUMENT: Shape = Shape(&[("Name", Text), ("Value", Node(Shape(VALUE)))]);
const DIRECTIVE: Shape = Shape(&[
    ("Name", Text),
    ("Location", Text),
    ("Arguments", Nodes(ARGUMENT)),
]);
const INPUT: Shape = Shape(&[
    ("Description", Text),
    ("Name", Text),
    ("Type", Node(Shape(TYPE))),
    ("DefaultValue", Node(Shape(VALUE))),
    ("Directives", Nodes(DIRECTIVE)),
]);
const FIELD: Shape = Shape(&[
    ("Description", Text),
    ("Name", Text),
    ("Type", Node(Shape(TYPE))),
    ("DefaultValue", Node(Shape(VALUE))),
    ("Directives", Nodes(DIRECTIVE)),
    ("Arguments", Nodes(INPUT)),
]);
const ENUM_VALUE: Shape = Shape(&[
    ("Description", Text),
    ("Name", Text),
    ("Directives", Nodes(DIRECTIVE)),
]);
const DEFINITION: Shape = Shape(&[
    ("Kind", Text),
    ("Name", Text),
    ("Description", Text),
    ("BuiltIn", Flag),
    ("Interfaces", Names),
    ("Types", Names),
    ("Directives", Nodes(DIRECTIVE)),
    ("Fields", Nodes(FIELD)),
    ("EnumValues", Nodes(ENUM_VALUE)),
]);
const ENTRY: Shape = Shape(&[
    ("Description", Text),
    ("Directives", Nodes(DIRECTIVE)),
    (
        "OperationTypes",
        Nodes(Shape(&[("Operation", Text), ("Type", Text)])),
    ),
]);
const DIRECTIVE_DEFINITION: Shape = Shape(&[
    ("Description", Text),
    ("Name", Text),
    ("IsRepeatable", Flag),
    ("Arguments", Nodes(INPUT)),
    ("Locations", Names),
]);
const SCHEMA: Shape = Shape(&[
    ("Schema", Nodes(ENTRY)),
    ("SchemaExtension", Nodes(ENTRY)),
    ("Directives", Nodes(DIRECTIVE_DEFINITION)),
    ("Definitions", Nodes(DEFINITION)),
    ("Extensions", Nodes(DEFINITION)),
]);
const SELECTION: &[(&str, Member)] = &[
    ("Alias", Text),
    ("Name", Text),
    ("Arguments", Nodes(ARGUMENT)),
    ("Directives", Nodes(DIRECTIVE)),
];
const QUERY: Shape = Shape(&[(
    "Operations",
    Nodes(Shape(&[
        ("Operation", Text),
        ("Name", Text),
        (
            "VariableDefinitions",
            Nodes(Shape(&[
                ("Variable", Text),
                ("Type", Node(Shape(TYPE))),
                ("DefaultValue", Node(Shape(VALUE))),
                ("Directives", Nodes(DIRECTIVE)),
                ("Used", False),
            ])),
        ),
        ("Directives", Nodes(DIRECTIVE)),
        ("SelectionSet", Nodes(Shape(SELECTION))),
    ])),
)]);

/// Levels of a tree.
const MOST_DEEP: usize = 200;

pub fn schema(tree: Json) -> Result<Document> {
    let tree = node(tree, SCHEMA, 0)?;
    Ok(Document {
        tree,
        commented: false,
    })
}

/// A tree of a query. Fragments are refused: OPA reads them as fields when they come from a rule.
pub fn query(tree: Json) -> Result<Document> {
    let tree = node(tree, QUERY, 0)?;
    Ok(Document {
        tree,
        commented: false,
    })
}

fn refused<T>(what: &str) -> Result<T> {
    Err(Unsupported(format!("a GraphQL tree with {what}")).into())
}

/// The members of a shape that contains itself.
fn inner(shape: Shape, name: &str) -> Option<Member> {
    const CHILD: Shape = Shape(&[("Name", Text), ("Value", Node(Shape(VALUE)))]);
    let own = |name: &str| shape.0.iter().any(|(member, _)| *member == name);
    match name {
        "Elem" if own("NamedType") => Some(Node(Shape(TYPE))),
        "Children" if own("Raw") => Some(Nodes(CHILD)),
        "SelectionSet" if own("Alias") => Some(Nodes(Shape(SELECTION))),
        _ => None,
    }
}

fn node(tree: Json, shape: Shape, depth: usize) -> Result<Json> {
    let Json::Object(given) = tree else {
        return refused("something else than an object for a node");
    };
    if depth > MOST_DEEP {
        return refused("so many levels");
    }
    let mut found = Map::new();
    for (name, value) in given {
        let known = shape.0.iter().find(|(known, _)| *known == name);
        let Some(member) = known.map(|(_, member)| *member).or(inner(shape, &name)) else {
            return refused(&format!("the member {name:?}"));
        };
        if let Some(value) = read(value, member, depth + 1)? {
            found.insert(name, value);
        }
    }
    for (name, member) in shape.0 {
        let default = match member {
            Text => Json::from(""),
            Flag | False => Json::from(false),
            // A number that is missing is 0, and so is a kind.
            Number => Json::from(0),
            Node(_) if matches!(*name, "Type" | "Value") && !found.contains_key(*name) => {
                return refused(&format!("no {name:?}"));
            }
            _ => continue,
        };
        found.entry(*name).or_insert(default);
    }
    Ok(Json::Object(found))
}

/// A member as the parser would give it; nothing for an empty list.
fn read(value: Json, member: Member, depth: usize) -> Result<Option<Json>> {
    Ok(Some(match (member, value) {
        (Text, value @ Json::String(_)) | (Flag, value @ Json::Bool(_)) => value,
        (False, value @ Json::Bool(false)) => value,
        (Number, value) if value.as_u64().is_some_and(|kind| kind <= 9) => value,
        (Names, Json::Array(items)) if items.iter().all(Json::is_string) => {
            return Ok(Some(Json::Array(items)).filter(|items| *items != Json::Array(vec![])));
        }
        (Node(shape), value) => node(value, shape, depth)?,
        (Nodes(shape), Json::Array(items)) => {
            let nodes: Result<Vec<Json>> = items
                .into_iter()
                .map(|item| node(item, shape, depth))
                .collect();
            return Ok(Some(Json::Array(nodes?)).filter(|nodes| *nodes != Json::Array(vec![])));
        }
        _ => return refused("a member of another type"),
    }))
}
