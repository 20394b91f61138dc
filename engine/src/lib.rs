//! The conditions half of netpersona: what a link does to a packet.

mod judge;
mod line;
mod pipe;
mod queue;
mod unit;

pub mod bucket;
pub mod buffer;
pub mod chance;
pub mod checksum;
pub mod clock;
pub mod delay;
pub mod engine;
pub mod fragment;
pub mod frame;
pub mod gso;
pub mod histogram;
pub mod icmp;
pub mod lane;
pub mod ledger;
pub mod loss;
pub mod memory;
pub mod pace;
pub mod packet;
pub mod plan;
pub mod rng;
pub mod tap;
pub mod vnet;
pub mod wakeup;
pub mod way;

pub use netpersona_layout as layout;
pub use netpersona_layout::{bindings, shm};
