//! Redaction of secrets in objects of Kubernetes. Parts without secrets are shared with the original, not copied.
//!
//! This module knows the fields in which Kubernetes keeps secrets; the caller's functions judge names and texts.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::depth::check_depth;
use crate::filter::SecretFilter;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Keys with a cached number.
const MAX_KEYS: usize = 8192;
const LONGEST_KEY: usize = 200;

/// Condition for masking the value of a key, as a number: never, if the value looks generated, always.
#[derive(Clone, Copy, PartialEq)]
enum Masking {
    Never,
    IfGenerated,
    Always,
}

impl Masking {
    fn read(number: u8) -> Self {
        match number & 3 {
            0 => Self::Never,
            1 => Self::IfGenerated,
            _ => Self::Always,
        }
    }
}

/// Bit of a key's number: a field that needs more than a walk.
const FIELD: u8 = 4;
/// Bit of a key's number: users choose the keys of its value, such as the label `env`.
const FREE: u8 = 8;

/// Properties of a key.
#[derive(Clone, Copy)]
struct Key {
    masking: Masking,
    is_field: bool,
    has_free_keys: bool,
}

impl Key {
    fn read(number: &Bound<'_, PyAny>) -> PyResult<Self> {
        let number = number.extract::<u8>()?;
        Ok(Self {
            masking: Masking::read(number),
            is_field: number & FIELD != 0,
            has_free_keys: number & FREE != 0,
        })
    }
}

/// Functions and constants that judge names and texts.
#[pyclass(frozen)]
pub struct Redactor {
    mask: Py<PyString>,
    filter: Py<SecretFilter>,
    classify: Py<PyAny>,
    looks_generated: Py<PyAny>,
    mask_text: Py<PyAny>,
    mask_command: Py<PyAny>,
    /// Numbers of keys: their condition and the bits.
    keys: Py<PyDict>,
    /// Numbers of the keys of lists: plurals of names.
    list_keys: Py<PyDict>,
}

type Changed<'py> = Option<Bound<'py, PyAny>>;
type Entry<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Key);

#[pymethods]
impl Redactor {
    /// Masks with `mask`. A text that matches `filter` is passed to `mask_text`; the words of a command line to
    /// `mask_command`, with the container for `args`. `classify` returns the condition for masking the value of a key, as a
    /// number: never (0), if `looks_generated` (1), always (2).
    #[new]
    #[pyo3(signature = (*, mask, filter, classify, looks_generated, mask_text, mask_command))]
    fn new(
        py: Python<'_>,
        mask: Py<PyString>,
        filter: Py<SecretFilter>,
        classify: Py<PyAny>,
        looks_generated: Py<PyAny>,
        mask_text: Py<PyAny>,
        mask_command: Py<PyAny>,
    ) -> Self {
        Self {
            mask,
            filter,
            classify,
            looks_generated,
            mask_text,
            mask_command,
            keys: PyDict::new(py).unbind(),
            list_keys: PyDict::new(py).unbind(),
        }
    }

    /// Return an object of a kind without the fields of the API server and without secrets. Raises RecursionError.
    fn redact_object<'py>(
        &self,
        object: &Bound<'py, PyDict>,
        kind: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let kind = &*kind.to_string_lossy();
        let mut copy = Copy::new(object);
        self.redact_own_fields(&mut copy, kind)?;
        if let (Some(kind), Some(elements)) = (
            kind.strip_suffix("List"),
            copy.get(intern!(copy.py(), "items"))?,
        ) {
            if let Ok(elements) = elements.cast::<PyList>() {
                copy.set("items", self.redact_elements(elements, kind)?.into_any())?;
            }
        }
        self.redact(copy.finish().as_any())
    }

    /// Return a value without the secrets of all containers, objects and texts in it. Raises RecursionError.
    fn redact<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self
            .redact_child(None, value, 0)?
            .unwrap_or_else(|| value.clone()))
    }
}

