//! The native part of Kubekeep behind PyO3: Rego by regorus, on all cores, the reader of YAML, Go's
//! regular expressions, and texts in less memory.
//!
//! It parses, compiles and evaluates; it never reads files, never opens sockets and knows nothing of
//! controls or Kubernetes. To Rego, documents cross the border as JSON text, so that no Python object is
//! touched while the interpreter lock is released.

mod batch;
mod builtins;
mod check;
mod failure;
mod pack;
mod pattern;
mod query;
mod reference;
mod scan;
mod source;
mod syntax;
mod yaml;

use mimalloc::MiMalloc;
use pyo3::prelude::*;

/// Rules make and drop small values all the time: a fourth of the time went into the allocator of the system.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // Errors of rules are told with file and line. Where RUST_BACKTRACE is set, each would walk the stack of
    // the interpreter too, a tenth of the time of a scan.
    std::env::set_var("RUST_LIB_BACKTRACE", "0");
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<batch::PolicySet>()?;
    module.add_function(wrap_pyfunction!(query::evaluate, module)?)?;
    module.add(
        "NativeRegoError",
        module.py().get_type::<query::NativeRegoError>(),
    )?;
    module.add_class::<pattern::Pattern>()?;
    module.add_class::<yaml::YamlDocuments>()?;
    module.add_class::<yaml::PyTree>()?;
    module.add_function(wrap_pyfunction!(yaml::json_integer, module)?)?;
    module.add_function(wrap_pyfunction!(pack::pack, module)?)?;
    module.add_function(wrap_pyfunction!(pack::unpack, module)?)?;
    Ok(())
}
