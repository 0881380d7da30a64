# Shared functions of the scripts that build; source this file, it runs nothing by itself. Wants $root.
. "$root/scripts/lib/deps.sh"

# Where cargo builds: as the caller set it, or the checkout's own folder.
build_target_dir() {
  case "${CARGO_TARGET_DIR:-}" in
    "") echo "$root/target" ;;
    /*) echo "$CARGO_TARGET_DIR" ;;
    *) echo "$PWD/$CARGO_TARGET_DIR" ;;
  esac
}

# Whether bindgen, which reads RocksDB's header, finds its library.
build_has_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib/llvm-*/lib/libclang.so' >/dev/null
}

# Installs what a build needs beside Rust (C for zstd, C++ and libclang for RocksDB) and fixes where cargo builds.
build_needs() {
  if ! command -v cargo >/dev/null && [ -r "$HOME/.cargo/env" ]; then
    . "$HOME/.cargo/env"
  fi
  command -v cargo >/dev/null || deps_die "needs Rust: see https://rustup.rs"
  deps_command cc gcc libc6-dev
  deps_command c++ g++
  deps_command make make
  # Without it RocksDB is compiled anew for each target folder, half an hour of a processor (scripts/lib/cxx).
  deps_command ccache ccache
  build_has_libclang || deps_apt_install libclang-dev
  export OTTLA_CACHE
  CARGO_TARGET_DIR="$(build_target_dir)"
  export CARGO_TARGET_DIR
}

# Builds the broker and sets built_ottla to its path.
build_release() {
  cargo build --release --locked -p ottla-broker --manifest-path "$root/Cargo.toml"
  built_ottla="$CARGO_TARGET_DIR/release/ottla"
}
