# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# What idle connections by mutual TLS take of a server's sidecar.

idle_connections=10000

idle() {
  local who count
  count=$(at_once)
  [ "$count" -ge "$idle_connections" ] || fail "$idle_connections connections need more descriptors than ulimit -n allows"
  for who in $pairs; do
    describe tls
    say "$who: $idle_connections idle connections"
    start "$who"
    load_of "$who"
    "${loading[@]}" idle "$target" --connections "$idle_connections" --process "${pids[$who]}" --tls "$folder/client" >"$folder/idle.$who" 2>"$folder/error" ||
      fail "$who, $idle_connections connections: $(cat "$folder/error"); $(tail -3 "$folder/log.$who-server")"
    stop_proxy "$who"
  done
}

idle_table() {
  local who
  printf '\n| proxy | before: resident MiB | with %s idle connections by mutual TLS | kB each |\n|---|---|---|---|\n' "$idle_connections"
  for who in $pairs; do
    awk -v who="$who" '{ printf "| %s | %s | %s | %s |\n", who, $1, $2, $3 }' "$folder/idle.$who"
  done
  echo '| bar | | | ≤ 40 |'
}
