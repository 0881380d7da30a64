//! Groups by protocol.

pub mod classic;
pub mod consumer;
