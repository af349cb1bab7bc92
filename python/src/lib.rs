//! Python bindings: what `crinoid` exports to `import crinoid`.
//!
//! Arrays are copied once on their way in, while the interpreter is held, so that nobody can change
//! them meanwhile; all work is done without it. What the classes do is documented in
//! `crinoid/__init__.pyi`.

#![forbid(unsafe_code)]

mod arrays;
mod attributes;
mod collection;
mod errors;
mod events;
mod index;
mod names;
mod retriever;
mod sealed;
mod table;
mod work;

use pyo3::prelude::*;

#[pymodule]
fn _crinoid(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<index::PyIndex>()?;
    module.add_class::<index::PyFilter>()?;
    module.add_class::<index::PySearchIter>()?;
    module.add_class::<collection::PyCollection>()?;
    module.add_class::<collection::PyMatches>()?;
    module.add_class::<events::PyEvents>()?;
    module.add_class::<retriever::PyRetriever>()?;
    module.add_class::<table::PyTable>()?;
    module.add_class::<sealed::PySealed>()?;
    module.add_function(wrap_pyfunction!(table::read, module)?)?;
    module.add("VectorValueError", py.get_type::<errors::VectorValueError>())?;
    module.add("OptionValueError", py.get_type::<errors::OptionValueError>())?;
    module.add("UnknownIdError", py.get_type::<errors::UnknownIdError>())?;
    module.add("FileError", py.get_type::<errors::FileError>())?;
    module.add("StoreError", py.get_type::<errors::StoreError>())?;
    Ok(())
}
