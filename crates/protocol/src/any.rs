//! Any request and any response, for tools that treat every API alike.

use crate::{
    ApiKey,
    codec::{Codec, DecodeError, Decoder, EncodeError, Encoder},
    messages,
};

include!(concat!(env!("OUT_DIR"), "/any.rs"));
