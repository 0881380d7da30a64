//! Tests of the quorum: one node, a cluster under faults, changes of members, hostile messages.

mod cluster;
mod faults;
mod hostile;
mod inherited;
mod membership;
mod network;
mod single;
