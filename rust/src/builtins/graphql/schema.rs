//! A schema made of its document, and checked as gqlparser checks it.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{bail, ensure, Context as _, Result};
use serde_json::{json, Value as Json};

use super::{list, named, parser, text};
use crate::builtins::value::Unsupported;

const PRELUDE: &str = include_str!("prelude.graphql");

/// Directives of the specification, which a schema may define again.
const REDEFINABLE: &[&str] = &[
    "include",
    "skip",
    "deprecated",
    "specifiedBy",
    "defer",
    "oneOf",
];

/// Fields of a type times fields of its interface.
const MOST_WORK: usize = 10_000_000;

const OUTPUTS: &[&str] = &["SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM"];
const INPUTS: &[&str] = &["SCALAR", "ENUM", "INPUT_OBJECT"];

pub struct Schema {
    types: BTreeMap<String, Json>,
    directives: BTreeMap<String, Json>,
    roots: HashMap<String, String>,
    /// Abstract types and the types that may stand for them; an object type stands for itself.
    possible: HashMap<String, Vec<String>>,
}

/// The innermost name of a type.
pub fn type_name(mut kind: &Json) -> &str {
    while let Some(element) = kind.get("Elem") {
        kind = element;
    }
    text(kind, "NamedType")
}

pub fn non_null(kind: &Json) -> bool {
    kind.get("NonNull") == Some(&Json::Bool(true))
}

/// Whether a value of the type `given` may stand where `wanted` is.
pub fn compatible(given: &Json, wanted: &Json) -> bool {
    if text(given, "NamedType") != text(wanted, "NamedType") {
        return false;
    }
    let elements = match (given.get("Elem"), wanted.get("Elem")) {
        (Some(given), Some(wanted)) => compatible(given, wanted),
        (Some(_), None) => false,
        _ => true,
    };
    elements && (!non_null(wanted) || non_null(given))
}

/// An argument or field that has to be given: of a type without null, and without default.
pub fn required(node: &Json) -> bool {
    node.get("Type").is_some_and(non_null) && node.get("DefaultValue").is_none()
}

fn kind(definition: &Json) -> &str {
    text(definition, "Kind")
}

fn strings<'a>(node: &'a Json, name: &str) -> impl Iterator<Item = &'a str> {
    list(node, name).iter().filter_map(Json::as_str)
}

impl Schema {
    /// The schema of a document together with what every schema has.
    pub fn new(document: &Json) -> Result<Self> {
        let prelude = parser::schema(PRELUDE)?.tree;
        let mut schema = Self {
            types: BTreeMap::new(),
            directives: BTreeMap::new(),
            roots: HashMap::new(),
            possible: HashMap::new(),
        };
        let mut order = Vec::new();
        for definition in list(&prelude, "Definitions")
            .iter()
            .chain(list(document, "Definitions"))
        {
            let name = text(definition, "Name");
            let before = schema.types.insert(name.into(), definition.clone());
            ensure!(before.is_none(), "Cannot redeclare type {name}");
            order.push(name.to_string());
        }
        for extension in list(document, "Extensions") {
            schema.extend(extension, &mut order)?;
        }
        schema.stand_ins(&order);
        for directive in list(&prelude, "Directives")
            .iter()
            .chain(list(document, "Directives"))
        {
            let name = text(directive, "Name");
            let before = schema.directives.insert(name.into(), directive.clone());
            ensure!(
                before.is_none() || REDEFINABLE.contains(&name),
                "Cannot redeclare directive {name}"
            );
        }
        schema.roots(document)?;
        schema.check()?;
        schema.finish(document);
        Ok(schema)
    }

    pub fn named(&self, name: &str) -> Option<&Json> {
        self.types.get(name)
    }

    pub fn directive(&self, name: &str) -> Option<&Json> {
        self.directives.get(name)
    }

    /// The type of operations of this kind.
    pub fn root(&self, operation: &str) -> Option<&Json> {
        self.types.get(self.roots.get(operation)?)
    }

