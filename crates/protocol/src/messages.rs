//! Requests, responses and their headers, generated from `data/messages.tsv`.
#![allow(missing_docs, unused_mut, unused_parens, unused_variables, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/messages.rs"));
