//! The packet engine: takes packets from the detour, does to them what their personas say, and gives them back.

pub mod delays;
pub mod engine;
pub mod frame;
pub mod histogram;
pub mod lane;
pub mod memory;
pub mod pace;
pub mod settlement;
