# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# Pods, each a network namespace with captured traffic, and the namespace of the servers. `folder` is set.

network=pillion-bench-$$
# By their numbers: a pod's address is 10.213.NUMBER.2, and its servers' is 10.213.NUMBER.1.
declare -A numbers=([pillion]=1 [envoy]=2 [nginx]=3 [haproxy]=4 [second]=5 [relay]=9)
made=()

# What else runs on the machine has to wait. The kernel compares a process first with those of
# its session, so each gets a session of its own, and that the priority.
# shellcheck disable=SC2016 # for the inner shell
first=(setsid sh -c 'echo -19 2>/dev/null >/proc/self/autogroup; exec nice -n -19 "$@"' sh)
as_proxy=(setpriv --reuid 1337 --regid 1337 --clear-groups --)

# inside NAMESPACE COMMAND…: each of these programs executes the next one, so the process stays the same.
inside() { ip netns exec "$network-$1" "${@:2}"; }

server_of() { echo "10.213.${numbers[$1]}.1"; }

# make_namespace NAME
make_namespace() {
  ip netns add "$network-$1"
  made+=("$1")
  inside "$1" ip link set lo up
  # Thousands of clients, and as many connections to servers. The proxies' own ports are below.
  inside "$1" sh -c 'echo 16000 65000 >/proc/sys/net/ipv4/ip_local_port_range' 2>/dev/null || true
}

# make_pod NAME: a namespace with captured traffic and a way to the servers.
make_pod() {
  local name=$1 number=${numbers[$1]}
  make_namespace "$name"
  ip link add eth0 netns "$network-$name" type veth peer name "to-$name" netns "$network-server"
  inside "$name" ip address add "10.213.$number.2/24" dev eth0
  inside server ip address add "10.213.$number.1/24" dev "to-$name"
  inside "$name" ip link set eth0 up
  inside server ip link set "to-$name" up
  # Addresses of Services.
  inside "$name" ip route add default via "10.213.$number.1"
  inside "$name" "$folder/pillion-proxy" init -p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' -d 15090,15021,15020 >"$folder/init.$name" 2>&1 ||
    fail "no capture in the pod of $name: $(tail -3 "$folder/init.$name")"
}

# make_pods NAME…: pods, and the namespace of their servers.
make_pods() {
  local name
  make_namespace server
  for name in "$@"; do make_pod "$name"; done
}

remove_network() {
  local name
  [ ${#started[@]} = 0 ] || stop "${started[@]}"
  for name in ${made[@]+"${made[@]}"}; do
    ip netns pids "$network-$name" 2>/dev/null | xargs -r kill 2>/dev/null || true
    ip netns del "$network-$name" 2>/dev/null || true
  done
}

# helpers EXCEPT: options of pillion-load for all processes in the namespaces but these.
helpers() {
  local name
  for name in "${made[@]}"; do ip netns pids "$network-$name"; done | awk -v except=" $1 " '!index(except, " " $1 " ") { print "--helper " $1 }'
}

# await WHAT PROCESS LOG COMMAND…: waits until a command succeeds, while a process lives.
await() {
  local what=$1 process=$2 log=$3 tries
  shift 3
  for ((tries = 0; tries < 300; tries++)); do
    "$@" && return
    kill -0 "$process" 2>/dev/null || break
    sleep 0.1
  done
  fail "$what does not start: $(tail -3 "$log")"
}