    pub fn possible(&self, name: &str) -> &[String] {
        self.possible.get(name).map_or(&[], Vec::as_slice)
    }

    fn extend(&mut self, extension: &Json, order: &mut Vec<String>) -> Result<()> {
        let name = text(extension, "Name");
        let definition = self.types.entry(name.into()).or_insert_with(|| {
            order.push(name.into());
            json!({"Kind": kind(extension), "Name": name, "Description": ""})
        });
        ensure!(
            kind(definition) == kind(extension),
            "Cannot extend type {name} because the base type is a {}, not {}",
            kind(definition),
            kind(extension)
        );
        for part in ["Directives", "Interfaces", "Fields", "Types", "EnumValues"] {
            append(definition, part, list(extension, part));
        }
        Ok(())
    }

    fn stand_ins(&mut self, order: &[String]) {
        for name in order {
            let Some(definition) = self.types.get(name) else {
                continue;
            };
            if kind(definition) == "UNION" {
                let members = strings(definition, "Types").map(String::from);
                self.possible
                    .entry(name.clone())
                    .or_default()
                    .extend(members);
                continue;
            }
            for interface in strings(definition, "Interfaces") {
                let stand_ins = self.possible.entry(interface.into()).or_default();
                stand_ins.push(name.clone());
            }
            if matches!(kind(definition), "OBJECT" | "INPUT_OBJECT") {
                let stand_ins = self.possible.entry(name.clone()).or_default();
                stand_ins.push(name.clone());
            }
        }
    }

    fn roots(&mut self, document: &Json) -> Result<()> {
        let definitions = list(document, "Schema");
        ensure!(
            definitions.len() < 2,
            "Cannot have multiple schema entry points, consider schema extensions instead"
        );
        for part in definitions.iter().chain(list(document, "SchemaExtension")) {
            for entry in list(part, "OperationTypes") {
                let (operation, name) = (text(entry, "Operation"), text(entry, "Type"));
                ensure!(
                    self.types.contains_key(name),
                    "Schema root {operation} refers to a type {name} that does not exist"
                );
                self.roots.insert(operation.into(), name.into());
            }
            self.check_directives(list(part, "Directives"), "SCHEMA", None, true)?;
        }
        Ok(())
    }

    fn finish(&mut self, document: &Json) {
        if list(document, "Schema").is_empty() {
            for (operation, name) in [
                ("query", "Query"),
                ("mutation", "Mutation"),
                ("subscription", "Subscription"),
            ] {
                if self.types.contains_key(name) && !self.roots.contains_key(operation) {
                    self.roots.insert(operation.into(), name.into());
                }
            }
        }
        let named = |name: &str, non_null: bool| json!({"NamedType": name, "NonNull": non_null});
        let added = [
            json!({"Name": "__schema", "Type": named("__Schema", true)}),
            json!({
                "Name": "__type", "Type": named("__Type", false),
                "Arguments": [{"Name": "name", "Type": named("String", true)}],
            }),
        ];
        let query = self.roots.get("query").cloned().unwrap_or_default();
        if let Some(query) = self.types.get_mut(&query) {
            append(query, "Fields", &added);
        }
    }

    fn check(&self) -> Result<()> {
        self.types
            .values()
            .try_for_each(|definition| self.check_definition(definition))?;
        self.check_circles()?;
        self.directives.values().try_for_each(|directive| {
            unreserved(directive)?;
            self.check_arguments(list(directive, "Arguments"), Some(text(directive, "Name")))
        })
    }

    fn known(&self, name: &str) -> Result<&Json> {
        self.types
            .get(name)
            .with_context(|| format!("Undefined type {name}"))
    }

