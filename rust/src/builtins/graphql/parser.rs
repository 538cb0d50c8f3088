//! GraphQL documents to syntax trees.

use anyhow::{bail, Result};
use serde_json::{json, Map, Value as Json};

use super::lexer::{tokens, Kind, Token};
use super::Document;
use crate::builtins::value::Unsupported;

/// Levels of selections, values and types; OPA has no bound.
const MOST_DEEP: usize = 200;

const LOCATIONS: &[&str] = &[
    "QUERY",
    "MUTATION",
    "SUBSCRIPTION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
    "SCHEMA",
    "SCALAR",
    "OBJECT",
    "FIELD_DEFINITION",
    "ARGUMENT_DEFINITION",
    "INTERFACE",
    "UNION",
    "ENUM",
    "ENUM_VALUE",
    "INPUT_OBJECT",
    "INPUT_FIELD_DEFINITION",
];

/// The members of a node while it is made; what is empty is left out.
struct Node(Map<String, Json>);

impl Node {
    fn of(members: Json) -> Self {
        match members {
            Json::Object(members) => Self(members),
            _ => Self(Map::new()),
        }
    }

    fn list(mut self, name: &str, items: Vec<Json>) -> Self {
        if !items.is_empty() {
            self.0.insert(name.into(), Json::Array(items));
        }
        self
    }

    fn optional(mut self, name: &str, item: Option<Json>) -> Self {
        if let Some(item) = item {
            self.0.insert(name.into(), item);
        }
        self
    }

    fn done(self) -> Json {
        Json::Object(self.0)
    }
}

/// A document of operations and fragments.
pub fn query(text: &str) -> Result<Document> {
    let mut parser = Parser::new(text)?;
    let (mut operations, mut fragments) = (Vec::new(), Vec::new());
    while parser.kind() != Kind::End {
        match (parser.kind(), parser.text()) {
            (Kind::Name, "query" | "mutation" | "subscription") | (Kind::Mark('{'), _) => {
                operations.push(parser.operation()?);
            }
            (Kind::Name, "fragment") => fragments.push(parser.fragment_definition()?),
            _ => return parser.unexpected(),
        }
    }
    let tree = Node::of(json!({}))
        .list("Operations", operations)
        .list("Fragments", fragments);
    Ok(parser.document(tree))
}

/// A document of type definitions.
pub fn schema(text: &str) -> Result<Document> {
    let mut parser = Parser::new(text)?;
    let mut parts: [(&str, Vec<Json>); 5] = [
        ("Schema", vec![]),
        ("SchemaExtension", vec![]),
        ("Directives", vec![]),
        ("Definitions", vec![]),
        ("Extensions", vec![]),
    ];
    while parser.kind() != Kind::End {
        let description = parser.description()?;
        if parser.kind() != Kind::Name {
            return parser.unexpected();
        }
        let (part, node) = match parser.text() {
            "schema" => ("Schema", parser.schema_definition(&description, false)?),
            "directive" => ("Directives", parser.directive_definition(&description)?),
            "extend" => {
                if !description.is_empty() {
                    return parser.unexpected();
                }
                parser.next();
                match parser.text() {
                    "schema" => ("SchemaExtension", parser.schema_definition("", true)?),
                    _ => ("Extensions", parser.definition("", true)?),
                }
            }
            _ => ("Definitions", parser.definition(&description, false)?),
        };
        if let Some((_, nodes)) = parts.iter_mut().find(|(name, _)| *name == part) {
            nodes.push(node);
        }
    }
    let tree = parts
        .into_iter()
        .fold(Node::of(json!({})), |tree, (name, nodes)| {
            tree.list(name, nodes)
        });
    Ok(parser.document(tree))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Tokens with comments before them that the tree may have to show.
    comments: usize,
}

impl Parser {
    fn new(text: &str) -> Result<Self> {
        let tokens = tokens(text)?;
        let comments = tokens.iter().filter(|token| token.commented).count();
        Ok(Self {
            tokens,
            at: 0,
            depth: 0,
            comments,
        })
    }

    fn document(self, tree: Node) -> Document {
        Document {
            tree: tree.done(),
            commented: self.comments > 0,
        }
    }

    fn token(&self) -> Option<&Token> {
        self.tokens.get(self.at).or(self.tokens.last())
    }

    fn kind(&self) -> Kind {
        self.token().map_or(Kind::End, |token| token.kind)
    }

    fn text(&self) -> &str {
        self.token().map_or("", |token| &token.text)
    }

    fn next(&mut self) -> String {
        let text = self.text().to_string();
        self.at += 1;
        text
    }

