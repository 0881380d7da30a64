//! ottla-xtask.
fn main() {}
