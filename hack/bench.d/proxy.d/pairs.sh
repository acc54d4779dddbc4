# shellcheck shell=bash disable=SC2034,SC2154,SC2004 # variables are shared with the other parts
# Two sidecars in a row that speak mutual TLS: the client's pod, and the server's with nginx as its application. Each pair has
# a wire of its own. Both sidecars share core 0; the client, nginx and discovery share core 1.

pairs="envoy pillion"
pair_cases=mtls,mtls-open,tls,handshakes,resumed,idle
# What is left out of capture: discovery, and the same servers 1,000 ports further up, for the direct way.
beside=1000

# beside_of KIND: the port of a kind of server that is not captured.
beside_of() { echo $((${port_of[$1]} + beside)); }

client_of() { echo "10.213.${numbers[$1]}.2"; }
# The server's pod of a pair is called as the client's, with `-server`.
app_of() { echo "10.213.${numbers[$1]}.3"; }

# make_pairs WHO…
make_pairs() {
  local who end address other
  for who in "$@"; do
    make_namespace "$who"
    make_namespace "$who-server"
    ip link add eth0 netns "$network-$who" type veth peer name eth0 netns "$network-$who-server"
    for end in "$who $(client_of "$who") $(app_of "$who")" "$who-server $(app_of "$who") $(client_of "$who")"; do
      read -r end address other <<<"$end"
      inside "$end" ip address add "$address/24" dev eth0
      inside "$end" ip link set eth0 up
      # Addresses of Services.
      inside "$end" ip route add default via "$other"
      # Thousands of connections a second leave their ports behind.
      inside "$end" sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse' 2>/dev/null || true
      inside "$end" "$folder/pillion-proxy" init -p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' \
        -d "15090,15021,15020,15012,$(beside_of http),$(beside_of 1k)" >"$folder/init.$end" 2>&1 ||
        fail "no capture in the pod of $end: $(tail -3 "$folder/init.$end")"
    done
    start_application "$who"
  done
}

