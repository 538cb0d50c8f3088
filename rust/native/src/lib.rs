//! Python extension module `kubekeep._native`: bindings to the crates `kubekeep-images`, `kubekeep-objects`,
//! `kubekeep-rego` and `kubekeep-yaml`.
//!
//! No network access, no files except layers of images and temporary ones, no knowledge of controls. Documents for Rego cross the boundary as
//! JSON text, so that no Python object is used while the interpreter lock is released.

mod counts;
mod ignore;
mod images;
mod pack;
mod packed_numbers;
mod problems;
mod rego;

use mimalloc::MiMalloc;
use pyo3::prelude::*;

/// Rules allocate and free many small values: the system allocator took a fourth of the evaluation time. Without huge
/// pages, which took up to 25 MB more and saved no time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // Rule errors carry file and line. With RUST_BACKTRACE set, each error would also walk the interpreter's stack,
    // a tenth of the time of a scan.
    std::env::set_var("RUST_LIB_BACKTRACE", "0");
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<rego::PolicySet>()?;
    module.add_function(wrap_pyfunction!(rego::compile_byte_code, module)?)?;
    module.add_function(wrap_pyfunction!(rego::evaluate, module)?)?;
    module.add(
        "NativeRegoError",
        module.py().get_type::<rego::NativeRegoError>(),
    )?;
    module.add_class::<rego::Pattern>()?;
    module.add_class::<ignore::IgnorePatterns>()?;
    module.add_class::<images::LayerReader>()?;
    module.add_class::<images::NativeLayer>()?;
    module.add_class::<images::SecretMarks>()?;
    module.add(
        "NativeLayerError",
        module.py().get_type::<images::NativeLayerError>(),
    )?;
    module.add_class::<kubekeep_objects::FieldCheck>()?;
    module.add_class::<kubekeep_objects::Redactor>()?;
    module.add_class::<kubekeep_objects::SecretFilter>()?;
    module.add_class::<kubekeep_yaml::YamlDocuments>()?;
    module.add_class::<kubekeep_yaml::PyTree>()?;
    module.add_function(wrap_pyfunction!(kubekeep_yaml::json_integer, module)?)?;
    module.add_function(wrap_pyfunction!(kubekeep_yaml::find_fields, module)?)?;
    module.add_function(wrap_pyfunction!(kubekeep_yaml::line_starts, module)?)?;
    module.add_function(wrap_pyfunction!(counts::pack_counts, module)?)?;
    module.add_function(wrap_pyfunction!(counts::sum_counts, module)?)?;
    module.add_class::<problems::ImageProblems>()?;
    module.add_function(wrap_pyfunction!(problems::pack_problems, module)?)?;
    module.add_function(wrap_pyfunction!(pack::pack, module)?)?;
    module.add_function(wrap_pyfunction!(pack::unpack, module)?)?;
    Ok(())
}