impl Redactor {
    /// Return the redacted value of a key, or of an element for no key; None if there is no secret in it.
    fn redact_child<'py>(
        &self,
        key: Option<(&Bound<'py, PyAny>, Key)>,
        value: &Bound<'py, PyAny>,
        depth: usize,
    ) -> PyResult<Changed<'py>> {
        check_depth(depth)?;
        if let Ok(text) = value.cast::<PyString>() {
            return match key {
                Some((_, key)) => self.mask_field(key.masking, text),
                None => self.mask_text(text),
            };
        }
        if let Ok(mapping) = value.cast::<PyDict>() {
            let has_free_keys = key.is_some_and(|(_, key)| key.has_free_keys);
            return self.redact_mapping(has_free_keys, mapping, depth);
        }
        if let Ok(list) = value.cast::<PyList>() {
            return self.redact_list(key.map(|(name, _)| name), list, depth);
        }
        let is_number =
            value.is_exact_instance_of::<PyInt>() || value.is_exact_instance_of::<PyFloat>();
        let is_secret = is_number && key.is_some_and(|(_, key)| key.masking == Masking::Always);
        Ok(is_secret.then(|| self.mask(value.py())))
    }

    fn redact_mapping<'py>(
        &self,
        has_free_keys: bool,
        mapping: &Bound<'py, PyDict>,
        depth: usize,
    ) -> PyResult<Changed<'py>> {
        let mut copy = Copy::new(mapping);
        let mut entries = self.read_entries(mapping)?;
        if !has_free_keys && entries.iter().any(|(.., key)| key.is_field) {
            self.redact_fields(&mut copy)?;
            if let Some(changed) = &copy.changed {
                entries = self.read_entries(changed)?;
            }
        }
        for (name, child, key) in entries {
            if let Some(redacted) = self.redact_child(Some((&name, key)), &child, depth + 1)? {
                copy.set(name, redacted)?;
            }
        }
        Ok(copy.changed.map(Bound::into_any))
    }

    fn read_entries<'py>(&self, mapping: &Bound<'py, PyDict>) -> PyResult<Vec<Entry<'py>>> {
        let mut entries = Vec::with_capacity(mapping.len());
        for (name, value) in mapping.iter() {
            let key = self.read_key(&name)?;
            entries.push((name, value, key));
        }
        Ok(entries)
    }

    /// Redact the elements of a list; the texts below a key such as `passwords` are masked.
    fn redact_list<'py>(
        &self,
        name: Option<&Bound<'py, PyAny>>,
        list: &Bound<'py, PyList>,
        depth: usize,
    ) -> PyResult<Changed<'py>> {
        let are_secrets = match name {
            Some(name) => self.read_plural(name)?.masking == Masking::Always,
            None => false,
        };
        let mut copy: Option<Bound<'py, PyList>> = None;
        for (index, element) in list.iter().enumerate() {
            let redacted = if are_secrets && element.is_instance_of::<PyString>() {
                Some(self.mask(list.py()))
            } else {
                self.redact_child(None, &element, depth + 1)?
            };
            if let Some(redacted) = redacted {
                let copy = copy.get_or_insert_with(|| list.get_slice(0, list.len()));
                copy.set_item(index, redacted)?;
            }
        }
        Ok(copy.map(Bound::into_any))
    }

    /// Remove the fields that the API server adds, and mask the payload of an object.
    fn redact_own_fields(&self, copy: &mut Copy<'_, '_>, kind: &str) -> PyResult<()> {
        copy.remove(intern!(copy.py(), "status"))?;
        for name in payload_fields(kind) {
            if let Some(payload) = copy
                .get(&PyString::new(copy.py(), name))?
                .filter(|payload| !payload.is_none())
            {
                copy.set(*name, self.mask_payload(&payload)?)?;
            }
        }
        if kind == "ContainerImage" {
            self.mask_variables(copy)?;
        }
        redact_metadata(copy)
    }

    /// Mask the values of the variables of an image: `PORT=XXXXXX`.
    fn mask_variables(&self, copy: &mut Copy<'_, '_>) -> PyResult<()> {
        let py = copy.py();
        let Some(config) = copy.get(intern!(py, "config"))? else {
            return Ok(());
        };
        let Ok(config) = config.cast::<PyDict>() else {
            return Ok(());
        };
        let mut config = Copy::new(config);
        let Some(variables) = config.get(intern!(py, "Env"))? else {
            return Ok(());
        };
        let Ok(variables) = variables.cast::<PyList>() else {
            return Ok(());
        };
        let masked = PyList::empty(py);
        for variable in variables.iter() {
            let parts = variable.str()?.call_method1("partition", ("=",))?;
            masked.append(parts.get_item(0)?.add("=")?.add(&self.mask)?)?;
        }
        config.set("Env", masked.into_any())?;
        copy.set("config", config.finish().into_any())
    }

    fn redact_elements<'py>(
        &self,
        elements: &Bound<'py, PyList>,
        kind: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        let result = PyList::empty(elements.py());
        for element in elements.iter() {
            let Ok(mapping) = element.cast::<PyDict>() else {
                result.append(element)?;
                continue;
            };
            let own = mapping.get_item(intern!(element.py(), "kind"))?;
            let own = own.filter(|own| own.is_truthy().unwrap_or(false));
            let own = own.map(|own| own.str()).transpose()?;
            let mut copy = Copy::new(mapping);
            match own {
                Some(own) => self.redact_own_fields(&mut copy, &own.to_string_lossy())?,
                None => self.redact_own_fields(&mut copy, kind)?,
            }
            result.append(copy.finish())?;
        }
        Ok(result)
    }

    /// Redact the fields of one mapping that Kubernetes keeps secrets in, not the collections in it.
    fn redact_fields(&self, copy: &mut Copy<'_, '_>) -> PyResult<()> {
        let kind = copy.get(intern!(copy.py(), "kind"))?;
        let kind = kind.as_ref().and_then(|kind| kind.cast::<PyString>().ok());
        match kind.and_then(|kind| kind.to_str().ok()) {
            Some(kind) if !payload_fields(kind).is_empty() => {
                self.redact_own_fields(copy, kind)?;
            }
            _ => redact_metadata(copy)?,
        }
        for name in [intern!(copy.py(), "env"), intern!(copy.py(), "httpHeaders")] {
            if let Some(entries) = copy.get(name)? {
                copy.set(name, self.mask_values(&entries)?)?;
            }
        }
        if let Some(payload) = copy.get(intern!(copy.py(), "stringData"))? {
            copy.set("stringData", self.mask_payload(&payload)?)?;
        }
        if let Some(words) = copy.get(intern!(copy.py(), "command"))? {
            self.redact_command(copy, "command", &words)?;
        }
        if let Some(words) = copy.get(intern!(copy.py(), "args"))? {
            self.redact_command(copy, "args", &words)?;
        }
        copy.remove(intern!(copy.py(), "envFrom"))?;
        copy.remove(intern!(copy.py(), "valueFrom"))?;
        self.redact_parameter(copy)
    }

    fn redact_command<'py>(
        &self,
        copy: &mut Copy<'_, 'py>,
        name: &str,
        words: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        if words.is_instance_of::<PyList>() {
            let container = (name == "args").then(|| copy.original.clone());
            let masked = self
                .mask_command
                .bind(words.py())
                .call1((words, container))?;
            if !masked.eq(words)? {
                copy.set(name, masked)?;
            }
        } else if let Ok(text) = words.cast::<PyString>() {
            if let Some(masked) = self.mask_text(text)? {
                copy.set(name, masked)?;
            }
        }
        Ok(())
    }

    /// Redact the value of an entry of a list of parameters.
    fn redact_parameter(&self, copy: &mut Copy<'_, '_>) -> PyResult<()> {
        let Some(value) = copy.get(intern!(copy.py(), "value"))? else {
            return Ok(());
        };
        let is_scalar = !(value.is_none()
            || value.is_instance_of::<PyDict>()
            || value.is_instance_of::<PyList>()
            || value.is_instance_of::<PyBool>());
        let name = match copy.get(intern!(copy.py(), "name"))? {
            Some(name) => Some(name),
            None => copy.get(intern!(copy.py(), "key"))?,
        };
        if let (true, Some(name)) = (
            is_scalar,
            name.filter(|name| name.is_instance_of::<PyString>()),
        ) {
            let masking = self.read_key(&name)?.masking;
            if masking != Masking::Never {
                let text = value.str()?;
                let masked = self.mask_field(masking, &text)?;
                copy.set("value", masked.unwrap_or_else(|| text.into_any()))?;
            }
        }
        Ok(())
    }

    /// Mask the values of entries of `env` and `httpHeaders`; names stay.
    fn mask_values<'py>(&self, entries: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = entries.py();
        if entries.is_none() {
            return Ok(entries.clone());
        }
        let Ok(list) = entries.cast::<PyList>() else {
            return self.mask_payload(entries);
        };
        let result = PyList::empty(py);
        for element in list.iter() {
            match element.cast::<PyDict>() {
                Ok(mapping) => {
                    let mut copy = Copy::new(mapping);
                    if copy.get(intern!(copy.py(), "value"))?.is_some() {
                        copy.set("value", self.mask(py))?;
                    }
                    copy.remove(intern!(copy.py(), "valueFrom"))?;
                    result.append(copy.finish())?;
                }
                Err(_) => result.append(self.mask(py))?,
            }
        }
        Ok(result.into_any())
    }

    fn mask_payload<'py>(&self, payload: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let mask = self.mask(payload.py());
        let Ok(mapping) = payload.cast::<PyDict>() else {
            return Ok(mask);
        };
        let result = PyDict::new(payload.py());
        for key in mapping.keys() {
            result.set_item(key, &mask)?;
        }
        Ok(result.into_any())
    }

    fn mask<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.mask.bind(py).clone().into_any()
    }

    fn mask_field<'py>(
        &self,
        masking: Masking,
        text: &Bound<'py, PyString>,
    ) -> PyResult<Changed<'py>> {
        let is_secret = match masking {
            _ if text.is_empty()? => false,
            Masking::Never => false,
            Masking::IfGenerated => {
                let generated = self.looks_generated.bind(text.py()).call1((text,))?;
                generated.is_truthy()?
            }
            Masking::Always => true,
        };
        if is_secret {
            return Ok(Some(self.mask(text.py())));
        }
        self.mask_text(text)
    }

    fn mask_text<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Changed<'py>> {
        if !self.filter.get().matches(text) {
            return Ok(None);
        }
        let masked = self.mask_text.bind(text.py()).call1((text,))?;
        Ok((!masked.eq(text)?).then_some(masked))
    }

    fn read_key(&self, key: &Bound<'_, PyAny>) -> PyResult<Key> {
        let known = self.keys.bind(key.py());
        match known.get_item(key)? {
            Some(number) => Key::read(&number),
            None => self.judge(known, key, key.str()?),
        }
    }

    fn read_plural(&self, key: &Bound<'_, PyAny>) -> PyResult<Key> {
        let known = self.list_keys.bind(key.py());
        if let Some(number) = known.get_item(key)? {
            return Key::read(&number);
        }
        let name = key.str()?;
        let singular = name.call_method1("removesuffix", ("s",))?;
        self.judge(known, key, singular.cast_into()?)
    }

    /// Ask for the condition of a key, and keep its number.
    fn judge<'py>(
        &self,
        known: &Bound<'py, PyDict>,
        key: &Bound<'py, PyAny>,
        name: Bound<'py, PyString>,
    ) -> PyResult<Key> {
        let masking = self.classify.bind(key.py()).call1((&name,))?;
        let bits = if key.is_instance_of::<PyString>() {
            find_bits(&name.to_string_lossy())
        } else {
            0
        };
        let number = (masking.extract::<u8>()? | bits).into_pyobject(key.py())?;
        if name.len()? <= LONGEST_KEY {
            if known.len() >= MAX_KEYS {
                known.clear();
            }
            known.set_item(key, &number)?;
        }
        Key::read(&number)
    }
}