    fn wrong<T>(&self, message: &str) -> Result<T> {
        let (line, column) = self
            .token()
            .map_or((0, 0), |token| (token.line, token.column));
        bail!("{message} in GraphQL string at location {line}:{column}")
    }

    fn unexpected<T>(&self) -> Result<T> {
        let shown = match self.kind() {
            kind @ (Kind::Mark(_) | Kind::End) => kind.shown(),
            kind => format!("{} {:?}", kind.shown(), self.text()),
        };
        self.wrong(&format!("Unexpected {shown}"))
    }

    fn skip(&mut self, mark: char) -> bool {
        let found = self.kind() == Kind::Mark(mark);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, kind: Kind) -> Result<String> {
        if self.kind() != kind {
            let message = format!("Expected {}, found {}", kind.shown(), self.kind().shown());
            return self.wrong(&message);
        }
        Ok(self.next())
    }

    fn name(&mut self) -> Result<String> {
        self.expect(Kind::Name)
    }

    fn keyword(&mut self, word: &str) -> Result<()> {
        if self.kind() != Kind::Name || self.text() != word {
            return self.wrong(&format!("Expected {word:?}, found {}", self.kind().shown()));
        }
        self.next();
        Ok(())
    }

    /// One level deeper, or an error where there are too many.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MOST_DEEP {
            return Err(Unsupported("a GraphQL document this deep".into()).into());
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    /// What stands between two marks; nothing where the first one is missing.
    fn between(
        &mut self,
        (open, close): (char, char),
        least: usize,
        item: impl Fn(&mut Self) -> Result<Json>,
    ) -> Result<Vec<Json>> {
        let mut found = Vec::new();
        if !self.skip(open) {
            return Ok(found);
        }
        while self.kind() != Kind::Mark(close) {
            found.push(item(self)?);
        }
        if found.len() < least {
            return self.wrong(&format!(
                "expected at least one definition, found {}",
                self.kind().shown()
            ));
        }
        self.next();
        Ok(found)
    }

    /// Names between marks, of which the first mark may be left out.
    fn names(&mut self, mark: char) -> Result<Vec<Json>> {
        self.skip(mark);
        let mut found = vec![Json::from(self.name()?)];
        while self.skip(mark) {
            found.push(Json::from(self.name()?));
        }
        Ok(found)
    }
}

/// Operations and what they are made of.
impl Parser {
    fn operation(&mut self) -> Result<Json> {
        if self.kind() == Kind::Mark('{') {
            // OPA's parser loses the comments before an operation without a name.
            self.comments -= usize::from(self.token().is_some_and(|token| token.commented));
            let selections = self.selections()?;
            return Ok(Node::of(json!({"Operation": "query", "Name": ""}))
                .list("SelectionSet", selections)
                .done());
        }
        let operation = self.operation_type()?;
        let name = match self.kind() {
            Kind::Name => self.next(),
            _ => String::new(),
        };
        let variables = self.variables()?;
        let directives = self.directives(false)?;
        let selections = self.selections()?;
        Ok(Node::of(json!({"Operation": operation, "Name": name}))
            .list("VariableDefinitions", variables)
            .list("Directives", directives)
            .list("SelectionSet", selections)
            .done())
    }

    fn operation_type(&mut self) -> Result<String> {
        if !["query", "mutation", "subscription"].contains(&self.text()) {
            return self.unexpected();
        }
        Ok(self.next())
    }

    fn variables(&mut self) -> Result<Vec<Json>> {
        self.between(('(', ')'), 1, |parser| {
            parser.expect(Kind::Mark('$'))?;
            let name = parser.name()?;
            parser.expect(Kind::Mark(':'))?;
            let kind = parser.type_reference()?;
            let default = parser.default_value()?;
            let directives = parser.directives(false)?;
            Ok(
                Node::of(json!({"Variable": name, "Type": kind, "Used": false}))
                    .optional("DefaultValue", default)
                    .list("Directives", directives)
                    .done(),
            )
        })
    }

    fn default_value(&mut self) -> Result<Option<Json>> {
        if self.skip('=') {
            return self.value(true).map(Some);
        }
        Ok(None)
    }

    fn selections(&mut self) -> Result<Vec<Json>> {
        if self.kind() != Kind::Mark('{') {
            return self.wrong(&format!("Expected {{, found {}", self.kind().shown()));
        }
        self.deeper(|parser| parser.between(('{', '}'), 1, Self::selection))
    }

