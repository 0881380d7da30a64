//! Generates every message, record, API key and error code type from the tables in `data/`.
//!
//! The tables are the schema of Apache Kafka 4.3.1, one row a field. Reading them is `schema`, writing Rust is `emit`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a build script may stop the build

mod emit;
mod enums;
mod schema;

use std::{env, fs, path::Path};

fn main() {
    let out = env::var("OUT_DIR").unwrap();
    let read = |name: &str| {
        println!("cargo::rerun-if-changed=data/{name}");
        fs::read_to_string(Path::new("data").join(name)).unwrap()
    };
    let write = |name: &str, text: String| fs::write(Path::new(&out).join(name), text).unwrap();
    println!("cargo::rerun-if-changed=build");

    let messages = schema::messages(&read("messages.tsv"));
    let records = schema::records(&read("records.tsv"));
    let apis = schema::rows(&read("apis.tsv"));
    write("messages.rs", emit::modules(&messages));
    write("stored.rs", emit::modules(&records));
    write("api_key.rs", enums::api_keys(&apis, &messages));
    write("any.rs", enums::any(&messages));
    write("error_code.rs", enums::error_codes(&schema::rows(&read("errors.tsv"))));
}
