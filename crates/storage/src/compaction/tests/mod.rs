//! Compaction from outside.
