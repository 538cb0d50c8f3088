//! Nodes of a document put together: Python values and, at the same pace, the marks of their places.
//!
//! Knows mappings (duplicate keys, merge keys), not the syntax that they were read from. Never recursive.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use super::Failure;

/// Of a node: the index of its first character, that after its last one, and the nodes of its subtree.
pub type Mark = [u32; 3];

/// A key that is said twice: its text and the indices of its first and this place.
pub type Duplicate = (Py<PyAny>, u32, u32);

/// The value of a document, its marks as they lie in memory, and its duplicate keys.
pub type Document = (Py<PyAny>, Py<PyBytes>, Vec<Duplicate>);

/// What a collection has collected.
pub enum Child {
    Value(Py<PyAny>),
    /// The key `<<`, which stands for the entries of its value.
    Merge,
    /// A key that is no text, and what it is.
    BadKey(&'static str),
}

/// A collection that is open: its place in the marks, where its children start, whether it is a mapping.
struct Frame {
    node: usize,
    first: usize,
    is_mapping: bool,
}

/// One document as it is read.
///
/// `marks` are those of everything in the text, and only grow. Nodes that the value does not have (overridden
/// entries, merge keys) are noted in `dropped` and left out at the end in one go: moving the others at once would
/// cost a hostile document the square of its size.
#[derive(Default)]
pub struct Tree {
    pub marks: Vec<Mark>,
    pub dropped: Vec<(usize, usize)>,
    after_dropped: HashMap<usize, usize>,
    children: Vec<Child>,
    stack: Vec<Frame>,
    duplicates: Vec<Duplicate>,
    last_end: u32,
    /// How many entries merge keys have set, and how many they may.
    merged: usize,
    most_merged: usize,
}

impl Tree {
    /// The next document of a file, in which merge keys may set `most_merged` entries in all.
    pub fn after(before: &Self, most_merged: usize) -> Self {
        Self {
            merged: before.merged,
            most_merged,
            ..Self::default()
        }
    }

    pub fn depth(&self) -> usize {
        self.stack.len()
    }

    /// Whether the next node is the key of a mapping.
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

    /// Close the innermost collection, and say what it is and whether a mapping. Without `end` it ends where its last node does: a parser sees the end of a
    /// block only at the next token.
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
            let items = self.children.drain(frame.first..).map(|child| match child {
                Child::Value(value) => value,
                Child::Merge | Child::BadKey(_) => py.None(),
            });
            PyList::new(py, items)?.into_any().unbind()
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

    /// Put some nodes here once more, for the alias between `start` and `end` that stands for the first of them.
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

    /// The finished document; None if it is null.
    pub fn finish(mut self, py: Python<'_>) -> PyResult<Option<Document>> {
        let value = match self.children.pop() {
            Some(Child::Value(value)) if !value.is_none(py) => value,
            _ => return Ok(None),
        };
        if !self.dropped.is_empty() {
            self.marks = without(&self.marks, &mut self.dropped);
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

    /// The mapping of the children of `frame` (key, value, key, value, ...).
    ///
    /// As in go-yaml v2 the entries are set one after the other, whether merged or not: the last one holds.
    fn mapping(&mut self, py: Python<'_>, frame: &Frame) -> Result<Py<PyAny>, Failure> {
        let dict = PyDict::new(py);
        let children = &self.children[frame.first..];
        for pair in children.chunks_exact(2) {
            let [Child::Value(key), Child::Value(value)] = pair else {
                return self.irregular(py, frame);
            };
            dict.set_item(key, value)?;
        }
        if dict.len() * 2 == children.len() {
            return Ok(dict.into_any().unbind());
        }
        self.irregular(py, frame)
    }

    fn irregular(&mut self, py: Python<'_>, frame: &Frame) -> Result<Py<PyAny>, Failure> {
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
                Child::BadKey(what) => {
                    let message = format!("a mapping key must be text, not {what}");
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
        if !list.iter().all(|item| item.is_instance_of::<PyDict>()) {
            return Err(wrong);
        }
        let mut taken = HashSet::new();
        at += 1;
        for item in list.iter() {
            self.drop_nodes(at, at + 1);
            if let Ok(mapping) = item.cast::<PyDict>() {
                self.merge_one(entries, mapping, at, &mut taken, true)?;
            }
            at = self.next_of(at);
        }
        Ok(())
    }

    /// Set the entries of a finished mapping whose own node is at `at`. Of several mappings the first one wins.
    fn merge_one(
        &mut self,
        entries: &mut Entries,
        mapping: &Bound<'_, PyDict>,
        at: usize,
        taken: &mut HashSet<String>,
        is_one_of_several: bool,
    ) -> Result<(), Failure> {
        // Mappings merged through many levels are work for each level, without one node more.
        self.merged += mapping.len();
        if self.merged > self.most_merged {
            let most = self.most_merged;
            let message =
                format!("excessive merging: merge keys (<<) add more than {most} entries");
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

    /// The place after the subtree of the node at `at`.
    fn next_of(&self, at: usize) -> usize {
        at + self.marks.get(at).map_or(1, |mark| mark[2] as usize)
    }

    fn drop_entry(&mut self, at: usize) {
        self.drop_nodes(at, self.next_of(self.next_of(at)));
    }

    /// Leave the nodes from `start` to `end` out of the marks.
    fn drop_nodes(&mut self, start: usize, end: usize) {
        self.dropped.push((start, end));
        self.after_dropped.insert(start, end);
    }
}

/// A key, its value and the place of the key.
type Row = (Py<PyAny>, Py<PyAny>, usize);

/// Entries in the order in which they were last set.
#[derive(Default)]
struct Entries {
    rows: Vec<Option<Row>>,
    row_of: HashMap<String, usize>,
}

impl Entries {
    /// Set an entry; the place of the one before it with the same key.
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

/// The marks without some ranges, which may contain each other, and the sizes of subtrees corrected.
fn without(marks: &[Mark], dropped: &mut [(usize, usize)]) -> Vec<Mark> {
    dropped.sort_unstable();
    // Kept stretches lie between these, which do not overlap; `before` counts the nodes dropped up to each end.
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
            let gone = match size {
                0 | 1 => 0,
                size => dropped_before(node + size as usize - 1) - before[number],
            };
            kept.push([start, end, size - u32::try_from(gone).unwrap_or(size)]);
        }
    }
    kept
}

/// The tree of one document whose syntax someone else reads.
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

    /// How many nodes it has.
    fn __len__(&self) -> usize {
        self.tree.marks.len()
    }

    /// Add a scalar, and say how many nodes there are; as a key it must be text.
    fn leaf(&mut self, value: Bound<'_, PyAny>, start: u32, end: u32) -> usize {
        let child = if self.tree.is_at_key() && !value.is_instance_of::<PyString>() {
            Child::BadKey("a number or a word")
        } else {
            Child::Value(value.unbind())
        };
        self.tree.leaf(child, start, end);
        self.tree.marks.len()
    }

    /// Open a collection, and say how many nodes there are.
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

    /// The value, its marks and its duplicate keys, once; None for null.
    fn finish(&mut self, py: Python<'_>) -> PyResult<Option<Document>> {
        std::mem::take(&mut self.tree).finish(py)
    }
}
