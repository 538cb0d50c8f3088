//! Problems of images in a compact form, and their sums over many images: by definition, and by the package to upgrade.
//!
//! A list of four million problems in a database is summed in seconds, in this form in tens of milliseconds. Numbers are
//! those of rows in the database; their meaning is unknown here.

use std::collections::{BTreeMap, BTreeSet};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::packed_numbers::{add, entry, invalid, write, Reader, LIMIT};

/// An open problem of an image. `name` and `version`: of the package that fixes it; 0 without one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, FromPyObject)]
pub struct Problem(u32, u32, u32, i64);

/// Number of a definition and its sums, as `sum_definitions` describes them.
type DefinitionSum = (usize, u8, u32, i64, bool);
/// Number of a name of a package and its sums, as `sum_upgrades` describes them.
type UpgradeSum = (usize, u64, u64, u64, u64);

/// Pack the problems of one image: (name, version, definition, opened) of each.
///
/// Format, numbers as LEB128: count of times, the times, the earliest first; length of the next part; for each definition four
/// times the difference to the one before, 2 if it has a fix, 1 if it was opened later than the first time, and then the number
/// of its time; at last for each version of a package that fixes some: name, version, size, and the difference of each
/// definition to the one before. Most problems take two bytes in each part.
#[pyfunction]
pub fn pack_problems<'py>(
    py: Python<'py>,
    mut problems: Vec<Problem>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut times: Vec<i64> = problems.iter().map(|problem| problem.3).collect();
    times.sort_unstable();
    times.dedup();
    let mut content = Vec::with_capacity(8 + 4 * problems.len());
    write(&mut content, times.len() as u64);
    for time in &times {
        write(&mut content, *time as u64);
    }
    let definitions = pack_definitions(&problems, &times);
    write(&mut content, definitions.len() as u64);
    content.extend(definitions);
    problems.retain(|problem| problem.0 != 0);
    problems.sort_unstable();
    for group in problems.chunk_by(|first, second| (first.0, first.1) == (second.0, second.1)) {
        write(&mut content, u64::from(group[0].0));
        write(&mut content, u64::from(group[0].1));
        write(&mut content, group.len() as u64);
        let mut last = 0;
        for problem in group {
            write(&mut content, u64::from(problem.2 - last));
            last = problem.2;
        }
    }
    Ok(PyBytes::new(py, &content))
}

fn pack_definitions(problems: &[Problem], times: &[i64]) -> Vec<u8> {
    let mut states: BTreeMap<u32, (i64, bool)> = BTreeMap::new();
    for Problem(name, _, definition, opened) in problems {
        let state = states.entry(*definition).or_insert((*opened, false));
        state.0 = state.0.min(*opened);
        state.1 |= *name != 0;
    }
    let mut content = Vec::with_capacity(2 * states.len());
    let mut last = 0;
    for (definition, (opened, is_fixable)) in states {
        let time = times.partition_point(|time| *time < opened) as u64;
        let flags = 2 * u64::from(is_fixable) + u64::from(time > 0);
        write(&mut content, 4 * u64::from(definition - last) + flags);
        if time > 0 {
            write(&mut content, time);
        }
        last = definition;
    }
    content
}

struct Image {
    content: Py<PyBytes>,
    exposure: u8,
    workloads: u64,
    exposed_workloads: u64,
}

impl Image {
    /// Call `visit` with each definition, its time, and true if it has a fix.
    fn visit_definitions(
        &self,
        py: Python<'_>,
        visit: impl FnMut(usize, i64, bool),
    ) -> PyResult<()> {
        read_definitions(self.content.as_bytes(py), visit).ok_or_else(invalid)
    }

    /// Call `visit` with name, version and definition of each problem that a version of a package fixes.
    fn visit_fixes(&self, py: Python<'_>, visit: impl FnMut(usize, usize, usize)) -> PyResult<()> {
        read_fixes(self.content.as_bytes(py), visit).ok_or_else(invalid)
    }
}

fn read_definitions(content: &[u8], mut visit: impl FnMut(usize, i64, bool)) -> Option<()> {
    let mut reader = Reader::new(content);
    let count = reader.row()?;
    let times = (0..count)
        .map(|_| reader.number())
        .collect::<Option<Vec<_>>>()?;
    let mut part = reader.part()?;
    let mut definition = 0;
    while !part.is_empty() {
        let number = part.number()?;
        definition = add(definition, usize::try_from(number / 4).ok()?)?;
        let time = if number & 1 == 1 { part.row()? } else { 0 };
        visit(definition, *times.get(time)? as i64, number & 2 == 2);
    }
    Some(())
}

fn read_fixes(content: &[u8], mut visit: impl FnMut(usize, usize, usize)) -> Option<()> {
    let mut reader = Reader::new(content);
    for _ in 0..reader.row()? {
        reader.number()?;
    }
    reader.part()?;
    while !reader.is_empty() {
        let (name, version, size) = (reader.row()?, reader.row()?, reader.row()?);
        let mut definition = 0;
        for _ in 0..size {
            definition = reader.after(definition)?;
            visit(name, version, definition);
        }
    }
    Some(())
}

