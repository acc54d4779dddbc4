# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# Starts proxies. What they are told is in the variables of the case: `protocol`, `port`, `hosts`.

# prefixes_of WHO, workers_of WHO: what the second one has is what the case compares with.
prefixes_of() { if [ "$1" = second ]; then echo "$second_prefixes"; else echo "$prefixes"; fi; }
workers_of() { if [ "$1" = second ]; then echo "$second_workers"; else echo "$workers"; fi; }

# protocol_of WHO: a relay is ours that is told that the port is one of TCP, so it passes on what it doesn't look at.
protocol_of() { if [ "$1" = relay ]; then echo tcp; else echo "$protocol"; fi; }

# start_discovery WHO [OPTION…]: discovery in the pod of a proxy of ours. It reads changes from the file `changes`, if
# that is set.
start_discovery() {
  local who=$1 log=$folder/discovery.$1 traced
  traced=$(sampling_of "$who")
  shift
  [ -z "$traced" ] || set -- --tracing "$traced" "$@"
  mkdir -p "$folder/identity.$who"
  rm -f "$folder/identity.$who"/*
  ip netns exec "$network-$who" taskset -c 1 "${first[@]}" "$folder/pillion-mesh" offline --folder "$folder/identity.$who" \
    --pod-ip "10.213.${numbers[$who]}.2" --protocol "$(protocol_of "$who")" --port "$port" --hosts "$hosts" --prefixes "$(prefixes_of "$who")" \
    --server "$(server_of "$who")" "$@" <"${changes:-/dev/null}" >"$log" 2>&1 &
  discovery[$who]=$!
  started+=($!)
  await "discovery for $who" "${discovery[$who]}" "$log" test -e "$folder/identity.$who/istio-token"
}
declare -A discovery=()

# sidecar_of_ours PLACE POD ADDRESS WORKERS DISCOVERY: sets `command` and `program` for a pod in the namespace of that name.
sidecar_of_ours() {
  # shellcheck disable=SC2016 # for the inner shell
  command=(env PROXY_CONFIG="{\"concurrency\":$4,\"discoveryAddress\":\"$5:15012\"}" PILLION_ACCESS_LOG='{"accessLogFile":"/dev/null"}'
    INSTANCE_IP="$3" POD_NAME="$2" POD_NAMESPACE=bench TRUST_DOMAIN=cluster.local
    ip netns exec "$network-$1" sh -ec 'mount -t tmpfs tmpfs /run; mkdir -p /run/secrets/istio /run/secrets/tokens
      cp "$1/root-cert.pem" /run/secrets/istio/; cp "$1/istio-token" /run/secrets/tokens/; shift; exec "$@"' sh "$folder/identity.$1"
    taskset -c "$cores" "${first[@]}" "${as_proxy[@]}")
  program=("$folder/pillion-proxy" sidecar)
}

# Sets `command` to how a proxy is executed, in its pod and with what is mounted into it.
command_of() {
  local who=$1 configured
  configured="$(protocol_of "$who") $port $hosts $(prefixes_of "$who") $(server_of "$who")"
  case $who in
    pillion* | second | relay) sidecar_of_ours "$who" client "10.213.${numbers[$who]}.2" "$(workers_of "$who")" 127.0.0.1 ;;
    envoy*)
      # shellcheck disable=SC2086 # several words
      envoy_bootstrap $configured "$(sampling_of "$who")" >"$folder/$who.yaml"
      command=(ip netns exec "$network-$who" taskset -c "$cores" "${first[@]}" "${as_proxy[@]}")
      program=("$folder/envoy" -c "$folder/$who.yaml" --concurrency "$workers" --log-level warning --disable-hot-restart) ;;
    nginx)
      mkdir -p "$folder/nginx-proxy"
      chown 1337 "$folder/nginx-proxy"
      # shellcheck disable=SC2086
      nginx_proxy $configured >"$folder/nginx-proxy.conf"
      # It writes its pid.
      touch "$folder/nginx-proxy.pid"
      chown 1337 "$folder/nginx-proxy.pid"
      command=(ip netns exec "$network-nginx" taskset -c "$cores" "${first[@]}" "${as_proxy[@]}")
      program=(nginx -c "$folder/nginx-proxy.conf" -g 'daemon off;') ;;
    haproxy)
      # shellcheck disable=SC2086
      haproxy_proxy $configured >"$folder/haproxy.conf"
      command=(ip netns exec "$network-haproxy" taskset -c "$cores" "${first[@]}" "${as_proxy[@]}")
      program=(haproxy -db -f "$folder/haproxy.conf") ;;
  esac
}

# start WHO [OPTION…]: starts a proxy, and sets `pids[WHO]` once it is ready and has its routes. The options are those of
# start_discovery.
declare -A pids=()
start() {
  local who=$1 log=$folder/log.$1
  [ -z "$paired" ] || { start_pair "$who"; return; }
  case $who in pillion* | second | relay) start_discovery "$@" ;; esac
  command_of "$who"
  # HAProxy's access log goes to standard output.
  "${command[@]}" "${program[@]}" >/dev/null 2>"$log" &
  pids[$who]=$!
  started+=($!)
  await "$who" "${pids[$who]}" "$log" is_ready "$who"
  has_routes "$who" || fail "$who has no routes: $(tail -3 "$log")"
}

stop_proxy() {
  # shellcheck disable=SC2086 # of a pair, there are two
  stop ${pids[$1]}
  [ -z "${discovery[$1]:-}" ] || stop "${discovery[$1]}"
  unset "pids[$1]" "discovery[$1]"
}

# status WHO URL [OPTION…]: the status of a response in the pod.
status() { inside "$1" curl -s -m 5 -o /dev/null -w '%{http_code}' "${@:3}" "$2" 2>/dev/null || true; }

is_ready() {
  case $1 in
    pillion* | second | relay) [ "$(status "$1" http://127.0.0.1:15021/healthz/ready)" = 200 ] ;;
    envoy*) [ "$(status "$1" http://127.0.0.1:15000/ready)" = 200 ] ;;
    *) inside "$1" bash -c 'exec 3<>/dev/tcp/127.0.0.1/15001' 2>/dev/null ;;
  esac
}

# has_routes WHO: a path for which there is no route is not found. Without routes, the server would answer it.
has_routes() {
  local spoken=--http1.1
  case $(protocol_of "$1") in
    tcp) return 0 ;; # servers can't be reached in another way
    http2 | grpc) spoken=--http2-prior-knowledge ;;
  esac
  [ "$(status "$1" "http://$(server_of "$1"):$port/nowhere" "$spoken" -H "Host: web-0.bench.svc.cluster.local:$port")" = 404 ]
}

# load_of WHO: sets `loading` to the command of a load through a proxy, up to its own options.
load_of() {
  local who=$1 from=$1 as=()
  [ -z "$paired" ] || { load_of_pair "$who"; return; }
  if [ "$who" = direct ]; then from=pillion as=("${as_proxy[@]}"); fi
  target=$(server_of "$from"):$port
  [ "$(protocol_of "$who")" != tcp ] || [ "$who" = direct ] || target=10.96.0.1:$port
  loading=(ip netns exec "$network-$from" taskset -c 1 "${first[@]}" ${as[@]+"${as[@]}"} "$folder/pillion-load")
}
