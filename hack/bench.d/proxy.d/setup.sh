# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# What has to be there: programs, a folder, limits.

# prepare: installs and builds what is needed, with Envoy and HAProxy if they are in `peers` (nginx is the server, and
# always there), and copies it to `folder`.
prepare() {
  [ "$(id -u)" = 0 ] || fail "network namespaces and iptables need root"
  [ "$(nproc)" -ge 2 ] || fail "needs two cores: one for the proxy, one for the client and the server"
  [ -z "$binaries" ] || check_binaries
  need ip iproute2
  need iptables iptables
  need nginx nginx-light
  ! has_peer haproxy || need haproxy haproxy
  need setpriv util-linux
  need curl curl
  need strip binutils
  [ -z "${with_syscalls:-}" ] || need strace strace
  [ -z "${with_profile:-}" ] || need perf linux-perf
  ! has_peer envoy || need_envoy
  [ -n "$binaries" ] || build
  # User 1337 may read what is in here, and perhaps not the checkout.
  folder=$(mktemp -d)
  chmod 755 "$folder"
  trap finish EXIT
  cp "$binaries"/pillion-{proxy,load,mesh} "$folder"
  ! has_peer envoy || cp "$envoy" "$folder/envoy"
  # A connection takes two descriptors of a proxy.
  ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
}

has_peer() { case " $peers " in *" $1 "*) ;; *) false ;; esac; }

# check_binaries: whether all programs are there. Nothing of Rust is needed then.
check_binaries() {
  local name
  for name in proxy load mesh; do
    [ -x "$binaries/pillion-$name" ] || fail "$binaries has no pillion-$name: copy it there, or leave --binaries out to build it"
  done
}

# build: builds what is needed, and sets `binaries`.
build() {
  local package
  need_rust
  need python3 python3
  # One after the other: together, they would share features.
  for package in pillion-proxy pillion-load pillion-mesh; do
    stage "$profile build of $package" cargo build --profile "$profile" --locked -p "$package" >&2
  done
  binaries=${CARGO_TARGET_DIR:-$(target_folder)}/$profile
}

# at_once: connections that are open at a time at most: a proxy has two descriptors for each.
at_once() {
  local most=$((($(ulimit -n) - 1024) / 2))
  echo $((most < 10000 ? most : 10000))
}

# target_folder: where cargo builds, which a configuration of its own may say.
target_folder() {
  cargo metadata --format-version 1 --no-deps --offline | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])'
}

finish() {
  remove_network
  rm -rf "$folder"
}