# start_application WHO: nginx in the server's pod.
start_application() {
  local name=application-$1 kilobyte one kind
  printf -v kilobyte '%1024s' ''
  {
    cat <<CONF
worker_processes 1;
pid $folder/$name.pid;
error_log $folder/$name.log;
events { worker_connections 65536; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  default_type text/plain;
CONF
    for kind in http 1k; do
      one="hello world\\n"
      [ "$kind" = http ] || one=${kilobyte// /x}
      cat <<CONF
  server {
    listen 0.0.0.0:${port_of[$kind]} backlog=4096;
    listen 0.0.0.0:$(beside_of "$kind") backlog=4096;
    location / { return 200 "$one"; }
  }
CONF
    done
    echo '}'
  } >"$folder/$name.conf"
  ip netns exec "$network-$1-server" taskset -c 1 "${first[@]}" nginx -c "$folder/$name.conf" -g 'daemon off;' 2>"$folder/$name.out" &
  started+=($!)
  await "nginx behind $1" "$!" "$folder/$name.out" \
    inside "$1-server" bash -c "exec 3<>/dev/tcp/127.0.0.1/${port_of[http]}" 2>/dev/null
}

# make_certificates: a CA, and certificates as it gives them to both pods. Ours ask for theirs; Envoys and the load have them from
# files.
make_certificates() {
  local name
  mkdir "$folder/ca"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj /O=cluster.local \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$folder/ca/ca-key.pem" -out "$folder/ca/ca.pem" 2>"$folder/error" || fail "no CA: $(cat "$folder/error")"
  for name in client server; do
    mkdir "$folder/$name"
    {
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj / -keyout "$folder/$name/key.pem" -out "$folder/$name/request.pem" 2>"$folder/error" &&
        openssl x509 -req -in "$folder/$name/request.pem" -CA "$folder/ca/ca.pem" -CAkey "$folder/ca/ca-key.pem" -days 1 -sha256 -out "$folder/$name/cert.pem" 2>"$folder/error" \
          -extfile <(printf '%s\n' "subjectAltName=critical,URI:spiffe://cluster.local/ns/bench/sa/$name" 'keyUsage=critical,digitalSignature' \
            'extendedKeyUsage=serverAuth,clientAuth' 'basicConstraints=critical,CA:FALSE')
    } || fail "no certificate: $(cat "$folder/error")"
    # User 1337 reads them.
    chmod 644 "$folder/$name/key.pem"
  done
}

# start_pair WHO: starts the sidecars of a case, and sets `pids[WHO]` once they do what they are there for.
start_pair() {
  local who=$1
  pids[$who]=''
  [ "$who" != pillion ] || start_pairs_discovery "$who"
  start_end "$who" "$who-server" server "$(app_of "$who")" "$(client_of "$who")"
  # A proxy's connections to its own pod's address are captured.
  [ "$paired" = server ] || start_end "$who" "$who" client "$(client_of "$who")" 127.0.0.1
  load_of_pair "$who"
  await "the way through $who" "${pids[$who]##* }" "$folder/log.$who-server" is_through "$who"
}

# start_end WHO PLACE POD ADDRESS DISCOVERY: one sidecar.
start_end() {
  local who=$1 place=$2 log=$folder/log.$2
  if [ "$who" = pillion ]; then
    sidecar_of_ours "$place" "$3" "$4" "$workers" "$5"
  else
    envoy_of_pair "$3" "$(app_of "$who")" >"$folder/$place.yaml"
    command=(ip netns exec "$network-$place" taskset -c "$cores" "${first[@]}" "${as_proxy[@]}")
    program=("$folder/envoy" -c "$folder/$place.yaml" --concurrency "$workers" --log-level warning --disable-hot-restart)
  fi
  "${command[@]}" "${program[@]}" >/dev/null 2>"$log" &
  pids[$who]+="${pids[$who]:+ }$!"
  started+=($!)
  await "$place" "$!" "$log" is_ready "$place"
}

# start_pairs_discovery WHO: discovery in the client's pod, for both.
start_pairs_discovery() {
  local who=$1 log=$folder/discovery.$1 place
  for place in "$who" "$who-server"; do
    mkdir -p "$folder/identity.$place"
    rm -f "$folder/identity.$place"/*
  done
  ip netns exec "$network-$who" taskset -c 1 "${first[@]}" "$folder/pillion-mesh" offline --folder "$folder/identity.$who" \
    --listen 0.0.0.0:15012 --ca "$folder/ca" --pod-ip "$(client_of "$who")" --protocol "$protocol" --port "$port" \
    --hosts "$hosts" --prefixes "$prefixes" --server "$(app_of "$who")" </dev/null >"$log" 2>&1 &
  discovery[$who]=$!
  started+=($!)
  await "discovery for $who" "${discovery[$who]}" "$log" test -e "$folder/identity.$who/istio-token"
  cp "$folder/identity.$who/root-cert.pem" "$folder/identity.$who-server/"
  printf bench/server >"$folder/identity.$who-server/istio-token"
}

# is_through WHO: a request of the load gets its answer.
is_through() {
  local tls=()
  [ "$paired" = both ] || tls=(--tls "$folder/client")
  "${loading[@]}" http1 "$target" --connections 1 --seconds 0.05 --warm-up 0 ${tls[@]+"${tls[@]}"} >/dev/null 2>&1
}

# load_of_pair WHO: as load_of. By TLS the load is no application of the pod, and neither is it on the direct way.
load_of_pair() {
  local from=$1 as=()
  [ "$1" != direct ] || from=pillion
  target=$(app_of "$from"):$port
  [ "$1" != direct ] || target=$(app_of "$from"):$((port + beside))
  if [ "$1" = direct ] || [ "$paired" = server ]; then as=("${as_proxy[@]}"); fi
  loading=(ip netns exec "$network-$from" taskset -c 1 "${first[@]}" ${as[@]+"${as[@]}"} "$folder/pillion-load")
}

# check_pairs: that requests came by mutual TLS.
check_pairs() {
  local count
  count=$(inside pillion-server curl -s http://127.0.0.1:15090/stats/prometheus |
    awk '/^istio_requests_total/ && /connection_security_policy="mutual_tls"/ { sum += $NF } END { print sum + 0 }')
  [ "$count" -gt 0 ] || fail "no request came to our server's sidecar by mutual TLS: $(tail -3 "$folder/log.pillion-server")"
  count=$(inside envoy-server curl -s 'http://127.0.0.1:15000/stats?filter=ssl.handshake' | awk '{ sum += $NF } END { print sum + 0 }')
  [ "$count" -gt 0 ] || fail "no connection came to Envoy by TLS: $(tail -3 "$folder/log.envoy-server")"
}

# measure_pairs: all of --mtls.
measure_pairs() {
  local case chosen=()
  peers=envoy
  need openssl openssl
  prepare
  for case in ${cases//,/ }; do [ "$case" = idle ] || describe "$case"; done
  make_certificates
  # shellcheck disable=SC2086 # several words
  make_pairs $pairs
  for case in ${cases//,/ }; do
    [ "$case" != idle ] || { idle; continue; }
    run_case "$case" check_pairs
    chosen+=("$case")
  done
  machine
  [ ${#chosen[@]} = 0 ] || rounds_line "${chosen[@]}"
  for case in ${chosen[@]+"${chosen[@]}"}; do table "$case"; done
  if [ -e "$folder/handshakes.pillion" ] && [ -e "$folder/resumed.pillion" ]; then
    printf '\nA resumed connection takes %s of the processor time of a new one with ours, and %s with Envoy.\n' \
      "$(part_resumed pillion)" "$(part_resumed envoy)"
  fi
  case ",$cases," in *,idle,*) idle_table ;; esac
}

# part_resumed WHO
part_resumed() {
  awk -v resumed="$(median 6 "$folder/resumed.$1")" -v full="$(median 6 "$folder/handshakes.$1")" 'BEGIN { printf "%.2f", resumed / full }'
}
