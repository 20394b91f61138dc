//! `netpersona._engine`: loader, bindings, counters and packet engine for Python. Thin: what it does
//! is in the engine crate, and what it means is in `src/netpersona/_engine.pyi`.

mod engine;
mod kernel;
mod probes;
mod records;

use pyo3::prelude::*;

#[pyfunction]
fn now_ns() -> u64 {
    netpersona_engine::shm::now_ns()
}

#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::Stop>()?;
    module.add_class::<kernel::Kernel>()?;
    module.add_class::<kernel::Bindings>()?;
    module.add_class::<probes::Probes>()?;
    module.add_function(wrap_pyfunction!(engine::run_engine, module)?)?;
    module.add_function(wrap_pyfunction!(kernel::load, module)?)?;
    module.add_function(wrap_pyfunction!(records::layout, module)?)?;
    module.add_function(wrap_pyfunction!(now_ns, module)?)?;
    module.add(
        "Incompatible",
        module.py().get_type::<kernel::Incompatible>(),
    )?;
    Ok(())
}
