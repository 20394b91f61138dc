//! The kernel programs: compiled in, loaded, pinned, and put on the tc hooks of interfaces.

pub mod attach;
pub mod interface;
pub mod loader;
pub mod object;
