//! Records that Kafka stores: metadata, coordinator, transaction, share and control records, generated from `data/records.tsv`.
#![allow(missing_docs, unused_mut, unused_parens, unused_variables, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/stored.rs"));
