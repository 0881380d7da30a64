//! What the programs that test a broker on the wire share: requests with something in every field, and random numbers.

pub mod differential;
pub mod random;
pub mod samples;