/// The set of some numbers as an array by number.
fn mark(numbers: &[u32]) -> Vec<bool> {
    let mut marks = Vec::new();
    for number in numbers.iter().filter(|number| u64::from(**number) < LIMIT) {
        *entry(&mut marks, *number as usize) = true;
    }
    marks
}

fn has(marks: &[bool], number: usize) -> bool {
    marks.get(number).copied().unwrap_or(false)
}

#[derive(Clone, Default)]
struct Sum {
    opened: i64,
    images: u32,
    exposure: u8,
    is_fixable: bool,
}

#[derive(Clone, Default)]
struct Upgrade {
    problems: u64,
    images: u64,
    workloads: u64,
    exposed_workloads: u64,
}

/// The problems of the images of a scope.
#[pyclass(frozen, module = "kubekeep._native")]
pub struct ImageProblems(Vec<Image>);

#[pymethods]
impl ImageProblems {
    /// `images`: packed problems, exposure, workloads and exposed workloads of each.
    #[new]
    fn new(images: Vec<(Py<PyBytes>, u8, u64, u64)>) -> Self {
        let images = images.into_iter();
        Self(
            images
                .map(|(content, exposure, workloads, exposed_workloads)| Image {
                    content,
                    exposure,
                    workloads,
                    exposed_workloads,
                })
                .collect(),
        )
    }

    /// Return (definition, highest exposure, images, first time, has a fix) of each definition.
    fn sum_definitions(&self, py: Python<'_>) -> PyResult<Vec<DefinitionSum>> {
        let mut sums: Vec<Sum> = Vec::new();
        for image in &self.0 {
            image.visit_definitions(py, |definition, opened, is_fixable| {
                let sum = entry(&mut sums, definition);
                if sum.images == 0 || opened < sum.opened {
                    sum.opened = opened;
                }
                sum.images += 1;
                sum.exposure = sum.exposure.max(image.exposure);
                sum.is_fixable |= is_fixable;
            })?;
        }
        let sums = sums.into_iter().enumerate();
        Ok(sums
            .filter(|(_, sum)| sum.images > 0)
            .map(|(number, sum)| (number, sum.exposure, sum.images, sum.opened, sum.is_fixable))
            .collect())
    }

    /// Return (definition, position of an image) of the first `limit` images with each of `definitions`.
    fn list_images(
        &self,
        py: Python<'_>,
        definitions: Vec<u32>,
        limit: usize,
    ) -> PyResult<Vec<(usize, usize)>> {
        let marks = mark(&definitions);
        let mut counts = vec![0; marks.len()];
        let mut pairs = Vec::new();
        for (number, image) in self.0.iter().enumerate() {
            image.visit_definitions(py, |definition, _, _| {
                if has(&marks, definition) && counts[definition] < limit {
                    pairs.push((definition, number));
                    counts[definition] += 1;
                }
            })?;
        }
        Ok(pairs)
    }

    /// Return (name, problems, images, workloads, exposed workloads) of each package that fixes some of `definitions`.
    ///
    /// `groups`: pairs of a name and the one that it counts for, with which it is one change. A definition counts once for each
    /// image and change.
    fn sum_upgrades(
        &self,
        py: Python<'_>,
        definitions: Vec<u32>,
        groups: Vec<(u32, u32)>,
    ) -> PyResult<Vec<UpgradeSum>> {
        let marks = mark(&definitions);
        let mut changes: Vec<usize> = Vec::new();
        for (name, change) in groups {
            // Zero is no name.
            *entry(&mut changes, name as usize) = change as usize;
        }
        let mut sums: Vec<Upgrade> = Vec::new();
        let mut fixes = Vec::new();
        for image in &self.0 {
            fixes.clear();
            image.visit_fixes(py, |name, _, definition| {
                if has(&marks, definition) {
                    let change = changes.get(name).copied().unwrap_or(0);
                    fixes.push((if change == 0 { name } else { change }, definition));
                }
            })?;
            fixes.sort_unstable();
            fixes.dedup();
            for change in fixes.chunk_by(|first, second| first.0 == second.0) {
                let sum = entry(&mut sums, change[0].0);
                sum.problems += change.len() as u64;
                sum.images += 1;
                sum.workloads += image.workloads;
                sum.exposed_workloads += image.exposed_workloads;
            }
        }
        let sums = sums
            .into_iter()
            .enumerate()
            .filter(|(_, sum)| sum.images > 0);
        Ok(sums
            .map(|(name, sum)| {
                (
                    name,
                    sum.problems,
                    sum.images,
                    sum.workloads,
                    sum.exposed_workloads,
                )
            })
            .collect())
    }

    /// Return the different (name, version, definition) of `definitions` that `names` fix, sorted.
    fn list_upgrades(
        &self,
        py: Python<'_>,
        definitions: Vec<u32>,
        names: Vec<u32>,
    ) -> PyResult<Vec<(usize, usize, usize)>> {
        let (marks, selected) = (mark(&definitions), mark(&names));
        let mut fixes = BTreeSet::new();
        for image in &self.0 {
            image.visit_fixes(py, |name, version, definition| {
                if has(&selected, name) && has(&marks, definition) {
                    fixes.insert((name, version, definition));
                }
            })?;
        }
        Ok(fixes.into_iter().collect())
    }
}
