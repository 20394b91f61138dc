//! Captured probes, out of the kernel's ring buffer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytemuck::pod_read_unaligned;
use libbpf_rs::{ErrorKind, MapHandle, RingBuffer, RingBufferBuilder};
use netpersona_layout::pins::Pins;
use netpersona_layout::ProbeEvent;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// (captured_ns, attachment, direction, frame length, verdict, first 128 bytes)
type Capture<'py> = (u64, u32, u32, u32, u32, Bound<'py, PyBytes>);

/// The reading end. One at a time: what one reader takes, another does not see.
#[pyclass(frozen)]
#[derive(Debug)]
pub struct Probes {
    ring: Mutex<RingBuffer<'static>>,
    _map: MapHandle, // epoll forgets the ring when its descriptor is closed
    captured: Arc<Mutex<Vec<ProbeEvent>>>,
}

#[pymethods]
impl Probes {
    #[new]
    fn new(bpffs: PathBuf) -> PyResult<Self> {
        let failed = |error: libbpf_rs::Error| PyOSError::new_err(error.to_string());
        let map = MapHandle::from_pinned_path(Pins::new(&bpffs).map("probes")).map_err(failed)?;
        let captured = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&captured);
        let mut builder = RingBufferBuilder::new();
        builder
            .add(&map, move |bytes: &[u8]| {
                if bytes.len() >= size_of::<ProbeEvent>() {
                    let event = pod_read_unaligned(&bytes[..size_of::<ProbeEvent>()]);
                    keep.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(event);
                }
                0
            })
            .map_err(failed)?;
        let ring = builder.build().map_err(failed)?;
        Ok(Self {
            ring: Mutex::new(ring),
            _map: map,
            captured,
        })
    }

    /// What was captured since the last call; waits up to `timeout_ms` if that is nothing.
    fn read<'py>(&self, py: Python<'py>, timeout_ms: u64) -> PyResult<Vec<Capture<'py>>> {
        py.detach(|| self.poll(Duration::from_millis(timeout_ms)))
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        let events =
            std::mem::take(&mut *self.captured.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(events.iter().map(|event| capture(py, event)).collect())
    }
}

impl Probes {
    /// A signal ends the wait early: Python looks at it between calls.
    fn poll(&self, timeout: Duration) -> libbpf_rs::Result<()> {
        match self
            .ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .poll(timeout)
        {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }
}

fn capture<'py>(py: Python<'py>, event: &ProbeEvent) -> Capture<'py> {
    (
        event.captured_ns,
        event.attachment,
        event.direction,
        event.length,
        event.verdict,
        PyBytes::new(py, &event.head),
    )
}
