//! The same requests to two brokers, and their answers field by field.

pub mod client;
pub mod compare;
pub mod known;
pub mod normal;
pub mod run;
pub mod script;
mod settle;
pub mod tree;
