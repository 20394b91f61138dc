//! The memory shared by kernel programs, engine and agent.
//!
//! `bpf/layout.h` is the one source and says what every field means: types and constants are made of it when
//! this is built. All types are plain old data: any bytes are a value, and there is no padding, so shared
//! memory can be viewed as them.

pub mod bindings;
pub mod counters;
pub mod movement;
pub mod numbers;
pub mod pins;
pub mod shm;
pub mod times;

mod header {
    include!(concat!(env!("OUT_DIR"), "/layout.rs"));
}
pub use header::*;
