//! Feeds libFuzzer's bytes to one of the targets of the protocol's tests, the one that OTTLA_FUZZ_TARGET names.
#![no_main]
#![allow(dead_code)] // of the tests' files only a part is needed here

#[path = "../../crates/protocol/tests/codec/heap.rs"]
mod heap;
#[path = "../../crates/protocol/tests/codec/registry.rs"]
mod registry;
#[path = "../../crates/protocol/tests/codec/targets.rs"]
mod targets;

use std::sync::LazyLock;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = std::env::var("OTTLA_FUZZ_TARGET").unwrap_or_default();
    let found = targets::TARGETS.into_iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("OTTLA_FUZZ_TARGET={name:?} is no target")).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
