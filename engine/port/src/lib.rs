//! Where packets come in and go out: the detour TAP, buffers, the clock, and what wakes a sleeper.

pub mod buffer;
pub mod clock;
pub mod tap;
pub mod wakeup;
