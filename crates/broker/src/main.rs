//! ottla-broker.
fn main() {}
