//! What a link does to a packet: loss, duplication, corruption, delay, queues and rate.
//!
//! Time and randomness are arguments: the same seed and packets at the same times give the same decisions.

mod delay_line;
mod fates;
mod queue;
mod timeline;
mod unit;

pub mod bucket;
pub mod chance;
pub mod delay;
pub mod emulator;
pub mod loss;
pub mod packet;
pub mod rng;
pub mod settings;
