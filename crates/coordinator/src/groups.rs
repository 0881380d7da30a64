//! Groups by protocol.

pub mod classic;
