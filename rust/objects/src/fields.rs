//! The fields of an object against the types of the built-in Kubernetes API: their names and the types of their values.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde_json::Value as Json;

use crate::depth::check_depth;

/// Name of the only field of a map.
const ANY_FIELD: &str = "*";
/// Shape of a field that may hold any value.
const ANY_VALUE: &[u8] = b"*";

/// A field: the type of its value (none below a leaf), the first and last minor version with it, and the shape of its
/// value: `s` text, `i` integer, `n` number, `b` boolean, `o` mapping, `q` text or number, after `[` for a list of it and
/// `{` for a map.
struct Field {
    number: Option<usize>,
    first: u64,
    last: u64,
    shape: Box<[u8]>,
}

#[derive(Default)]
struct Type {
    fields: HashMap<Box<str>, Field>,
    of_map: Option<Field>,
}

/// Types by number.
#[pyclass(frozen)]
pub struct FieldCheck(Vec<Type>);

type Unknown = (Py<PyTuple>, usize);
type Mistyped = (Py<PyTuple>, usize, String);

#[pymethods]
impl FieldCheck {
    /// Load the list `types` of the schemas, as JSON. Raises ValueError.
    #[new]
    fn new(text: &[u8]) -> PyResult<Self> {
        let malformed = || PyValueError::new_err("the schemas are malformed");
        let types: Vec<serde_json::Map<String, Json>> =
            serde_json::from_slice(text).map_err(|_| malformed())?;
        let count = types.len();
        types
            .into_iter()
            .map(|fields| read_type(fields, count).ok_or_else(malformed))
            .collect::<PyResult<_>>()
            .map(Self)
    }

    /// Return the fields of an object of type `number` that Kubernetes 1.`minor` does not have, and those with a value
    /// of another type; `most` of each at most.
    ///
    /// The former are (path, number of the type without the field); the latter (path of the value, length of the path
    /// of the field, expected shape). Raises RecursionError.
    fn find(
        &self,
        document: &Bound<'_, PyAny>,
        number: usize,
        minor: u64,
        most: usize,
    ) -> PyResult<(Vec<Unknown>, Vec<Mistyped>)> {
        let mut walk = Walk {
            types: &self.0,
            minor,
            most,
            path: Vec::new(),
            unknown: Vec::new(),
            mistyped: Vec::new(),
        };
        walk.check(document, number)?;
        Ok((walk.unknown, walk.mistyped))
    }
}

fn read_type(entries: serde_json::Map<String, Json>, count: usize) -> Option<Type> {
    let mut result = Type::default();
    for (name, entry) in entries {
        let number = match entry.get(0)?.as_i64()? {
            -1 => None,
            number => Some(
                usize::try_from(number)
                    .ok()
                    .filter(|number| *number < count)?,
            ),
        };
        let field = Field {
            number,
            first: entry.get(1)?.as_u64()?,
            last: entry.get(2)?.as_u64()?,
            shape: entry.get(3)?.as_str()?.as_bytes().into(),
        };
        if name == ANY_FIELD {
            result.of_map = Some(field);
        } else {
            result.fields.insert(name.into(), field);
        }
    }
    Some(result)
}

struct Walk<'a, 'py> {
    types: &'a [Type],
    minor: u64,
    most: usize,
    path: Vec<Bound<'py, PyAny>>,
    unknown: Vec<Unknown>,
    mistyped: Vec<Mistyped>,
}

