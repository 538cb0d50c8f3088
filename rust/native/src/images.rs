//! Binding of the crate `kubekeep-images`. The interpreter lock is held only to call `read` and `progress` of the caller
//! and to convert results.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use kubekeep_images::{
    read_folder, read_layer, AhoCorasick, Digests, Error, Executable, Kept, Layer, Limits,
    LinkedValue, Request, Selection,
};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

create_exception!(
    _native,
    NativeLayerError,
    PyException,
    "The layer is damaged or exceeds a limit."
);

/// Bytes of a local file between two calls of `progress`.
const PROGRESS: u64 = 4 << 20;
/// Bytes that are requested from a stream.
const CHUNK: usize = 1 << 20;

type Links = HashMap<Vec<u8>, Vec<Vec<u8>>>;

/// A compiled selection of files, for any number of layers and threads.
#[pyclass(frozen)]
pub struct LayerReader {
    selection: Selection,
    limits: Limits,
}

#[pymethods]
impl LayerReader {
    /// Compile the patterns. `limits` are by name, others have their defaults. Raises ValueError for invalid ones.
    #[new]
    #[pyo3(signature = (patterns, version_patterns, limits = HashMap::new()))]
    fn new(
        patterns: Vec<(String, u32)>,
        version_patterns: Vec<(String, String, String)>,
        limits: HashMap<String, u64>,
    ) -> PyResult<Self> {
        let selection =
            Selection::new(&patterns, &version_patterns).map_err(PyValueError::new_err)?;
        Ok(Self {
            selection,
            limits: set_limits(&limits)?,
        })
    }

    /// Read a layer from `(path, offset, size)` of a file, where a size of None means up to the end, or from an object
    /// with `read(size)`. `symbols`: read those of Go executables. `progress` is called with numbers of bytes read and may
    /// raise to stop. `links` are the hard links of an earlier result: only their targets are read, under the paths of the
    /// links.
    #[pyo3(signature = (source, folder, *, marks = None, symbols = false, progress = None, links = Vec::new()))]
    #[allow(clippy::too_many_arguments)] // the signature for Python
    fn read(
        &self,
        py: Python<'_>,
        source: &Bound<'_, PyAny>,
        folder: PathBuf,
        marks: Option<PyRef<'_, SecretMarks>>,
        symbols: bool,
        progress: Option<Py<PyAny>>,
        links: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> PyResult<NativeLayer> {
        let marks = marks.map(|marks| marks.0.clone());
        let only = group_links(links);
        let request = Request {
            selection: &self.selection,
            limits: &self.limits,
            folder: &folder,
            marks: marks.as_ref(),
            symbols,
            only: only.as_ref(),
        };
        if let Ok((path, offset, size)) = source.extract::<(PathBuf, u64, Option<u64>)>() {
            let source = FileSource::open(&path, offset, size, progress)?;
            return convert(py.detach(|| read_layer(source, &request)));
        }
        if !source.hasattr("read")? {
            return Err(PyTypeError::new_err(
                "source must be (path, offset, size) or have a method read",
            ));
        }
        let source = StreamSource {
            stream: source.clone().unbind(),
            progress,
            buffer: Vec::new(),
            start: 0,
        };
        convert(py.detach(|| read_layer(source, &request)))
    }

    /// Read a folder of the file system. Raises OSError if it cannot be listed.
    #[pyo3(signature = (path, folder, *, marks = None, symbols = false))]
    fn read_folder(
        &self,
        py: Python<'_>,
        path: PathBuf,
        folder: PathBuf,
        marks: Option<PyRef<'_, SecretMarks>>,
        symbols: bool,
    ) -> PyResult<NativeLayer> {
        let marks = marks.map(|marks| marks.0.clone());
        let request = Request {
            selection: &self.selection,
            limits: &self.limits,
            folder: &folder,
            marks: marks.as_ref(),
            symbols,
            only: None,
        };
        convert(py.detach(|| read_folder(&path, &request)))
    }
}

/// Texts that occur in secrets, as one automaton.
#[pyclass(frozen)]
pub struct SecretMarks(AhoCorasick);

#[pymethods]
impl SecretMarks {
    #[new]
    fn new(marks: Vec<Vec<u8>>) -> PyResult<Self> {
        if marks.iter().any(Vec::is_empty) {
            return Err(PyValueError::new_err("a mark is empty"));
        }
        AhoCorasick::new(marks)
            .map(Self)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

type FileMode = (String, u32, u64, u64);
type NativeArchive<'py> = (
    &'py str,
    &'py str,
    Bound<'py, PyBytes>,
    Vec<(&'py str, Bound<'py, PyBytes>)>,
    &'py [(String, u32)],
);
type NativeLinkedValue<'py> = (&'py str, Vec<(&'py str, &'py [String])>);
type NativeExecutable<'py> = (
    &'py str,
    &'py str,
    &'py str,
    Bound<'py, PyBytes>,
    &'py [(String, String)],
    Bound<'py, PyBytes>,
    Vec<(&'py str, &'py str, bool)>,
    Vec<NativeLinkedValue<'py>>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
);

