//! The codec against what it must agree with: its tables, another implementation, Apache Kafka's bytes, hostile bytes.
// Tests read the clock to see that nothing takes long, and the corpus from its folder.
#![allow(clippy::disallowed_methods)]

mod corpus;
mod golden;
mod heap;
mod hostile;
mod oracle;
mod random;
mod registry;
mod round_trip;
mod schema;
mod tables;
mod targets;
mod wire;
