//! YAML text to Python values and the locations of all nodes, one document per call.
//!
//! `events` yields libyaml's events, `scalars` resolves scalars, `tree` builds mappings. Not recursive, so no document
//! can exhaust the stack; aliases share their value, and the nodes that they add are limited. No file access, no
//! knowledge of Kubernetes.

mod events;
mod failure;
mod lines;
mod regions;
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
use scalars::{Refusal, Scalar};
use strings::StringCache;
use tree::{Child, Document, Tree};

pub use failure::Failure;
pub use lines::line_starts;
pub use regions::find_fields;
pub use tree::PyTree;

/// Limits of a text; the rest of a text that exceeds one is refused.
struct Limits {
    depth: usize,
    aliased: usize,
    documents: usize,
    nodes: usize,
}

/// Node that an anchor names; `Open` until the node is complete.
enum NamedNode {
    Open,
    Scalar(Scalar<'static>),
    Collection { value: Py<PyAny>, is_mapping: bool },
}

/// Anchored node: its ranges in the marks and in the list of dropped nodes.
struct Anchor {
    nodes: Range<usize>,
    dropped: Range<usize>,
    named: NamedNode,
}

/// Problem in the text: message and character index.
type Problem = (String, u32);

/// Iterator over the documents of a YAML text.
///
/// A document that cannot be read is a problem; after a syntax error the rest of the text is not read. A document
/// without content is None.
#[pyclass(module = "kubekeep._native")]
pub struct YamlDocuments {
    events: Events,
    excess: Option<SyntaxError>,
    builder: Builder,
    /// True while the rest of a failed document is skipped.
    is_skipping: bool,
    is_over: bool,
}

#[derive(IntoPyObject)]
enum Entry {
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
            excess: events.check_directives(),
            events,
            builder: Builder::new(limits),
            is_skipping: false,
            is_over: false,
        })
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Option<Entry>>> {
        if self.is_over {
            return Ok(None);
        }
        match self.document(py) {
            Ok(None) => {
                self.is_over = true;
                Ok(None)
            }
            Ok(Some(document)) => Ok(Some(document.map(Entry::Document))),
            Err(Failure::Text { message, at, ends }) => {
                self.is_over = ends;
                self.is_skipping = !ends;
                Ok(Some(Some(Entry::Problem((message, at)))))
            }
            Err(Failure::Python(error)) => {
                self.is_over = true;
                Err(error)
            }
        }
    }
}

