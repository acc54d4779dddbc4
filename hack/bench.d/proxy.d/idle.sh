# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# What idle connections by mutual TLS take of a server's sidecar.

# 10,000, or what descriptors are there for.
idle_connections=''

idle() {
  local who
  idle_connections=$(at_once)
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
