//! Bytes to messages and back: frames, headers, generated messages and records, record batches, error codes, newtypes.
//!
//! Invariants: no byte from outside makes this crate panic, and decoding takes at most 16 times the input plus 64 KiB
//! of heap. What was decoded and is encoded again at the same version is the same bytes.
//!
//! The crate does not know sockets, files, clocks, or what any message means.

pub mod any;
mod api_key;
pub mod batch;
pub mod codec;
pub mod compression;
mod error_code;
pub mod frame;
pub mod messages;
pub mod stored;

pub use self::api_key::ApiKey;
pub use self::codec::{Bytes, Codec, Message, Records, Str, Uuid};
pub use self::error_code::ErrorCode;
