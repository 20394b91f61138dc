//! `netpersona._engine`: loader, bindings, counters and packet engine for Python. Thin: what it does
//! is in the engine crate, and what it means is in `src/netpersona/_engine.pyi`.

mod engine;
mod kernel;
mod meter;
mod probes;
mod records;

use std::path::PathBuf;

use netpersona_layout::pins::{Pins, MAPS};
use netpersona_layout::shm;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;

#[pyfunction]
fn now_ns() -> u64 {
    shm::now_ns()
}

/// Where a map is pinned, in the layout of this build. KeyError if there is none of that name.
#[pyfunction]
fn map_pin(bpffs: PathBuf, name: &str) -> PyResult<PathBuf> {
    if MAPS.iter().all(|map| map.0 != name) {
        return Err(PyKeyError::new_err(name.to_owned()));
    }
    Ok(Pins::new(&bpffs).map(name))
}

#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::Stop>()?;
    module.add_class::<kernel::Kernel>()?;
    module.add_class::<kernel::Bindings>()?;
    module.add_class::<meter::Meter>()?;
    module.add_class::<probes::Probes>()?;
    module.add_function(wrap_pyfunction!(engine::run_engine, module)?)?;
    module.add_function(wrap_pyfunction!(kernel::load, module)?)?;
    module.add_function(wrap_pyfunction!(kernel::check, module)?)?;
    module.add_function(wrap_pyfunction!(records::layout, module)?)?;
    module.add_function(wrap_pyfunction!(now_ns, module)?)?;
    module.add_function(wrap_pyfunction!(map_pin, module)?)?;
    module.add(
        "Incompatible",
        module.py().get_type::<kernel::Incompatible>(),
    )?;
    Ok(())
}
