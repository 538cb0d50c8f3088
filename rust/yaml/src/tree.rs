//! Assembly of the nodes of a document: Python values and the marks of their locations.
//!
//! Handles mappings (duplicate keys, merge keys), not the syntax of the text. Not recursive.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::failure::Failure;

/// Start and end (exclusive) of a node in characters, and the number of nodes of its subtree.
pub type Mark = [u32; 3];

/// Duplicate key: its text and the character indices of its first and its current occurrence.
pub type Duplicate = (Py<PyAny>, u32, u32);

/// Value of a document, its marks in native byte order, and its duplicate keys.
pub type Document = (Py<PyAny>, Py<PyBytes>, Vec<Duplicate>);

/// Key or value of an open collection.
pub enum Child {
    Value(Py<PyAny>),
    /// Key `<<`, replaced by the entries of its value.
    Merge,
    /// Key that is not text, with its kind.
    BadKey(&'static str),
}

/// Open collection: its index in the marks and the index of its first child.
struct Frame {
    node: usize,
    first: usize,
    is_mapping: bool,
}

/// Document under construction.
///
/// `marks` holds all nodes of the text and only grows. Nodes that are not part of the value (overridden entries, merge
/// keys) are listed in `dropped` and removed together at the end: removing each at once would take a hostile document
/// quadratic time.
#[derive(Default)]
pub struct Tree {
    pub marks: Vec<Mark>,
    pub dropped: Vec<(usize, usize)>,
    after_dropped: HashMap<usize, usize>,
    children: Vec<Child>,
    stack: Vec<Frame>,
    duplicates: Vec<Duplicate>,
    last_end: u32,
    /// Number of entries set by merge keys, and its limit.
    merged: usize,
    max_merged: usize,
}

impl Tree {
    /// Return the tree of the next document of a file, in which merge keys may set `max_merged` entries in total.
    pub fn after(before: &Self, max_merged: usize) -> Self {
        Self {
            merged: before.merged,
            max_merged,
            ..Self::default()
        }
    }

    pub fn depth(&self) -> usize {
        self.stack.len()
    }

    /// True if the next node is the key of a mapping.
    pub fn is_at_key(&self) -> bool {
        self.stack
            .last()
            .is_some_and(|frame| frame.is_mapping && (self.children.len() - frame.first) % 2 == 0)
    }

    pub fn leaf(&mut self, child: Child, start: u32, end: u32) {
        self.marks.push([start, end, 1]);
        self.children.push(child);
        self.last_end = end;
    }

    pub fn open(&mut self, is_mapping: bool, start: u32, end: u32) {
        self.stack.push(Frame {
            node: self.marks.len(),
            first: self.children.len(),
            is_mapping,
        });
        self.marks.push([start, end, 0]);
    }

    /// Close the innermost collection and return its value, and true for a mapping. Without `end` it ends with its last
    /// node: a parser sees the end of a block only at the next token.
    pub fn close(
        &mut self,
        py: Python<'_>,
        end: Option<u32>,
    ) -> Result<Option<(Py<PyAny>, bool)>, Failure> {
        let Some(frame) = self.stack.pop() else {
            return Ok(None);
        };
        let value = if frame.is_mapping {
            self.mapping(py, &frame)?
        } else {
            let values = self.children.drain(frame.first..).map(|child| match child {
                Child::Value(value) => value,
                Child::Merge | Child::BadKey(_) => py.None(),
            });
            PyList::new(py, values)?.into_any().unbind()
        };
        self.children.truncate(frame.first);
        let size = self.marks.len() - frame.node;
        let mark = &mut self.marks[frame.node];
        self.last_end = end.unwrap_or(self.last_end.max(mark[1]));
        mark[1] = self.last_end;
        mark[2] = u32::try_from(size).unwrap_or(u32::MAX);
        self.add_collection(value.clone_ref(py), frame.is_mapping);
        Ok(Some((value, frame.is_mapping)))
    }

    /// Repeat nodes for an alias between `start` and `end` that refers to the first of them.
    pub fn repeat(&mut self, nodes: Range<usize>, dropped: Range<usize>, start: u32, end: u32) {
        let moved = self.marks.len() - nodes.start;
        self.marks.push([start, end, self.marks[nodes.start][2]]);
        self.marks.extend_from_within(nodes.start + 1..nodes.end);
        for at in dropped {
            let (start, end) = self.dropped[at];
            self.drop_nodes(start + moved, end + moved);
        }
        self.last_end = end;
    }

    pub fn add_collection(&mut self, value: Py<PyAny>, is_mapping: bool) {
        let child = match (self.is_at_key(), is_mapping) {
            (false, _) => Child::Value(value),
            (true, true) => Child::BadKey("a mapping"),
            (true, false) => Child::BadKey("a list"),
        };
        self.children.push(child);
    }

