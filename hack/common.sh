# shellcheck shell=bash
# What the scripts in hack/ and .ci/ share. Sourced, never run.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# One folder for everything that is built once and kept: the Go-built binaries
# and Cargo's own tools, each under a name with its version.
export PILLION_TOOLS=${PILLION_TOOLS:-$repository/hack/.cache/bin}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
script=${0#"$repository/"}

say() { printf '%s: %s\n' "$script" "$*" >&2; }

fail() {
  say "FAILED: $*"
  exit 1
}

# stage NAME COMMAND…: runs one step with a heading; the first failure ends the script.
stage() {
  local name=$1 start=$SECONDS
  shift
  say "== $name"
  "$@" || fail "$name, after $((SECONDS - start)) s"
  say "== $name: done in $((SECONDS - start)) s"
}

# need COMMAND PACKAGE…: installs Debian packages when a command is missing.
need() {
  local command=$1
  shift
  command -v "$command" >/dev/null && return
  say "$command is missing"
  need_package "$@"
  command -v "$command" >/dev/null || fail "$command is still missing after installing $*"
}

# need_package PACKAGE…: installs Debian packages.
need_package() {
  local as_root=()
  command -v apt-get >/dev/null || fail "there is no apt-get here: install $*"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "install $* (apt-get needs root, and there is no sudo)"
    as_root=(sudo)
  fi
  say "installing $*"
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get install -qq -y --no-install-recommends "$@" >&2 ||
    { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -qq -y --no-install-recommends "$@"; } >&2 ||
    fail "apt-get cannot install $*"
}

# What every build of the workspace needs. rustup reads rust-toolchain.toml and
# fetches that toolchain by itself.
need_rust() {
  command -v cargo >/dev/null || fail "cargo is missing: install rustup (see CONTRIBUTING.md)"
  need cc build-essential
  need c++ build-essential
}

# cargo_tool NAME VERSION [OPTION…]: sets `tool` to the path of one of Cargo's tools,
# which is built when it is not there. A debug build: it is slower by seconds and built
# sooner by minutes.
cargo_tool() {
  local name=$1 version=$2
  shift 2
  tool=$PILLION_TOOLS/$name-$version
  [ -x "$tool" ] && return
  local root=$repository/hack/.cache/$name
  mkdir -p "$PILLION_TOOLS"
  cargo install --locked --debug "$@" --version "$version" --root "$root" "$name" &&
    mv "$root/bin/$name" "$tool" && rm -rf "$root"
}