/// A mapping that is copied before its first change.
struct Copy<'a, 'py> {
    original: &'a Bound<'py, PyDict>,
    changed: Option<Bound<'py, PyDict>>,
}

impl<'a, 'py> Copy<'a, 'py> {
    fn new(original: &'a Bound<'py, PyDict>) -> Self {
        Self {
            original,
            changed: None,
        }
    }

    fn py(&self) -> Python<'py> {
        self.original.py()
    }

    fn current(&self) -> &Bound<'py, PyDict> {
        self.changed.as_ref().unwrap_or(self.original)
    }

    fn get(&self, name: &Bound<'py, PyString>) -> PyResult<Changed<'py>> {
        self.current().get_item(name)
    }

    fn set(&mut self, key: impl IntoPyObject<'py>, value: Bound<'py, PyAny>) -> PyResult<()> {
        self.edit()?.set_item(key, value)
    }

    fn remove(&mut self, name: &Bound<'py, PyString>) -> PyResult<()> {
        if self.current().contains(name)? {
            self.edit()?.del_item(name)?;
        }
        Ok(())
    }

    fn edit(&mut self) -> PyResult<&Bound<'py, PyDict>> {
        if self.changed.is_none() {
            self.changed = Some(self.original.copy()?);
        }
        Ok(self.current())
    }

    fn finish(self) -> Bound<'py, PyDict> {
        self.changed.unwrap_or_else(|| self.original.clone())
    }
}

