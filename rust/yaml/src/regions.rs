//! Positions of values in a document, from the numbers that its tree recorded: start, end and size of each node, in
//! document order, with each mapping key before its value.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList, PyString, PyTuple};

const NUMBERS: usize = 3;

/// Return for each path below `root` the start and end index of its entry or element, or of its nearest existing
/// ancestor, and true if the path exists.
///
/// An entry spans its key, and its value if that is no collection; an element, and the root, spans its scalar or its
/// first key or element. Raises ValueError if the numbers are not those of the document.
#[pyfunction]
pub fn find_fields<'py>(
    numbers: PyBuffer<u32>,
    document: Bound<'py, PyAny>,
    root: &Bound<'py, PyTuple>,
    paths: Vec<Bound<'py, PyTuple>>,
) -> PyResult<Vec<(u32, u32, bool)>> {
    let nodes = Nodes(numbers);
    let (start, has_root) = nodes.find((None, 0, document), root)?;
    paths
        .iter()
        .map(|path| {
            let ((key, node, value), exists) = match has_root {
                true => nodes.find(start.clone(), path)?,
                false => (start.clone(), false),
            };
            let (first, last) = nodes.find_span(key, node, &value)?;
            Ok((first, last, exists))
        })
        .collect()
}

/// The numbers of a document. While they are borrowed, Python cannot change the length of their array.
struct Nodes(PyBuffer<u32>);

type Child<'py> = (Option<usize>, usize, Bound<'py, PyAny>);

impl Nodes {
    fn number(&self, node: usize, index: usize) -> PyResult<u32> {
        let at = node * NUMBERS + index;
        if at >= self.0.item_count() || !self.0.is_c_contiguous() {
            return Err(PyValueError::new_err(
                "the numbers are not those of the document",
            ));
        }
        // SAFETY: the buffer has this number, in one piece, and its type and alignment are those of u32 (PyBuffer).
        Ok(unsafe { *self.0.buf_ptr().cast::<u32>().add(at) })
    }

    /// Return the descendant at `path`, or its nearest existing ancestor, and true if the path exists.
    fn find<'py>(
        &self,
        mut child: Child<'py>,
        path: &Bound<'py, PyTuple>,
    ) -> PyResult<(Child<'py>, bool)> {
        for step in path.iter_borrowed() {
            let Some(next) = self.find_child(&child.2, child.1, &step)? else {
                return Ok((child, false));
            };
            child = next;
        }
        Ok((child, true))
    }

    fn size(&self, node: usize) -> PyResult<usize> {
        Ok(self.number(node, 2)? as usize)
    }

    /// Return the node of the key, if the parent is a mapping, the node of the value and the value at `step`.
    fn find_child<'py>(
        &self,
        parent: &Bound<'py, PyAny>,
        node: usize,
        step: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Child<'py>>> {
        let mut at = node + 1;
        if let Ok(mapping) = parent.cast::<PyDict>() {
            let name = step.cast::<PyString>().ok();
            let name = name.and_then(|name| name.to_str().ok());
            for (key, value) in mapping.iter() {
                if key.is(step) || is_equal(&key, step, name)? {
                    return Ok(Some((Some(at), at + 1, value)));
                }
                at += 1 + self.size(at + 1)?;
            }
        } else if let (Ok(sequence), Ok(index)) = (parent.cast::<PyList>(), step.cast::<PyInt>()) {
            let Ok(index) = index.extract::<usize>() else {
                return Ok(None);
            };
            let Ok(value) = sequence.get_item(index) else {
                return Ok(None);
            };
            for _ in 0..index {
                at += self.size(at)?;
            }
            return Ok(Some((None, at, value)));
        }
        Ok(None)
    }

    fn find_span(
        &self,
        key: Option<usize>,
        node: usize,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<(u32, u32)> {
        let shown = key.unwrap_or(node);
        let (start, mut end) = (self.number(shown, 0)?, self.number(shown, 1)?);
        let is_collection = value.is_instance_of::<PyDict>() || value.is_instance_of::<PyList>();
        if key.is_some() {
            if !is_collection {
                end = end.max(self.number(node, 1)?);
            }
        } else if is_collection && value.is_truthy()? {
            let (first, first_end) = (self.number(node + 1, 0)?, self.number(node + 1, 1)?);
            if start <= first && first < end {
                end = first_end;
            }
        }
        Ok((start, end))
    }
}

/// Compare a key with a step; `name` is the text of the step. Comparing texts takes a third of the time of Python's operator.
fn is_equal(key: &Bound<'_, PyAny>, step: &Bound<'_, PyAny>, name: Option<&str>) -> PyResult<bool> {
    if let (Some(name), Ok(key)) = (name, key.cast::<PyString>()) {
        if let Ok(key) = key.to_str() {
            return Ok(key == name);
        }
    }
    key.eq(step)
}