    fn check_definition(&self, definition: &Json) -> Result<()> {
        let (name, kind_here) = (text(definition, "Name"), kind(definition));
        let fields = list(definition, "Fields");
        let place = if kind_here == "INPUT_OBJECT" {
            "INPUT_FIELD_DEFINITION"
        } else {
            "FIELD_DEFINITION"
        };
        for field in fields {
            unreserved(field)?;
            let found = self.known(type_name(field.get("Type").unwrap_or(&Json::Null)))?;
            self.check_arguments(list(field, "Arguments"), None)?;
            self.check_directives(list(field, "Directives"), place, None, true)?;
            let fitting = match kind_here {
                "OBJECT" | "INTERFACE" => OUTPUTS.contains(&kind(found)),
                "INPUT_OBJECT" => INPUTS.contains(&kind(found)),
                _ => true,
            };
            ensure!(fitting, "{name}: a field must not be of {}", kind(found));
        }
        for member in strings(definition, "Types") {
            let found = self.known(member)?;
            ensure!(
                kind(found) == "OBJECT",
                "{kind_here} type {member} must be OBJECT"
            );
        }
        for interface in strings(definition, "Interfaces") {
            self.check_implements(definition, interface)?;
        }
        let values = list(definition, "EnumValues");
        match kind_here {
            "OBJECT" | "INTERFACE" | "INPUT_OBJECT" => {
                ensure!(!fields.is_empty(), "{name}: must define one or more fields");
            }
            "ENUM" => {
                ensure!(!values.is_empty(), "{name}: must define one or more values");
                for value in values {
                    let word = text(value, "Name");
                    ensure!(
                        !["true", "false", "null"].contains(&word),
                        "{name}: non-enum value {word}"
                    );
                    self.check_directives(list(value, "Directives"), "ENUM_VALUE", None, true)?;
                }
            }
            _ => {}
        }
        unique(fields)?;
        unique(values)?;
        self.check_directives(list(definition, "Directives"), kind_here, None, false)
    }

    fn check_arguments(&self, arguments: &[Json], directive: Option<&str>) -> Result<()> {
        for argument in arguments {
            unreserved(argument)?;
            let found = self.known(type_name(argument.get("Type").unwrap_or(&Json::Null)))?;
            ensure!(
                INPUTS.contains(&kind(found)),
                "cannot use {} as argument {}",
                text(found, "Name"),
                text(argument, "Name")
            );
            let directives = list(argument, "Directives");
            self.check_directives(directives, "ARGUMENT_DEFINITION", directive, true)?;
        }
        Ok(())
    }

    /// The directives at one place; those of a type and all of its extensions are at many.
    fn check_directives(
        &self,
        directives: &[Json],
        place: &str,
        inside: Option<&str>,
        one_place: bool,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        for directive in directives {
            unreserved(directive)?;
            let name = text(directive, "Name");
            ensure!(
                inside != Some(name),
                "Directive {name} cannot refer to itself"
            );
            let definition = self
                .directives
                .get(name)
                .with_context(|| format!("Undefined directive {name}"))?;
            let repeatable = definition.get("IsRepeatable") == Some(&Json::Bool(true));
            ensure!(
                !one_place || seen.insert(name) || repeatable,
                "The directive {name} can only be used once at this location"
            );
            ensure!(
                strings(definition, "Locations").any(|location| location == place),
                "Directive {name} is not applicable on {place}"
            );
            let (given, defined) = (list(directive, "Arguments"), list(definition, "Arguments"));
            for argument in given {
                let argument = text(argument, "Name");
                ensure!(
                    named(defined, argument).is_some(),
                    "Undefined argument {argument} for directive {name}"
                );
            }
            for argument in defined.iter().filter(|argument| required(argument)) {
                let argument = text(argument, "Name");
                let value = named(given, argument).and_then(|given| given.get("Value"));
                ensure!(
                    value.is_some_and(|value| value.get("Kind") != Some(&json!(6))),
                    "Argument {argument} for directive {name} cannot be null"
                );
            }
        }
        Ok(())
    }

