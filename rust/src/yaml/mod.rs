//! YAML text to Python values and the marks of their places, one document a call.
//!
//! `events` gives libyaml's events, `scalars` their meaning, `tree` the mappings. Never recursive, so no document
//! can exhaust the stack; aliases share their value, and what they add is limited. Never opens a file, and knows
//! nothing of Kubernetes.

mod events;
mod places;
mod scalars;
mod strings;
mod tree;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyString};

use events::{Event, Events, Kind, SyntaxError};
use scalars::{Refused, Scalar};
use strings::Strings;
use tree::{Child, Document, Tree};

pub use tree::PyTree;

/// Why a document, or all that is left of the text, cannot be read.
pub enum Failure {
    Text {
        message: String,
        at: u32,
        /// Nothing after it can be read either.
        ends: bool,
    },
    Python(PyErr),
}

impl Failure {
    fn document(message: String, at: u32) -> Self {
        Self::Text {
            message,
            at,
            ends: false,
        }
    }

    fn end(message: String, at: u32) -> Self {
        Self::Text {
            message,
            at,
            ends: true,
        }
    }

    fn into_error(self) -> PyErr {
        match self {
            Self::Text { message, .. } => PyValueError::new_err(message),
            Self::Python(error) => error,
        }
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<SyntaxError> for Failure {
    fn from(error: SyntaxError) -> Self {
        Self::end(error.message, error.at)
    }
}

/// What a text may cost before the rest of it is refused.
struct Limits {
    depth: usize,
    aliased: usize,
    documents: usize,
    nodes: usize,
}

/// What an anchor names, once that is known.
enum Named {
    Open,
    Scalar(Scalar<'static>),
    Collection { value: Py<PyAny>, is_mapping: bool },
}

/// A node with a name: its places among the nodes and among those dropped.
struct Anchor {
    nodes: Range<usize>,
    dropped: Range<usize>,
    named: Named,
}

/// A problem of the text: what it is and the index where it stands.
type Problem = (String, u32);

/// The documents of a YAML text in order.
///
/// A document that cannot be read is a problem; after an error of syntax the rest of the text is not read. A
/// document without content is None: it counts, and holds nothing.
#[pyclass(module = "kubekeep._native")]
pub struct YamlDocuments {
    events: Events,
    excess: Option<SyntaxError>,
    builder: Builder,
    /// Whether the document that is being read has failed, and its end is still to come.
    skips: bool,
    is_over: bool,
}

#[derive(IntoPyObject)]
enum Item {
    Document(Document),
    Problem(Problem),
}

#[pymethods]
impl YamlDocuments {
    #[new]
    fn new(
        text: &str,
        depth: usize,
        aliased: usize,
        documents: usize,
        nodes: usize,
    ) -> PyResult<Self> {
        if u32::try_from(text.len()).is_err() {
            return Err(PyValueError::new_err("the text is too long for marks"));
        }
        let limits = Limits {
            depth,
            aliased,
            documents,
            nodes,
        };
        let events = Events::new(text);
        Ok(Self {
            excess: events.excess(),
            events,
            builder: Builder::new(limits),
            skips: false,
            is_over: false,
        })
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Option<Item>>> {
        if self.is_over {
            return Ok(None);
        }
        match self.document(py) {
            Ok(None) => {
                self.is_over = true;
                Ok(None)
            }
            Ok(Some(document)) => Ok(Some(document.map(Item::Document))),
            Err(Failure::Text { message, at, ends }) => {
                self.is_over = ends;
                self.skips = !ends;
                Ok(Some(Some(Item::Problem((message, at)))))
            }
            Err(Failure::Python(error)) => {
                self.is_over = true;
                Err(error)
            }
        }
    }
}

impl YamlDocuments {
    /// The next document, which may be nothing; None after the last one.
    fn document(&mut self, py: Python<'_>) -> Result<Option<Option<Document>>, Failure> {
        if let Some(error) = self.excess.take() {
            return Err(error.into());
        }
        while self.skips {
            let kind = self.events.next()?.kind;
            self.skips = !matches!(kind, Kind::DocumentEnd | Kind::StreamEnd);
        }
        loop {
            let event = self.events.next()?;
            match event.kind {
                Kind::DocumentStart => {
                    self.builder.start(event.start)?;
                    break;
                }
                Kind::StreamEnd => return Ok(None),
                _ => {}
            }
        }
        loop {
            let event = self.events.next()?;
            if matches!(event.kind, Kind::DocumentEnd | Kind::StreamEnd) {
                return Ok(Some(self.builder.finish(py)?));
            }
            self.builder.take(py, event)?;
        }
    }
}

/// Makes documents of events.
struct Builder {
    limits: Limits,
    documents: usize,
    /// The nodes of the documents before this one.
    nodes: usize,
    /// The nodes that aliases may still add.
    spare: usize,
    tree: Tree,
    strings: Strings,
    names: HashMap<String, usize>,
    anchors: Vec<Anchor>,
    /// Of each collection that is open, the anchor.
    open: Vec<Option<usize>>,
}

impl Builder {
    fn new(limits: Limits) -> Self {
        Self {
            documents: 0,
            nodes: 0,
            spare: limits.aliased,
            tree: Tree::default(),
            limits,
            strings: Strings::new(),
            names: HashMap::new(),
            anchors: Vec::new(),
            open: Vec::new(),
        }
    }

    fn start(&mut self, at: u32) -> Result<(), Failure> {
        self.documents += 1;
        if self.documents > self.limits.documents {
            let most = self.limits.documents;
            let message = format!("more than {most} documents: the rest was not read");
            return Err(Failure::end(message, at));
        }
        self.nodes += self.tree.marks.len();
        self.tree = Tree::after(&self.tree, self.limits.aliased);
        self.names.clear();
        self.anchors.clear();
        self.open.clear();
        Ok(())
    }

    fn finish(&mut self, py: Python<'_>) -> PyResult<Option<Document>> {
        self.nodes += self.tree.marks.len();
        let next = Tree::after(&self.tree, self.limits.aliased);
        std::mem::replace(&mut self.tree, next).finish(py)
    }

    fn take(&mut self, py: Python<'_>, event: Event<'_>) -> Result<(), Failure> {
        let (start, end) = (event.start, event.end);
        match event.kind {
            Kind::Scalar {
                text,
                tag,
                anchor,
                is_plain,
            } => {
                let scalar = Met {
                    is_merge: text == "<<"
                        && (is_plain || tag.as_deref() == Some(scalars::MERGE_TAG)),
                    scalar: meaning(py, text, tag.as_deref(), is_plain, start)?,
                };
                if let Some(name) = anchor {
                    let named = Named::Scalar(scalar.scalar.clone().into_owned());
                    self.name(name, named);
                }
                let child = self.child(py, scalar, start)?;
                self.tree.leaf(child, start, end);
            }
            Kind::Open { is_mapping, anchor } => {
                if self.tree.depth() >= self.limits.depth {
                    let most = self.limits.depth;
                    return Err(Failure::end(
                        format!("nested deeper than {most} levels"),
                        start,
                    ));
                }
                let anchor = anchor.map(|name| self.name(name, Named::Open));
                self.open.push(anchor);
                self.tree.open(is_mapping, start, end);
            }
            Kind::Close => self.close(py, (start != end).then_some(end))?,
            Kind::Alias(name) => self.alias(py, &name, start, end)?,
            _ => {}
        }
        let most = self.limits.nodes;
        if self.nodes + self.tree.marks.len() > most {
            return Err(Failure::end(
                format!("more than {most} values: the rest was not read"),
                start,
            ));
        }
        Ok(())
    }

    /// Give a name to the node that comes next; names hold until they are given again.
    fn name(&mut self, name: Cow<'_, str>, named: Named) -> usize {
        let (node, dropped) = (self.tree.marks.len(), self.tree.dropped.len());
        self.anchors.push(Anchor {
            nodes: node..node + 1,
            dropped: dropped..dropped,
            named,
        });
        let number = self.anchors.len() - 1;
        self.names.insert(name.into_owned(), number);
        number
    }

    fn close(&mut self, py: Python<'_>, end: Option<u32>) -> Result<(), Failure> {
        let closed = self.tree.close(py, end)?;
        let anchor = self
            .open
            .pop()
            .flatten()
            .and_then(|number| self.anchors.get_mut(number));
        if let (Some(anchor), Some((value, is_mapping))) = (anchor, closed) {
            anchor.nodes.end = self.tree.marks.len();
            anchor.dropped.end = self.tree.dropped.len();
            anchor.named = Named::Collection { value, is_mapping };
        }
        Ok(())
    }

    /// Add the value that an alias stands for; the places inside it are those of the anchor.
    fn alias(&mut self, py: Python<'_>, name: &str, start: u32, end: u32) -> Result<(), Failure> {
        let Some(number) = self.names.get(name) else {
            return Err(Failure::document(format!("unknown anchor '{name}'"), start));
        };
        let anchor = &self.anchors[*number];
        let (nodes, dropped) = (anchor.nodes.clone(), anchor.dropped.clone());
        let (scalar, collection) = match &anchor.named {
            Named::Open => {
                return Err(Failure::document(
                    format!("anchor '{name}' contains itself"),
                    start,
                ))
            }
            Named::Scalar(scalar) => (Some(scalar.clone()), None),
            Named::Collection { value, is_mapping } => {
                (None, Some((value.clone_ref(py), *is_mapping)))
            }
        };
        self.spare = self.spare.checked_sub(nodes.len()).ok_or_else(|| {
            let most = self.limits.aliased;
            Failure::document(
                format!("excessive aliasing: aliases add more than {most} nodes"),
                start,
            )
        })?;
        if let Some(scalar) = scalar {
            let is_merge = false;
            let child = self.child(py, Met { scalar, is_merge }, start)?;
            self.tree.leaf(child, start, end);
        } else if let Some((value, is_mapping)) = collection {
            self.tree.repeat(nodes, dropped, start, end);
            self.tree.add_collection(value, is_mapping);
        }
        Ok(())
    }

    /// What a scalar adds to the collection around it.
    fn child(&mut self, py: Python<'_>, met: Met<'_>, at: u32) -> Result<Child, Failure> {
        let scalar = if !self.tree.is_at_key() {
            met.scalar.into_json()
        } else if met.is_merge {
            return Ok(Child::Merge);
        } else {
            match met.scalar.into_key() {
                Ok(Some(key)) => Ok(key),
                Ok(None) => return Ok(Child::BadKey("null")),
                Err(refused) => Err(refused),
            }
        };
        let value = match scalar.map_err(|refused| said(refused, at))? {
            Scalar::Text(text) => self.strings.get(py, &text).into_any(),
            other => value(py, &other)?,
        };
        Ok(Child::Value(value))
    }
}

/// A scalar, and whether it is the key `<<` if it is one.
struct Met<'a> {
    scalar: Scalar<'a>,
    is_merge: bool,
}

fn meaning<'a>(
    py: Python<'_>,
    text: Cow<'a, str>,
    tag: Option<&str>,
    is_plain: bool,
    at: u32,
) -> Result<Scalar<'a>, Failure> {
    let Some(tag) = tag else {
        return Ok(if is_plain {
            scalars::plain(text)
        } else {
            Scalar::Text(text)
        });
    };
    match scalars::tagged(tag, &text) {
        Ok(Some(scalar)) => Ok(scalar),
        Ok(None) => Ok(Scalar::Text(text)),
        Err(Refused::NotA(name)) => {
            let head: String = text.chars().take(40).collect();
            let shown = PyString::new(py, &head).repr()?;
            Err(Failure::document(format!("{shown} is not a !!{name}"), at))
        }
        Err(refused) => Err(said(refused, at)),
    }
}

fn said(refused: Refused, at: u32) -> Failure {
    match refused {
        Refused::NotA(name) => Failure::document(format!("not a !!{name}"), at),
        Refused::Because(message) => Failure::document(message, at),
    }
}

fn value(py: Python<'_>, scalar: &Scalar<'_>) -> PyResult<Py<PyAny>> {
    Ok(match scalar {
        Scalar::Null => py.None(),
        Scalar::Bool(value) => PyBool::new(py, *value).to_owned().into_any().unbind(),
        Scalar::Int(value) => match i64::try_from(*value) {
            Ok(value) => value.into_pyobject(py)?.into_any().unbind(),
            Err(_) => PyFloat::new(py, *value as f64).into_any().unbind(),
        },
        Scalar::Float(value) => PyFloat::new(py, *value).into_any().unbind(),
        Scalar::Text(text) => PyString::new(py, text).into_any().unbind(),
    })
}

/// What JSON's digits mean to Kubernetes: the integer within 64 bits, or else the float.
#[pyfunction]
pub fn json_integer(py: Python<'_>, digits: &str) -> PyResult<Py<PyAny>> {
    let number: i128 = digits.parse()?;
    value(py, &scalars::json_integer(number))
}
