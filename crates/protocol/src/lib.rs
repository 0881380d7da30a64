//! Bytes to messages and back: frames, headers, generated messages and records, record batches, error codes, newtypes.