    fn check_implements(&self, definition: &Json, name: &str) -> Result<()> {
        let interface = self.known(name)?;
        ensure!(
            kind(interface) == "INTERFACE",
            "{name} is a non interface type"
        );
        let (wanted, own) = (list(interface, "Fields"), list(definition, "Fields"));
        if wanted.len().saturating_mul(own.len()) > MOST_WORK {
            return Err(Unsupported("a GraphQL type with so many fields".into()).into());
        }
        for wanted in wanted {
            let field = text(wanted, "Name");
            let Some(found) = named(own, field) else {
                bail!("a type that implements {name} must have a field called {field}");
            };
            let types = (wanted.get("Type"), found.get("Type"));
            ensure!(
                matches!(types, (Some(wanted), Some(found)) if self.covariant(wanted, found)),
                "a type that implements {name} must have the field {field} of the same type"
            );
            let (needed, given) = (list(wanted, "Arguments"), list(found, "Arguments"));
            for argument in needed {
                let same = named(given, text(argument, "Name"))
                    .and_then(|given| given.get("Type"))
                    .zip(argument.get("Type"));
                ensure!(
                    same.is_some_and(|(given, wanted)| compatible(wanted, given)),
                    "the field {field} must have the arguments that it has in {name}"
                );
            }
            let extra = given
                .iter()
                .find(|given| required(given) && named(needed, text(given, "Name")).is_none());
            ensure!(
                extra.is_none(),
                "additional arguments of {field} must be optional"
            );
        }
        let mut inherited = strings(interface, "Interfaces");
        let own: HashSet<&str> = strings(definition, "Interfaces").collect();
        ensure!(
            inherited.all(|name| own.contains(name)),
            "a type that implements {name} must implement what {name} implements"
        );
        Ok(())
    }

    fn covariant(&self, wanted: &Json, found: &Json) -> bool {
        if non_null(wanted) && !non_null(found) {
            return false;
        }
        let (wanted_name, found_name) = (text(wanted, "NamedType"), text(found, "NamedType"));
        if !wanted_name.is_empty() {
            let stand_ins = self.possible(wanted_name);
            return wanted_name == found_name || stand_ins.iter().any(|name| name == found_name);
        }
        match (wanted.get("Elem"), found.get("Elem")) {
            (Some(wanted), Some(found)) => self.covariant(wanted, found),
            _ => false,
        }
    }

    /// An input object must not need itself. Found by taking away what needs nothing.
    fn check_circles(&self) -> Result<()> {
        let needs = |definition: &Json| -> HashSet<String> {
            list(definition, "Fields")
                .iter()
                .filter_map(|field| field.get("Type"))
                .filter(|kind| non_null(kind) && kind.get("Elem").is_none())
                .map(|kind| type_name(kind).to_string())
                .filter(|name| self.types.get(name).map(kind) == Some("INPUT_OBJECT"))
                .collect()
        };
        let mut left: HashMap<&str, HashSet<String>> = self
            .types
            .iter()
            .filter(|(_, definition)| kind(definition) == "INPUT_OBJECT")
            .map(|(name, definition)| (name.as_str(), needs(definition)))
            .collect();
        loop {
            let done: Vec<&str> = left
                .iter()
                .filter(|(_, needs)| needs.iter().all(|name| !left.contains_key(name.as_str())))
                .map(|(name, _)| *name)
                .collect();
            if done.is_empty() {
                break;
            }
            done.iter().for_each(|name| {
                left.remove(name);
            });
        }
        ensure!(
            left.is_empty(),
            "Cannot reference an Input Object within itself through a series of non-null fields"
        );
        Ok(())
    }
}

fn append(node: &mut Json, part: &str, items: &[Json]) {
    let Some(members) = node.as_object_mut() else {
        return;
    };
    if let Json::Array(list) = members.entry(part).or_insert_with(|| json!([])) {
        list.extend_from_slice(items);
    }
}

fn unreserved(node: &Json) -> Result<()> {
    let name = text(node, "Name");
    ensure!(
        !name.starts_with("__"),
        "Name {name:?} must not begin with \"__\", which is reserved by GraphQL introspection"
    );
    Ok(())
}

fn unique(nodes: &[Json]) -> Result<()> {
    let mut seen = HashSet::new();
    match nodes.iter().find(|node| !seen.insert(text(node, "Name"))) {
        Some(node) => bail!("{} can only be defined once", text(node, "Name")),
        None => Ok(()),
    }
}