/// Fields with the payload of a kind.
fn payload_fields(kind: &str) -> &'static [&'static str] {
    match kind {
        "Secret" => &["data", "stringData"],
        "ConfigMap" => &["data", "binaryData"],
        _ => &[],
    }
}

/// Remove the parts of `metadata` that repeat the object.
fn redact_metadata(copy: &mut Copy<'_, '_>) -> PyResult<()> {
    let Some(metadata) = copy.get(intern!(copy.py(), "metadata"))? else {
        return Ok(());
    };
    let Ok(mapping) = metadata.cast::<PyDict>() else {
        return Ok(());
    };
    let mut metadata = Copy::new(mapping);
    metadata.remove(intern!(metadata.py(), "managedFields"))?;
    if let Some(annotations) = metadata.get(intern!(metadata.py(), "annotations"))? {
        if let Ok(mapping) = annotations.cast::<PyDict>() {
            let mut annotations = Copy::new(mapping);
            annotations.remove(intern!(annotations.py(), LAST_APPLIED))?;
            if let Some(changed) = annotations.changed {
                metadata.set("annotations", changed.into_any())?;
            }
        }
    }
    match metadata.changed {
        Some(changed) => copy.set("metadata", changed.into_any()),
        None => Ok(()),
    }
}

/// Return the bits of a key's number.
fn find_bits(name: &str) -> u8 {
    match name {
        "kind" | "metadata" | "value" | "env" | "envFrom" | "valueFrom" | "httpHeaders"
        | "stringData" | "command" | "args" => FIELD,
        "labels" | "matchLabels" | "annotations" | "selector" | "nodeSelector" => FREE,
        _ => 0,
    }
}
