//! What the fuzzer found worth keeping, run again by every `cargo test`.

use crate::targets::TARGETS;
use std::{fs, path::Path};

#[test]
fn the_corpus_is_survived() {
    for (name, target) in TARGETS {
        let folder = Path::new("tests/data/corpus").join(name);
        let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut count = 0;
        for file in files {
            let path = file.expect("a folder entry").path();
            target(&fs::read(&path).expect("readable"));
            count += 1;
        }
        assert!(count > 0, "{name} has no corpus");
    }
}