impl<'py> Walk<'_, 'py> {
    fn check(&mut self, value: &Bound<'py, PyAny>, number: usize) -> PyResult<()> {
        check_depth(self.path.len())?;
        if let Ok(mapping) = value.cast::<PyDict>() {
            for (name, child) in mapping.iter() {
                self.check_field(name, &child, number)?;
            }
        } else if let Ok(list) = value.cast::<PyList>() {
            for (index, element) in list.iter().enumerate() {
                if element.is_instance_of::<PyDict>() {
                    self.path.push(index.into_pyobject(value.py())?.into_any());
                    self.check(&element, number)?;
                    self.path.pop();
                }
            }
        }
        Ok(())
    }

    fn check_field(
        &mut self,
        name: Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        number: usize,
    ) -> PyResult<()> {
        let owner = &self.types[number];
        let text = name.cast::<PyString>().ok();
        let text = text.and_then(|text| text.to_str().ok());
        let field = text.and_then(|text| owner.fields.get(text));
        let field = field.or(owner.of_map.as_ref());
        let Some(field) = field.filter(|field| (field.first..=field.last).contains(&self.minor))
        else {
            if self.unknown.len() < self.most {
                self.path.push(name.str()?.into_any());
                self.unknown.push((self.build_path(value.py())?, number));
                self.path.pop();
            }
            return Ok(());
        };
        if !has_shape(value, &field.shape) {
            if self.mistyped.len() < self.most {
                self.path.push(name);
                self.add_mistyped(value, &field.shape)?;
                self.path.pop();
            }
        } else if let Some(child) = field.number {
            if value.is_instance_of::<PyDict>() || value.is_instance_of::<PyList>() {
                self.path.push(name);
                self.check(value, child)?;
                self.path.pop();
            }
        }
        Ok(())
    }

    /// Add the first value in a field that does not have its shape.
    fn add_mistyped(&mut self, value: &Bound<'py, PyAny>, mut shape: &[u8]) -> PyResult<()> {
        let length = self.path.len();
        let mut value = value.clone();
        while let [wrapper @ (b'[' | b'{'), inner @ ..] = shape {
            let entries: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)> =
                match (wrapper, value.cast::<PyList>(), value.cast::<PyDict>()) {
                    (b'[', Ok(list), _) => list
                        .iter()
                        .enumerate()
                        .map(|(index, element)| {
                            Ok((index.into_pyobject(value.py())?.into_any(), element))
                        })
                        .collect::<PyResult<_>>()?,
                    (b'{', _, Ok(mapping)) => mapping.iter().collect(),
                    _ => break,
                };
            let mut other = entries
                .into_iter()
                .filter(|(_, entry)| !has_shape(entry, inner));
            let Some((key, entry)) = other.next() else {
                break;
            };
            self.path.push(key);
            value = entry;
            shape = inner;
        }
        let path = self.build_path(value.py())?;
        let shape = String::from_utf8_lossy(shape).into_owned();
        self.mistyped.push((path, length, shape));
        self.path.truncate(length);
        Ok(())
    }

    fn build_path(&self, py: Python<'py>) -> PyResult<Py<PyTuple>> {
        Ok(PyTuple::new(py, &self.path)?.unbind())
    }
}

/// Return true if the API server can read a value of a field; it reads null as an absent value.
fn has_shape(value: &Bound<'_, PyAny>, shape: &[u8]) -> bool {
    if value.is_none() || shape == ANY_VALUE {
        return true;
    }
    match shape {
        [b'[', inner @ ..] => value
            .cast::<PyList>()
            .is_ok_and(|list| list.iter().all(|element| has_shape(&element, inner))),
        [b'{', inner @ ..] => value
            .cast::<PyDict>()
            .is_ok_and(|mapping| mapping.iter().all(|(_, entry)| has_shape(&entry, inner))),
        b"s" => is_text(value),
        b"i" => is_integer(value) || is_whole(value),
        b"n" => is_integer(value) || is_float(value),
        b"b" => value.is_exact_instance_of::<PyBool>(),
        b"o" => value.is_exact_instance_of::<PyDict>(),
        b"q" => is_text(value) || is_integer(value) || is_float(value),
        _ => false,
    }
}

fn is_text(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyString>()
}

fn is_integer(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyInt>()
}

fn is_float(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyFloat>()
}

fn is_whole(value: &Bound<'_, PyAny>) -> bool {
    is_float(value)
        && value
            .extract::<f64>()
            .is_ok_and(|number| number.fract() == 0.0)
}