    fn selection(&mut self) -> Result<Json> {
        if self.skip('.') {
            return self.spread();
        }
        let alias = self.name()?;
        let name = if self.skip(':') {
            self.name()?
        } else {
            alias.clone()
        };
        let arguments = self.arguments(false)?;
        let directives = self.directives(false)?;
        let selections = match self.kind() {
            Kind::Mark('{') => self.selections()?,
            _ => vec![],
        };
        Ok(Node::of(json!({"Alias": alias, "Name": name}))
            .list("Arguments", arguments)
            .list("Directives", directives)
            .list("SelectionSet", selections)
            .done())
    }

    fn spread(&mut self) -> Result<Json> {
        if self.kind() == Kind::Name && self.text() != "on" {
            let name = self.next();
            let directives = self.directives(false)?;
            return Ok(Node::of(json!({"Name": name}))
                .list("Directives", directives)
                .done());
        }
        let condition = if self.text() == "on" {
            self.next();
            self.name()?
        } else {
            String::new()
        };
        let directives = self.directives(false)?;
        let selections = self.selections()?;
        Ok(Node::of(json!({"TypeCondition": condition}))
            .list("Directives", directives)
            .list("SelectionSet", selections)
            .done())
    }

    fn fragment_definition(&mut self) -> Result<Json> {
        self.keyword("fragment")?;
        if self.text() == "on" {
            return self.unexpected();
        }
        let name = self.name()?;
        let variables = self.variables()?;
        self.keyword("on")?;
        let condition = self.name()?;
        let directives = self.directives(false)?;
        let selections = self.selections()?;
        Ok(Node::of(json!({"Name": name, "TypeCondition": condition}))
            .list("VariableDefinition", variables)
            .list("Directives", directives)
            .list("SelectionSet", selections)
            .done())
    }

    fn arguments(&mut self, constant: bool) -> Result<Vec<Json>> {
        self.between(('(', ')'), 1, |parser| parser.pair(constant))
    }

    /// `name: value`, an argument or a member of an object.
    fn pair(&mut self, constant: bool) -> Result<Json> {
        let name = self.name()?;
        self.expect(Kind::Mark(':'))?;
        Ok(json!({"Name": name, "Value": self.value(constant)?}))
    }

    fn directives(&mut self, constant: bool) -> Result<Vec<Json>> {
        let mut found = Vec::new();
        while self.skip('@') {
            let name = self.name()?;
            let arguments = self.arguments(constant)?;
            let node = Node::of(json!({"Name": name, "Location": ""}));
            found.push(node.list("Arguments", arguments).done());
        }
        Ok(found)
    }

    /// A value; the kinds are numbered as in gqlparser.
    fn value(&mut self, constant: bool) -> Result<Json> {
        let made = |kind: u8, raw: String, children: Vec<Json>| {
            Node::of(json!({"Kind": kind, "Raw": raw, "ExpectedTypeHasDefault": false}))
                .list("Children", children)
                .done()
        };
        let kind = match (self.kind(), self.text()) {
            (Kind::Mark('['), _) => {
                let children = self.deeper(|parser| {
                    parser.between(('[', ']'), 0, |parser| {
                        Ok(json!({"Name": "", "Value": parser.value(constant)?}))
                    })
                })?;
                return Ok(made(8, String::new(), children));
            }
            (Kind::Mark('{'), _) => {
                let children = self.deeper(|parser| {
                    parser.between(('{', '}'), 0, |parser| parser.pair(constant))
                })?;
                return Ok(made(9, String::new(), children));
            }
            (Kind::Mark('$'), _) if !constant => {
                self.next();
                return Ok(made(0, self.name()?, vec![]));
            }
            (Kind::Int, _) => 1,
            (Kind::Float, _) => 2,
            (Kind::Text, _) => 3,
            (Kind::Block, _) => 4,
            (Kind::Name, "true" | "false") => 5,
            (Kind::Name, "null") => 6,
            (Kind::Name, _) => 7,
            _ => return self.unexpected(),
        };
        Ok(made(kind, self.next(), vec![]))
    }

    fn type_reference(&mut self) -> Result<Json> {
        let mut node = if self.skip('[') {
            let element = self.deeper(Self::type_reference)?;
            self.expect(Kind::Mark(']'))?;
            Node::of(json!({"NamedType": "", "Elem": element}))
        } else {
            Node::of(json!({"NamedType": self.name()?}))
        };
        node.0.insert("NonNull".into(), self.skip('!').into());
        Ok(node.done())
    }
}

/// Definitions of types and what they are made of.
impl Parser {
    fn description(&mut self) -> Result<String> {
        Ok(match self.kind() {
            Kind::Text | Kind::Block => self.next(),
            _ => String::new(),
        })
    }

