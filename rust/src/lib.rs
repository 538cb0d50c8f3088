//! The native half of `kubekeep.engine`: Rego by regorus, on all cores, behind PyO3.
//!
//! It parses, compiles and evaluates; it never reads files, never opens sockets and knows nothing of
//! controls or Kubernetes. Documents cross the border as JSON text, so that no Python object is
//! touched while the interpreter lock is released.

mod batch;
mod builtins;
mod check;
mod failure;
mod query;
mod reference;
mod scan;
mod source;
mod syntax;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<batch::PolicySet>()?;
    module.add_function(wrap_pyfunction!(query::evaluate, module)?)?;
    module.add(
        "NativeRegoError",
        module.py().get_type::<query::NativeRegoError>(),
    )?;
    Ok(())
}
