//! The packet engine, in the calling thread.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use netpersona_engine::engine::{run, Config};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Asks a running engine to end.
#[pyclass(frozen)]
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

#[pymethods]
impl Stop {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Runs until `stop` is set. Python's signal handlers do not run in this thread meanwhile.
#[pyfunction]
pub fn run_engine(
    py: Python<'_>,
    bpffs: PathBuf,
    tap: String,
    memory: u64,
    stop: Py<Stop>,
) -> PyResult<()> {
    let config = Config {
        pins: bpffs,
        tap,
        memory,
    };
    let stop = stop.get();
    py.detach(|| run(&config, &stop.0))
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))
}