    /// Return the finished document; None if it is null.
    pub fn finish(mut self, py: Python<'_>) -> PyResult<Option<Document>> {
        let value = match self.children.pop() {
            Some(Child::Value(value)) if !value.is_none(py) => value,
            _ => return Ok(None),
        };
        if !self.dropped.is_empty() {
            self.marks = remove_ranges(&self.marks, &mut self.dropped);
        }
        let bytes = PyBytes::new_with(py, self.marks.len() * size_of::<Mark>(), |bytes| {
            let numbers = self.marks.iter().flatten();
            for (place, number) in bytes.chunks_exact_mut(size_of::<u32>()).zip(numbers) {
                place.copy_from_slice(&number.to_ne_bytes());
            }
            Ok(())
        })?;
        Ok(Some((value, bytes.unbind(), self.duplicates)))
    }

    /// Build the mapping of the children of `frame` (key, value, key, value, ...).
    ///
    /// As in go-yaml v2 all entries, also merged ones, are set in order: the last one wins.
    fn mapping(&mut self, py: Python<'_>, frame: &Frame) -> Result<Py<PyAny>, Failure> {
        let dict = PyDict::new(py);
        let children = &self.children[frame.first..];
        for pair in children.chunks_exact(2) {
            let [Child::Value(key), Child::Value(value)] = pair else {
                return self.mapping_with_merges(py, frame);
            };
            dict.set_item(key, value)?;
        }
        if dict.len() * 2 == children.len() {
            return Ok(dict.into_any().unbind());
        }
        self.mapping_with_merges(py, frame)
    }

    /// Build a mapping with duplicate keys, merge keys or invalid keys.
    fn mapping_with_merges(&mut self, py: Python<'_>, frame: &Frame) -> Result<Py<PyAny>, Failure> {
        let children = self.children.split_off(frame.first);
        let mut entries = Entries::default();
        let mut own: HashMap<String, usize> = HashMap::new();
        let mut at = frame.node + 1;
        for pair in children.chunks_exact(2) {
            let [key, Child::Value(value)] = pair else {
                continue;
            };
            let value_at = self.next_of(at);
            match key {
                Child::Merge => self.merge(py, &mut entries, value, at)?,
                Child::BadKey(kind) => {
                    let message = format!("a mapping key must be text, not {kind}");
                    return Err(Failure::document(message, self.marks[at][0]));
                }
                Child::Value(key) => {
                    let text: String = key.extract(py)?;
                    if let Some(first) = own.get(&text) {
                        let (first, here) = (self.marks[*first][0], self.marks[at][0]);
                        self.duplicates.push((key.clone_ref(py), first, here));
                    } else {
                        own.insert(text.clone(), at);
                    }
                    self.set(
                        &mut entries,
                        text,
                        key.clone_ref(py),
                        value.clone_ref(py),
                        at,
                    );
                }
            }
            at = self.next_of(value_at);
        }
        Ok(entries.dict(py)?.into_any().unbind())
    }

    fn set(
        &mut self,
        entries: &mut Entries,
        text: String,
        key: Py<PyAny>,
        value: Py<PyAny>,
        at: usize,
    ) {
        if let Some(before) = entries.set(text, key, value, at) {
            self.drop_entry(before);
        }
    }

    fn merge(
        &mut self,
        py: Python<'_>,
        entries: &mut Entries,
        value: &Py<PyAny>,
        key_at: usize,
    ) -> Result<(), Failure> {
        let mut at = self.next_of(key_at);
        self.drop_nodes(key_at, at + 1);
        let value = value.bind(py);
        let wrong = Failure::document(
            "a merge key (<<) needs a mapping or a list of mappings".to_owned(),
            self.marks[at][0],
        );
        if let Ok(mapping) = value.cast::<PyDict>() {
            return self.merge_one(entries, mapping, at, &mut HashSet::new(), false);
        }
        let Ok(list) = value.cast::<PyList>() else {
            return Err(wrong);
        };
        if !list
            .iter()
            .all(|element| element.is_instance_of::<PyDict>())
        {
            return Err(wrong);
        }
        let mut taken = HashSet::new();
        at += 1;
        for element in list.iter() {
            self.drop_nodes(at, at + 1);
            if let Ok(mapping) = element.cast::<PyDict>() {
                self.merge_one(entries, mapping, at, &mut taken, true)?;
            }
            at = self.next_of(at);
        }
        Ok(())
    }