/// The result of a pass over a layer or folder.
#[pyclass(frozen)]
pub struct NativeLayer(Layer);

#[pymethods]
impl NativeLayer {
    /// Digests of the blob and of the archive as hexadecimal numbers, with their sizes; None for folders.
    #[getter]
    fn digests(&self) -> Option<(String, u64, String, u64)> {
        self.0.digests.as_ref().map(
            |Digests {
                 stored,
                 stored_size,
                 unpacked,
                 unpacked_size,
             }| (hex(stored), *stored_size, hex(unpacked), *unpacked_size),
        )
    }

    #[getter]
    fn paths(&self) -> &str {
        &self.0.paths
    }

    #[getter]
    fn removed(&self) -> &[String] {
        &self.0.removed
    }

    #[getter]
    fn opaque(&self) -> &[String] {
        &self.0.opaque
    }

    #[getter]
    fn problems(&self) -> &[(String, String)] {
        &self.0.problems
    }

    #[getter]
    fn modes(&self) -> Vec<FileMode> {
        let modes = self.0.modes.iter();
        modes
            .map(|file| (file.path.clone(), file.mode, file.owner, file.group))
            .collect()
    }

    /// Hard links whose targets a second pass has to read, as (target, link).
    #[getter]
    fn links<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let links = self.0.links.iter();
        links
            .map(|(target, link)| (PyBytes::new(py, target), PyBytes::new(py, link)))
            .collect()
    }

    /// Symbolic links at paths of the selection, as (link, target as it is written).
    #[getter]
    fn symbolic_links(&self) -> &[(String, String)] {
        &self.0.symbolic_links
    }

    #[getter]
    fn file_count(&self) -> usize {
        self.0.files.len()
    }

    /// Return path, numbers of catalogues, content and the path of the temporary file of a selected file.
    fn file<'py>(
        &'py self,
        py: Python<'py>,
        index: usize,
    ) -> PyResult<(&'py str, &'py [u32], Bound<'py, PyBytes>, String)> {
        let file = &self.0.files[index];
        let content = self.0.store.load(&file.content).map_err(to_py_error)?;
        let spill = match &file.content {
            Kept::Named(path) => path.to_string_lossy().into_owned(),
            _ => String::new(),
        };
        Ok((
            &file.path,
            &file.catalogs,
            PyBytes::new(py, &content),
            spill,
        ))
    }

    /// Texts with marks of secrets, as (path, content).
    fn candidates<'py>(
        &'py self,
        py: Python<'py>,
    ) -> PyResult<Vec<(&'py str, Bound<'py, PyBytes>)>> {
        let candidates = self.0.candidates.iter();
        candidates
            .map(|(path, content)| {
                let content = self.0.store.load(content).map_err(to_py_error)?;
                Ok((path.as_str(), PyBytes::new(py, &content)))
            })
            .collect()
    }

    /// Java archives: path, SHA-1, manifest, descriptors, folders with numbers of classes.
    fn archives<'py>(&'py self, py: Python<'py>) -> Vec<NativeArchive<'py>> {
        let archives = self.0.archives.iter();
        archives
            .map(|archive| {
                let descriptors = archive.descriptors.iter();
                (
                    archive.path.as_str(),
                    archive.sha1.as_str(),
                    PyBytes::new(py, &archive.manifest),
                    descriptors
                        .map(|(path, text)| (path.as_str(), PyBytes::new(py, text)))
                        .collect(),
                    archive.folders.as_slice(),
                )
            })
            .collect()
    }

    /// Executables with facts: path, Go version, Go modules, packages of Rust, versions, symbols of Go, variables of Go with
    /// names, values of the linker with the functions that read them and the texts beside, version resource and list of libraries of
    /// .NET.
    fn executables<'py>(&'py self, py: Python<'py>) -> Vec<NativeExecutable<'py>> {
        let executables = self.0.executables.iter();
        executables
            .map(
                |(
                    path,
                    Executable {
                        go_version,
                        go_modules,
                        cargo,
                        versions,
                        go_symbols,
                        go_variables,
                        go_linked,
                        version_resource,
                        dotnet_libraries,
                    },
                )| {
                    (
                        path.as_str(),
                        go_version.as_str(),
                        go_modules.as_str(),
                        PyBytes::new(py, cargo),
                        versions.as_slice(),
                        PyBytes::new(py, go_symbols),
                        list_variables(go_variables),
                        go_linked.iter().map(list_readers).collect(),
                        PyBytes::new(py, version_resource),
                        PyBytes::new(py, dotnet_libraries),
                    )
                },
            )
            .collect()
    }
}

