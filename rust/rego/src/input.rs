//! Documents from JSON to values of rules.
//!
//! The same values as `Value::from_json_str` in a shorter time: keys, which are the same in most documents, are allocated
//! once per thread, and objects are sorted once instead of searched for each key.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;
use regorus::Value;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Shared keys per thread; objects may have any number of keys.
const MAX_KEYS: usize = 8192;
const LONGEST_KEY: usize = 64;
/// More than readers accept for an object, and few enough for the stack of a thread.
const MAX_LEVELS: usize = 600;
/// Name of the only field of the map that stands for a number, by the feature `arbitrary_precision` of `serde_json`.
const NUMBER: &str = "$serde_json::private::Number";

thread_local! {
    static KEYS: RefCell<HashSet<Arc<str>, RandomState>> = RefCell::default();
}

/// Parse a JSON document.
pub fn parse(text: &str) -> serde_json::Result<Value> {
    read(text, None)
}

/// Parse the context of documents. Equal lists and objects become one value, because the indexes of a context hold the same
/// objects several times.
pub fn parse_context(text: &str) -> serde_json::Result<Value> {
    read(text, Some(&RefCell::default()))
}

fn read(text: &str, collections: Option<&RefCell<Collections>>) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Its limit of 128 is below that of the readers.
    deserializer.disable_recursion_limit();
    let value = Document {
        level: 0,
        collections,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// The lists and objects of a context, by the hash of their parts.
#[derive(Default)]
struct Collections(HashMap<u64, Value, RandomState>);

impl Collections {
    /// Return an earlier collection that equals `value`, whose own collections are shared already, or else `value`.
    fn share(&mut self, value: Value) -> Value {
        let mut hasher = self.0.hasher().build_hasher();
        match &value {
            Value::Array(elements) => elements.iter().for_each(|part| hash(part, &mut hasher)),
            Value::Object(fields) => fields.iter().for_each(|(key, field)| {
                hash(key, &mut hasher);
                hash(field, &mut hasher);
            }),
            _ => return value,
        }
        // Of collections with the same hash, only the first is shared: many that differ in numbers alone take no time.
        match self.0.entry(hasher.finish()) {
            Entry::Occupied(entry) if *entry.get() == value => entry.get().clone(),
            Entry::Occupied(_) => value,
            Entry::Vacant(entry) => entry.insert(value).clone(),
        }
    }
}

/// Hash a part of a collection: a text, or the address of a shared collection. All numbers have the same hash.
fn hash(part: &Value, hasher: &mut impl Hasher) {
    match part {
        Value::Bool(value) => value.hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Array(elements) => Arc::as_ptr(elements).hash(hasher),
        Value::Object(fields) => Arc::as_ptr(fields).hash(hasher),
        _ => 0.hash(hasher),
    }
}

/// A value at some level of nesting; with `collections`, it is shared with them.
#[derive(Clone, Copy)]
struct Document<'a> {
    level: usize,
    collections: Option<&'a RefCell<Collections>>,
}

impl Document<'_> {
    fn child<E: de::Error>(&self) -> Result<Self, E> {
        if self.level >= MAX_LEVELS {
            return Err(E::custom(format!("more than {MAX_LEVELS} levels")));
        }
        Ok(Self {
            level: self.level + 1,
            ..*self
        })
    }

    fn share(&self, value: Value) -> Value {
        match self.collections {
            Some(collections) => collections.borrow_mut().share(value),
            None => value,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element_seed(self.child()?)? {
            elements.push(element);
        }
        Ok(self.share(Value::from(elements)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key_seed(Key)? {
            let value = access.next_value_seed(self.child()?)?;
            if let (NUMBER, Value::String(digits), true) = (&*key, &value, entries.is_empty()) {
                return Value::from_numeric_string(digits).map_err(de::Error::custom);
            }
            entries.push((Value::String(key), value));
        }
        // Of equal keys, the last one counts.
        Ok(self.share(Value::from(entries.into_iter().collect::<BTreeMap<_, _>>())))
    }
}

/// A key of an object.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Arc<str>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        if text.len() > LONGEST_KEY {
            return Ok(text.into());
        }
        Ok(KEYS.with_borrow_mut(|keys| {
            if let Some(key) = keys.get(text) {
                return key.clone();
            }
            if keys.len() >= MAX_KEYS {
                keys.clear();
            }
            let key: Arc<str> = text.into();
            keys.insert(key.clone());
            key
        }))
    }
}
