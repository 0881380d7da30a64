//! Groups by protocol.

pub(crate) mod cause;
pub mod classic;
pub mod consumer;
mod measure;

pub use self::measure::MeasuredGroup;

pub(crate) use self::measure::measure;
