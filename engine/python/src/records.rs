//! Shared records as Python dictionaries.

use netpersona_layout as shared;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A record of numbers, by field name.
macro_rules! record {
    ($py:expr, $value:expr, $($field:ident),+ $(,)?) => {{
        let record = PyDict::new($py);
        let value = $value;
        $(record.set_item(stringify!($field), value.$field)?;)+
        record
    }};
}
pub(crate) use record;

/// Sizes in bytes and bounds of the shared memory, by the names of `bpf/layout.h`.
#[pyfunction]
pub fn layout(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let sizes = PyDict::new(py);
    for (name, value) in [
        ("NP_MAX_ATTACHMENTS", shared::MAX_ATTACHMENTS),
        ("NP_MAX_SLOTS", shared::MAX_SLOTS),
        ("NP_MAX_FLOWS", shared::MAX_FLOWS),
        ("NP_MAX_FRAGMENTS", shared::MAX_FRAGMENTS),
        ("np_binding", size_of::<shared::Binding>()),
        ("np_policy", size_of::<shared::Policy>()),
        ("np_conditions", size_of::<shared::Conditions>()),
        ("np_detour", size_of::<shared::DetourHeader>()),
        ("np_counters", size_of::<shared::Counters>()),
        ("np_lane_stats", size_of::<shared::LaneStats>()),
        ("np_engine_stats", size_of::<shared::EngineStats>()),
        ("np_probe_event", size_of::<shared::ProbeEvent>()),
    ] {
        sizes.set_item(name, value)?;
    }
    Ok(sizes)
}