impl YamlDocuments {
    /// Read the next document, which may be empty; None after the last one.
    fn document(&mut self, py: Python<'_>) -> Result<Option<Option<Document>>, Failure> {
        if let Some(error) = self.excess.take() {
            return Err(error.into());
        }
        while self.is_skipping {
            let kind = self.events.next()?.kind;
            self.is_skipping = !matches!(kind, Kind::DocumentEnd | Kind::StreamEnd);
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

/// Builder of documents from events.
struct Builder {
    limits: Limits,
    documents: usize,
    /// Number of nodes in the previous documents.
    nodes: usize,
    /// Number of nodes that aliases may still add.
    alias_budget: usize,
    tree: Tree,
    strings: StringCache,
    names: HashMap<String, usize>,
    anchors: Vec<Anchor>,
    /// Anchor of each open collection.
    open: Vec<Option<usize>>,
}

impl Builder {
    fn new(limits: Limits) -> Self {
        Self {
            documents: 0,
            nodes: 0,
            alias_budget: limits.aliased,
            tree: Tree::default(),
            limits,
            strings: StringCache::new(),
            names: HashMap::new(),
            anchors: Vec::new(),
            open: Vec::new(),
        }
    }

    fn start(&mut self, at: u32) -> Result<(), Failure> {
        self.documents += 1;
        if self.documents > self.limits.documents {
            let limit = self.limits.documents;
            let message = format!("more than {limit} documents: the rest was not read");
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
                let scalar = ResolvedScalar {
                    is_merge: text == "<<"
                        && (is_plain || tag.as_deref() == Some(scalars::MERGE_TAG)),
                    scalar: resolve(text, tag.as_deref(), is_plain, start)?,
                };
                if let Some(name) = anchor {
                    let named = NamedNode::Scalar(scalar.scalar.clone().into_owned());
                    self.name(name, named);
                }
                let child = self.child(py, scalar, start)?;
                self.tree.leaf(child, start, end);
            }
            Kind::Open { is_mapping, anchor } => {
                if self.tree.depth() >= self.limits.depth {
                    let limit = self.limits.depth;
                    return Err(Failure::end(
                        format!("nested deeper than {limit} levels"),
                        start,
                    ));
                }
                let anchor = anchor.map(|name| self.name(name, NamedNode::Open));
                self.open.push(anchor);
                self.tree.open(is_mapping, start, end);
            }
            Kind::Close => self.close(py, (start != end).then_some(end))?,
            Kind::Alias(name) => self.alias(py, &name, start, end)?,
            _ => {}
        }
        let limit = self.limits.nodes;
        if self.nodes + self.tree.marks.len() > limit {
            return Err(Failure::end(
                format!("more than {limit} values: the rest was not read"),
                start,
            ));
        }
        Ok(())
    }

    /// Give a name to the next node. A name is valid until it is used again.
    fn name(&mut self, name: Cow<'_, str>, named: NamedNode) -> usize {
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
            anchor.named = NamedNode::Collection { value, is_mapping };
        }
        Ok(())
    }

    /// Add the value of an alias. Nodes inside it have the locations of the anchored node.
    fn alias(&mut self, py: Python<'_>, name: &str, start: u32, end: u32) -> Result<(), Failure> {
        let Some(number) = self.names.get(name) else {
            return Err(Failure::document(
                "unknown anchor: quote a text that begins with *".to_owned(),
                start,
            ));
        };
        let anchor = &self.anchors[*number];
        let (nodes, dropped) = (anchor.nodes.clone(), anchor.dropped.clone());
        let (scalar, collection) = match &anchor.named {
            NamedNode::Open => {
                return Err(Failure::document(
                    "an anchor contains itself".to_owned(),
                    start,
                ))
            }
            NamedNode::Scalar(scalar) => (Some(scalar.clone()), None),
            NamedNode::Collection { value, is_mapping } => {
                (None, Some((value.clone_ref(py), *is_mapping)))
            }
        };
        self.alias_budget = self.alias_budget.checked_sub(nodes.len()).ok_or_else(|| {
            let limit = self.limits.aliased;
            Failure::document(
                format!("excessive aliasing: aliases add more than {limit} nodes"),
                start,
            )
        })?;
        if let Some(scalar) = scalar {
            let is_merge = false;
            let child = self.child(py, ResolvedScalar { scalar, is_merge }, start)?;
            self.tree.leaf(child, start, end);
        } else if let Some((value, is_mapping)) = collection {
            self.tree.repeat(nodes, dropped, start, end);
            self.tree.add_collection(value, is_mapping);
        }
        Ok(())
    }

    /// Convert a scalar to a key or a value of the collection around it.
    fn child(
        &mut self,
        py: Python<'_>,
        resolved: ResolvedScalar<'_>,
        at: u32,
    ) -> Result<Child, Failure> {
        let scalar = if !self.tree.is_at_key() {
            resolved.scalar.into_json()
        } else if resolved.is_merge {
            return Ok(Child::Merge);
        } else {
            match resolved.scalar.into_key() {
                Ok(Some(key)) => Ok(key),
                Ok(None) => return Ok(Child::BadKey("null")),
                Err(refusal) => Err(refusal),
            }
        };
        let value = match scalar.map_err(|refusal| document_failure(refusal, at))? {
            Scalar::Text(text) => self.strings.get(py, &text).into_any(),
            other => python_value(py, &other)?,
        };
        Ok(Child::Value(value))
    }
}

/// Scalar, and true if it is the merge key `<<`.
struct ResolvedScalar<'a> {
    scalar: Scalar<'a>,
    is_merge: bool,
}

fn resolve<'a>(
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
        Err(refusal) => Err(document_failure(refusal, at)),
    }
}

fn document_failure(refusal: Refusal, at: u32) -> Failure {
    match refusal {
        Refusal::NotA(name) => Failure::document(format!("the value is not a !!{name}"), at),
        Refusal::Because(message) => Failure::document(message, at),
    }
}

fn python_value(py: Python<'_>, scalar: &Scalar<'_>) -> PyResult<Py<PyAny>> {
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

/// Return the number that Kubernetes reads for JSON digits: an integer within 64 bits, else a float.
#[pyfunction]
pub fn json_integer(py: Python<'_>, digits: &str) -> PyResult<Py<PyAny>> {
    let number: i128 = digits.parse()?;
    python_value(py, &scalars::json_integer(number))
}
