//! The contract of replicated state machines and the runtime that parks replies until commit.
