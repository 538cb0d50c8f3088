//! `graphql.*`: documents parsed to the syntax trees that OPA gives, and checked.
//!
//! A tree is JSON throughout, in the shape of the structures of gqlparser, which OPA uses, without
//! what is empty. What a rule may pass as a tree is therefore the same as what the parser gives.
//! Source: https://spec.graphql.org/October2021/ and OPA's policy reference.

mod fields;
mod lexer;
mod parser;
mod query;
mod schema;
mod shape;
mod values;

use anyhow::Result;
use regorus::Value;
use serde_json::Value as Json;

use super::value::{argument, array, from_json, mismatch, string, to_json, Unsupported};
use super::Entry;
use schema::Schema;

pub const ENTRIES: &[Entry] = &[
    ("graphql.parse", 2, parse),
    ("graphql.parse_and_verify", 2, parse_and_verify),
    ("graphql.parse_query", 1, parse_query),
    ("graphql.parse_schema", 1, parse_schema),
    ("graphql.is_valid", 2, is_valid),
    ("graphql.schema_is_valid", 1, schema_is_valid),
];

/// The members of a node as text, list or node; empty where it has none.
fn text<'a>(node: &'a Json, name: &str) -> &'a str {
    node.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn list<'a>(node: &'a Json, name: &str) -> &'a [Json] {
    node.get(name)
        .and_then(Json::as_array)
        .map_or(&[], Vec::as_slice)
}

fn named<'a>(nodes: &'a [Json], name: &str) -> Option<&'a Json> {
    nodes.iter().find(|node| text(node, "Name") == name)
}

/// A tree, and whether it can be given to a rule: comments belong to OPA's trees in places of their
/// own, which are not known here.
struct Document {
    tree: Json,
    commented: bool,
}

impl Document {
    fn shown(&self) -> Result<Value> {
        if self.commented {
            return Err(Unsupported("the tree of a GraphQL document with comments".into()).into());
        }
        Ok(from_json(self.tree.clone()))
    }
}

fn query_document(arguments: &[Value]) -> Result<Document> {
    match argument(arguments, 1)? {
        Value::String(text) => parser::query(text),
        tree @ Value::Object(_) => shape::query(to_json(tree)?),
        other => Err(mismatch(1, "one of {string, object}", other)),
    }
}

fn schema_document(arguments: &[Value], position: usize) -> Result<Document> {
    match argument(arguments, position)? {
        Value::String(text) => parser::schema(text),
        tree @ Value::Object(_) => shape::schema(to_json(tree)?),
        other => Err(mismatch(position, "one of {string, object}", other)),
    }
}

fn parse_query(arguments: &[Value]) -> Result<Value> {
    parser::query(string(arguments, 1)?)?.shown()
}

fn parse_schema(arguments: &[Value]) -> Result<Value> {
    parser::schema(string(arguments, 1)?)?.shown()
}

/// Both documents, when the query fits the schema.
fn verified(arguments: &[Value]) -> Result<(Document, Document)> {
    let query = query_document(arguments)?;
    let schema = schema_document(arguments, 2)?;
    query::check(&Schema::new(&schema.tree)?, &query.tree)?;
    Ok((query, schema))
}

fn parse(arguments: &[Value]) -> Result<Value> {
    let (query, schema) = verified(arguments)?;
    Ok(array(vec![query.shown()?, schema.shown()?]))
}

fn parse_and_verify(arguments: &[Value]) -> Result<Value> {
    match known(verified(arguments))? {
        Some((query, schema)) => Ok(array(vec![
            Value::from(true),
            query.shown()?,
            schema.shown()?,
        ])),
        None => Ok(array(vec![
            Value::from(false),
            Value::new_object(),
            Value::new_object(),
        ])),
    }
}

fn is_valid(arguments: &[Value]) -> Result<Value> {
    Ok(Value::from(known(verified(arguments))?.is_some()))
}

fn schema_is_valid(arguments: &[Value]) -> Result<Value> {
    let schema =
        schema_document(arguments, 1).and_then(|schema| Schema::new(&schema.tree).map(|_| ()));
    Ok(Value::from(known(schema)?.is_some()))
}

/// None for a document that is wrong; what is not supported stays an error.
fn known<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is::<Unsupported>() => Err(error),
        Err(_) => Ok(None),
    }
}
