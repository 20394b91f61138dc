//! What a link does to a packet: loss, duplication, corruption, delay, queues and rate.
//!
//! Time and randomness are arguments: the same seed and packets at the same times give the same decisions.

mod judge;
mod line;
mod pipe;
mod queue;
mod unit;

pub mod bucket;
pub mod chance;
pub mod delay;
pub mod lane;
pub mod loss;
pub mod packet;
pub mod plan;
pub mod rng;