fn list_variables(variables: &[(String, String, bool)]) -> Vec<(&str, &str, bool)> {
    let variables = variables.iter();
    variables
        .map(|(name, value, is_linked)| (name.as_str(), value.as_str(), *is_linked))
        .collect()
}

fn list_readers(linked: &LinkedValue) -> NativeLinkedValue<'_> {
    let readers = linked.readers.iter();
    let readers = readers.map(|reader| (reader.function.as_str(), reader.texts.as_slice()));
    (&linked.value, readers.collect())
}

fn convert(outcome: Result<Layer, Error>) -> PyResult<NativeLayer> {
    outcome.map(NativeLayer).map_err(to_py_error)
}

/// Return an error of the caller's stream unchanged, errors of files as OSError, others as NativeLayerError.
fn to_py_error(error: Error) -> PyErr {
    match error {
        Error::Source(error) => match error.downcast::<PyErr>() {
            Ok(error) => error,
            Err(error) => error.into(),
        },
        Error::Spill(_) => PyOSError::new_err(error.to_string()),
        Error::Damaged(_) | Error::Limit(_) => NativeLayerError::new_err(error.to_string()),
    }
}

fn set_limits(values: &HashMap<String, u64>) -> PyResult<Limits> {
    let mut limits = Limits::default();
    for (name, value) in values {
        let limit = match name.as_str() {
            "stored" => &mut limits.stored,
            "unpacked" => &mut limits.unpacked,
            "ratio" => &mut limits.ratio,
            "free_ratio" => &mut limits.free_ratio,
            "entries" => &mut limits.entries,
            "paths" => &mut limits.paths,
            "memory" => &mut limits.memory,
            "kept_memory" => &mut limits.kept_memory,
            "spill" => &mut limits.spill,
            "selected" => &mut limits.selected,
            "archive_unpacked" => &mut limits.archive_unpacked,
            "archive_entries" => &mut limits.archive_entries,
            "facts" => &mut limits.facts,
            _ => return Err(PyValueError::new_err(format!("unknown limit {name:?}"))),
        };
        *limit = *value;
    }
    if limits.ratio == 0 {
        return Err(PyValueError::new_err(
            "the limit \"ratio\" must be positive",
        ));
    }
    Ok(limits)
}

fn group_links(links: Vec<(Vec<u8>, Vec<u8>)>) -> Option<Links> {
    if links.is_empty() {
        return None;
    }
    let mut groups = Links::new();
    for (target, link) in links {
        groups.entry(target).or_default().push(link);
    }
    Some(groups)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A part of a local file.
struct FileSource {
    file: File,
    remaining: u64,
    is_bounded: bool,
    progress: Option<Py<PyAny>>,
    unreported: u64,
}

impl FileSource {
    fn open(
        path: &PathBuf,
        offset: u64,
        size: Option<u64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self {
            file,
            remaining: size.unwrap_or(u64::MAX),
            is_bounded: size.is_some(),
            progress,
            unreported: 0,
        })
    }
}

impl Read for FileSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.remaining.min(buffer.len() as u64) as usize;
        let size = self.file.read(&mut buffer[..count])?;
        if size == 0 && count > 0 && self.is_bounded {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file ends within the layer",
            ));
        }
        self.remaining -= size as u64;
        self.unreported += size as u64;
        if self.unreported >= PROGRESS || (size == 0 && self.unreported > 0) {
            report(self.progress.as_ref(), self.unreported)?;
            self.unreported = 0;
        }
        Ok(size)
    }
}

/// An object of the caller with a method `read`.
struct StreamSource {
    stream: Py<PyAny>,
    progress: Option<Py<PyAny>>,
    buffer: Vec<u8>,
    start: usize,
}

impl Read for StreamSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start == self.buffer.len() {
            self.start = 0;
            self.buffer.clear();
            Python::attach(|py| {
                let chunk = self.stream.call_method1(py, "read", (CHUNK,))?;
                let chunk = chunk.bind(py).cast::<PyBytes>().map_err(PyErr::from)?;
                self.buffer.extend_from_slice(chunk.as_bytes());
                Ok(())
            })
            .map_err(io::Error::other::<PyErr>)?;
            report(self.progress.as_ref(), self.buffer.len() as u64)?;
        }
        let size = buffer.len().min(self.buffer.len() - self.start);
        buffer[..size].copy_from_slice(&self.buffer[self.start..self.start + size]);
        self.start += size;
        Ok(size)
    }
}

fn report(progress: Option<&Py<PyAny>>, size: u64) -> io::Result<()> {
    if let Some(progress) = progress {
        Python::attach(|py| progress.call1(py, (size,))).map_err(io::Error::other::<PyErr>)?;
    }
    Ok(())
}
