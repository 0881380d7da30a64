# Shared functions of the set-up scripts; source this file, it runs nothing by itself.

# Where downloads and environments live, outside the checkout.
OTTLA_CACHE="${OTTLA_CACHE:-$HOME/.cache/ottla}"

deps_say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

deps_die() {
  deps_say "$*"
  exit 1
}

# Installs Debian packages, refreshing the package lists once a run.
deps_apt_install() {
  command -v apt-get >/dev/null || deps_die "needs these Debian packages, and there is no apt-get: $*"
  local sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  deps_say "installing $*"
  if [ -z "${DEPS_APT_UPDATED:-}" ]; then
    "${sudo[@]}" apt-get update -q -o Acquire::Retries=3 >&2
    DEPS_APT_UPDATED=1
  fi
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q -o Acquire::Retries=3 --no-install-recommends "$@" >&2
}

# deps_command COMMAND PACKAGE...: installs the packages when the command is missing.
deps_command() {
  local wanted="$1"
  shift
  command -v "$wanted" >/dev/null || deps_apt_install "$@"
  command -v "$wanted" >/dev/null || deps_die "$wanted is still missing after installing $*"
}

# deps_fresh STAMP FILE...: true when STAMP records the present contents of the files.
deps_fresh() {
  local stamp="$1"
  shift
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$@" | sha256sum)" ]
}

# deps_stamp STAMP FILE...: records the contents of the files a step was made from.
deps_stamp() {
  local stamp="$1"
  shift
  cat "$@" | sha256sum >"$stamp.new"
  mv "$stamp.new" "$stamp"
}