    fn schema_definition(&mut self, description: &str, extends: bool) -> Result<Json> {
        self.keyword("schema")?;
        let directives = self.directives(true)?;
        let operations = self.between(('{', '}'), 1, |parser| {
            let operation = parser.operation_type()?;
            parser.expect(Kind::Mark(':'))?;
            Ok(json!({"Operation": operation, "Type": parser.name()?}))
        })?;
        if extends && directives.is_empty() && operations.is_empty() {
            return self.unexpected();
        }
        Ok(Node::of(json!({"Description": description}))
            .list("Directives", directives)
            .list("OperationTypes", operations)
            .done())
    }

    fn directive_definition(&mut self, description: &str) -> Result<Json> {
        self.keyword("directive")?;
        self.expect(Kind::Mark('@'))?;
        let name = self.name()?;
        let arguments = self.between(('(', ')'), 1, Self::input_value)?;
        let repeatable = self.kind() == Kind::Name && self.text() == "repeatable";
        self.at += usize::from(repeatable);
        self.keyword("on")?;
        let locations = self.names('|')?;
        let known = |place: &Json| place.as_str().is_some_and(|name| LOCATIONS.contains(&name));
        if let Some(place) = locations.iter().find(|place| !known(place)) {
            return self.wrong(&format!("Unexpected Name {place}"));
        }
        Ok(
            Node::of(json!({"Description": description, "Name": name, "IsRepeatable": repeatable}))
                .list("Arguments", arguments)
                .list("Locations", locations)
                .done(),
        )
    }

    fn definition(&mut self, description: &str, extends: bool) -> Result<Json> {
        let word = self.text().to_string();
        let kind = match word.as_str() {
            "scalar" => "SCALAR",
            "type" => "OBJECT",
            "interface" => "INTERFACE",
            "union" => "UNION",
            "enum" => "ENUM",
            "input" => "INPUT_OBJECT",
            _ => return self.unexpected(),
        };
        self.keyword(&word)?;
        let name = self.name()?;
        // OPA's parser takes no interfaces in the extension of an interface.
        let inherits = kind == "OBJECT" || kind == "INTERFACE" && !extends;
        let interfaces = if inherits && self.text() == "implements" {
            self.next();
            self.names('&')?
        } else {
            vec![]
        };
        let directives = self.directives(kind != "INPUT_OBJECT" || !extends)?;
        let (part, members) = match kind {
            "OBJECT" | "INTERFACE" => ("Fields", self.between(('{', '}'), 1, Self::field)?),
            "INPUT_OBJECT" => ("Fields", self.between(('{', '}'), 1, Self::input_value)?),
            "ENUM" => ("EnumValues", self.between(('{', '}'), 1, Self::enum_value)?),
            "UNION" if self.skip('=') => ("Types", self.names('|')?),
            _ => ("Types", vec![]),
        };
        if extends && interfaces.is_empty() && directives.is_empty() && members.is_empty() {
            return self.unexpected();
        }
        let node =
            json!({"Kind": kind, "Name": name, "Description": description, "BuiltIn": false});
        Ok(Node::of(node)
            .list("Interfaces", interfaces)
            .list("Directives", directives)
            .list(part, members)
            .done())
    }

    fn field(&mut self) -> Result<Json> {
        let description = self.description()?;
        let name = self.name()?;
        let arguments = self.between(('(', ')'), 1, Self::input_value)?;
        self.expect(Kind::Mark(':'))?;
        let kind = self.type_reference()?;
        let directives = self.directives(true)?;
        Ok(
            Node::of(json!({"Description": description, "Name": name, "Type": kind}))
                .list("Arguments", arguments)
                .list("Directives", directives)
                .done(),
        )
    }

    /// An argument of a field or a directive, or a field of an input object.
    fn input_value(&mut self) -> Result<Json> {
        let description = self.description()?;
        let name = self.name()?;
        self.expect(Kind::Mark(':'))?;
        let kind = self.type_reference()?;
        let default = self.default_value()?;
        let directives = self.directives(true)?;
        Ok(
            Node::of(json!({"Description": description, "Name": name, "Type": kind}))
                .optional("DefaultValue", default)
                .list("Directives", directives)
                .done(),
        )
    }

    fn enum_value(&mut self) -> Result<Json> {
        let description = self.description()?;
        let name = self.name()?;
        let directives = self.directives(true)?;
        let node = Node::of(json!({"Description": description, "Name": name}));
        Ok(node.list("Directives", directives).done())
    }
}
