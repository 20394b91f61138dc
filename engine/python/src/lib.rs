//! `netpersona._engine`: the engine, the bindings and the loader for Python.

use pyo3::prelude::*;

#[pymodule]
fn _engine(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
