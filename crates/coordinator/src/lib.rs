//! Groups and offsets as a replicated state machine.
