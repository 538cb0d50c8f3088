//! Problems of images in a compact form, and their sums over many images: by definition, and by the package to upgrade.
//!
//! A list of four million problems in a database is summed in seconds, in this form in tens of milliseconds. Numbers are
//! those of rows in the database; their meaning is unknown here.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::packed_numbers::{entry, invalid, write, Reader, LIMIT};

/// An open problem of an image. `name` and `version`: of the package that fixes it; 0 without one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, FromPyObject)]
pub struct Problem(u32, u32, u32, i64);

/// Pack the problems of one image: (name, version, definition, opened) of each.
///
/// Format, numbers as LEB128: count of times, the times; then groups: name, version, size, and for each problem the
/// difference of its definition to the one before and the number of its time.
#[pyfunction]
pub fn pack_problems<'py>(
    py: Python<'py>,
    mut problems: Vec<Problem>,
) -> PyResult<Bound<'py, PyBytes>> {
    problems.sort_unstable();
    let mut times: Vec<i64> = problems.iter().map(|problem| problem.3).collect();
    times.sort_unstable();
    times.dedup();
    let mut content = Vec::with_capacity(8 + 4 * problems.len());
    write(&mut content, times.len() as u64);
    for time in &times {
        write(&mut content, *time as u64);
    }
    for group in problems.chunk_by(|first, second| (first.0, first.1) == (second.0, second.1)) {
        write(&mut content, u64::from(group[0].0));
        write(&mut content, u64::from(group[0].1));
        write(&mut content, group.len() as u64);
        let mut last = 0;
        for Problem(_, _, definition, opened) in group {
            write(&mut content, u64::from(definition - last));
            write(
                &mut content,
                times.partition_point(|time| time < opened) as u64,
            );
            last = *definition;
        }
    }
    Ok(PyBytes::new(py, &content))
}

struct Image {
    content: Py<PyBytes>,
    exposure: u8,
    workloads: u64,
    exposed_workloads: u64,
}

/// The problems of a group of one image that the same version of a package fixes: definition and time.
type Group = (usize, usize, Vec<(usize, i64)>);

impl Image {
    /// Call `visit` with each group.
    fn visit(&self, py: Python<'_>, mut visit: impl FnMut(&Group)) -> PyResult<()> {
        let mut reader = Reader::new(self.content.as_bytes(py));
        let count = reader.row()?;
        let times = (0..count)
            .map(|_| reader.number())
            .collect::<PyResult<Vec<_>>>()?;
        let mut group: Group = (0, 0, Vec::new());
        while !reader.is_empty() {
            group.0 = reader.row()?;
            group.1 = reader.row()?;
            group.2.clear();
            let mut definition = 0;
            for _ in 0..reader.row()? {
                definition = reader.after(definition)?;
                let time = times.get(reader.row()?).ok_or_else(invalid)?;
                group.2.push((definition, *time as i64));
            }
            visit(&group);
        }
        Ok(())
    }
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
    last_image: usize,
    exposure: u8,
    images: u32,
    opened: Option<i64>,
    is_fixable: bool,
}

#[derive(Clone, Default)]
struct Upgrade {
    last_image: usize,
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
    fn sum_definitions(&self, py: Python<'_>) -> PyResult<Vec<(usize, u8, u32, i64, bool)>> {
        let mut sums: Vec<Sum> = Vec::new();
        for (image, number) in self.0.iter().zip(1..) {
            image.visit(py, |(name, _, problems)| {
                for (definition, opened) in problems {
                    let sum = entry(&mut sums, *definition);
                    if sum.last_image != number {
                        sum.last_image = number;
                        sum.images += 1;
                        sum.exposure = sum.exposure.max(image.exposure);
                    }
                    sum.opened = Some(sum.opened.map_or(*opened, |time| time.min(*opened)));
                    sum.is_fixable |= *name != 0;
                }
            })?;
        }
        let sums = sums
            .into_iter()
            .enumerate()
            .filter(|(_, sum)| sum.images > 0);
        Ok(sums
            .map(|(number, sum)| {
                (
                    number,
                    sum.exposure,
                    sum.images,
                    sum.opened.unwrap_or_default(),
                    sum.is_fixable,
                )
            })
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
        // The last image, counted from 1, and the number of images.
        let mut seen = vec![(0, 0); marks.len()];
        let mut pairs = Vec::new();
        for (number, image) in self.0.iter().enumerate() {
            image.visit(py, |(_, _, problems)| {
                for (definition, _) in problems {
                    if has(&marks, *definition) {
                        let (last, count) = &mut seen[*definition];
                        if *last != number + 1 && *count < limit {
                            pairs.push((*definition, number));
                            *count += 1;
                        }
                        *last = number + 1;
                    }
                }
            })?;
        }
        Ok(pairs)
    }

    /// Return (name, problems, images, workloads, exposed workloads) of each package that fixes some of `definitions`.
    fn sum_upgrades(
        &self,
        py: Python<'_>,
        definitions: Vec<u32>,
    ) -> PyResult<Vec<(usize, u64, u64, u64, u64)>> {
        let marks = mark(&definitions);
        let mut sums: Vec<Upgrade> = Vec::new();
        for (image, number) in self.0.iter().zip(1..) {
            image.visit(py, |(name, _, problems)| {
                let count = problems
                    .iter()
                    .filter(|(definition, _)| has(&marks, *definition))
                    .count();
                if *name == 0 || count == 0 {
                    return;
                }
                let sum = entry(&mut sums, *name);
                sum.problems += count as u64;
                if sum.last_image != number {
                    sum.last_image = number;
                    sum.images += 1;
                    sum.workloads += image.workloads;
                    sum.exposed_workloads += image.exposed_workloads;
                }
            })?;
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
        let mut fixes = std::collections::BTreeSet::new();
        for image in &self.0 {
            image.visit(py, |(name, version, problems)| {
                if has(&selected, *name) {
                    let matching = problems
                        .iter()
                        .filter(|(definition, _)| has(&marks, *definition));
                    fixes.extend(matching.map(|(definition, _)| (*name, *version, *definition)));
                }
            })?;
        }
        Ok(fixes.into_iter().collect())
    }
}
