//! The conditions half of netpersona: what a link does to a packet.

pub mod layout;
pub mod shm;