    /// Set the entries of a complete mapping whose node is at `at`. Of several mappings the first one wins.
    fn merge_one(
        &mut self,
        entries: &mut Entries,
        mapping: &Bound<'_, PyDict>,
        at: usize,
        taken: &mut HashSet<String>,
        is_one_of_several: bool,
    ) -> Result<(), Failure> {
        // Mappings merged through many levels take time for each level without adding nodes.
        self.merged += mapping.len();
        if self.merged > self.max_merged {
            let limit = self.max_merged;
            let message =
                format!("excessive merging: merge keys (<<) add more than {limit} entries");
            return Err(Failure::document(message, self.marks[at][0]));
        }
        let mut next = at + 1;
        for (key, value) in mapping.iter() {
            while let Some(after) = self.after_dropped.get(&next) {
                next = *after;
            }
            let place = next;
            next = self.next_of(self.next_of(place));
            let text: String = key.extract()?;
            if is_one_of_several && !taken.insert(text.clone()) {
                self.drop_nodes(place, next);
            } else {
                self.set(entries, text, key.unbind(), value.unbind(), place);
            }
        }
        Ok(())
    }

    /// Return the index after the subtree of the node at `at`.
    fn next_of(&self, at: usize) -> usize {
        at + self.marks.get(at).map_or(1, |mark| mark[2] as usize)
    }

    fn drop_entry(&mut self, at: usize) {
        self.drop_nodes(at, self.next_of(self.next_of(at)));
    }

    /// Remove the nodes from `start` to `end` from the marks.
    fn drop_nodes(&mut self, start: usize, end: usize) {
        self.dropped.push((start, end));
        self.after_dropped.insert(start, end);
    }
}

/// Key, value and the index of the key.
type Row = (Py<PyAny>, Py<PyAny>, usize);

/// Entries of a mapping in the order of their last assignment.
#[derive(Default)]
struct Entries {
    rows: Vec<Option<Row>>,
    row_of: HashMap<String, usize>,
}

impl Entries {
    /// Set an entry and return the index of the previous one with the same key.
    fn set(&mut self, text: String, key: Py<PyAny>, value: Py<PyAny>, at: usize) -> Option<usize> {
        let before = self.row_of.insert(text, self.rows.len());
        self.rows.push(Some((key, value, at)));
        let (_, _, place) = self.rows.get_mut(before?)?.take()?;
        Some(place)
    }

    fn dict(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let dict = PyDict::new(py);
        for (key, value, _) in self.rows.into_iter().flatten() {
            dict.set_item(key, value)?;
        }
        Ok(dict)
    }
}

/// Remove ranges, which may contain each other, from the marks, and correct the sizes of subtrees.
fn remove_ranges(marks: &[Mark], dropped: &mut [(usize, usize)]) -> Vec<Mark> {
    dropped.sort_unstable();
    // `gaps` do not overlap, and the kept nodes are between them; `before` counts the nodes dropped up to each end.
    let mut gaps: Vec<(usize, usize)> = vec![(0, 0)];
    let mut before = vec![0];
    for &(start, end) in dropped.iter() {
        let (last_end, count) = (gaps[gaps.len() - 1].1, before[before.len() - 1]);
        if end > last_end {
            let first = start.max(last_end);
            before.push(count + end - first);
            gaps.push((first, end));
        }
    }
    let dropped_before = |node: usize| before[gaps.partition_point(|gap| gap.0 <= node) - 1];
    let mut kept = Vec::with_capacity(marks.len());
    for (number, gap) in gaps.iter().enumerate() {
        let end = gaps.get(number + 1).map_or(marks.len(), |next| next.0);
        for (node, &[start, end, size]) in marks.iter().enumerate().take(end).skip(gap.1) {
            let removed = match size {
                0 | 1 => 0,
                size => dropped_before(node + size as usize - 1) - before[number],
            };
            kept.push([start, end, size - u32::try_from(removed).unwrap_or(size)]);
        }
    }
    kept
}

/// Tree of one document whose syntax is parsed by the caller.
#[pyclass(module = "kubekeep._native", name = "Tree")]
#[derive(Default)]
pub struct PyTree {
    tree: Tree,
}

#[pymethods]
impl PyTree {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Return the number of nodes.
    fn __len__(&self) -> usize {
        self.tree.marks.len()
    }

    /// Add a scalar, which as a key must be text, and return the number of nodes.
    fn leaf(&mut self, value: Bound<'_, PyAny>, start: u32, end: u32) -> usize {
        let child = if self.tree.is_at_key() && !value.is_instance_of::<PyString>() {
            Child::BadKey("a number or a word")
        } else {
            Child::Value(value.unbind())
        };
        self.tree.leaf(child, start, end);
        self.tree.marks.len()
    }

    /// Open a collection and return the number of nodes.
    fn open(&mut self, is_mapping: bool, start: u32) -> usize {
        self.tree.open(is_mapping, start, start);
        self.tree.marks.len()
    }

    /// Close the innermost collection.
    fn close(&mut self, py: Python<'_>, end: u32) -> PyResult<()> {
        match self.tree.close(py, Some(end)) {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Return the value, its marks and its duplicate keys, and reset the tree. None for null.
    fn finish(&mut self, py: Python<'_>) -> PyResult<Option<Document>> {
        std::mem::take(&mut self.tree).finish(py)
    }
}
