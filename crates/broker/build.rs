//! Links the C++ library that RocksDB needs into the binary, which then runs where there is none.

use std::{env, fs, path::PathBuf, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CXX");
    let Some(archive) = archive() else { return };
    // RocksDB's build asks for `-lstdc++`: of a folder without the shared library the linker takes the archive.
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    if fs::copy(archive, out.join("libstdc++.a")).is_ok() {
        println!("cargo:rustc-link-search=native={}", out.display());
    }
}

/// Where the compiler has the archive of the library. `None` where there is no such library, as on macOS.
fn archive() -> Option<PathBuf> {
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let output = Command::new(compiler).arg("-print-file-name=libstdc++.a").output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    // A compiler that has none answers with the bare name.
    path.is_absolute().then_some(path)
}
