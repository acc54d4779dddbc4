# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# Memory, the size of the binary, and how soon a proxy is ready.

# Seconds in which a proxy frees what it frees by and by.
settle=10

# footprint_of WHO: writes a row of numbers: MiB resident and anonymous, idle, with 1,000 active connections, and after
# 10,000 connections and some requests; MiB of the binary; ms until it is ready.
footprint_of() {
  local who=$1 idle active after size i
  describe 1000
  start "$who"
  sleep "$settle"
  idle=$("$folder/pillion-load" memory "${pids[$who]}")
  say "$who: 1,000 connections"
  run_once "$who" "$folder/round.$who"
  active=$(awk '{ print $7, $8 }' "$folder/round.$who")
  say "$who: 10,000 connections"
  load_of "$who"
  "${loading[@]}" crowd "$target" --connections 10000 --at-once "$(at_once)" >/dev/null 2>"$folder/error" || fail "$who, 10,000 connections: $(cat "$folder/error")"
  sleep "$settle"
  say "$who: $(find "/proc/${pids[$who]}/fd" | wc -l) descriptors are open $settle s after them, $("$folder/pillion-load" memory "${pids[$who]}") MiB"
  revive
  after=$("$folder/pillion-load" memory "${pids[$who]}")
  stop "${pids[$who]}"
  cp "${program[0]}" "$folder/stripped"
  strip "$folder/stripped"
  size=$(stat -c %s "$folder/stripped" | awk '{ printf "%.1f", $1 / 1048576 }')
  for ((i = 0; i < runs; i++)); do time_start "$who"; done >"$folder/ready.$who"
  [ -z "${discovery[$who]:-}" ] || stop "${discovery[$who]}"
  unset "pids[$who]" "discovery[$who]"
  echo "$idle $active $after $size" >"$folder/footprint.$who"
}

# revive: a few requests, which any application has. Our allocator gives memory back when it is called, and not while
# nothing happens; so the proxy of a pod without any traffic keeps more.
revive() {
  local i
  for ((i = 0; i < 3; i++)); do
    "${loading[@]}" crowd "$target" --connections 20 --at-once 4 >/dev/null 2>"$folder/error" || fail "some requests: $(cat "$folder/error")"
    sleep 1
  done
}

# time_start WHO: from the execution until it says that it is ready.
time_start() {
  local who=$1 port=15000 path=/ready
  [ "$who" = envoy ] || port=15021 path=/healthz/ready
  # It asks from the other core.
  cores=0,1 command_of "$who"
  "${command[@]}" "$folder/pillion-load" ready --port "$port" --path "$path" -- "${program[@]}" 2>"$folder/error" || fail "$who: $(cat "$folder/error")"
}

footprint() {
  local who
  for who in envoy pillion; do footprint_of "$who"; done
}

footprint_table() {
  local who bars
  # Those of memory and of the binary are 6, 12 and 15 MB.
  cat <<'MD'

| proxy | idle: resident (anonymous) MiB | 1,000 active connections | 10 s after 10,000 have closed, and 60 requests | to idle | binary MiB, stripped | ready after ms |
|---|---|---|---|---|---|---|
MD
  for who in envoy pillion; do
    awk -v who="$who" -v ready="$(spread %.0f <"$folder/ready.$who")" \
      '{ printf "| %s | %s (%s) | %s (%s) | %s (%s) | %.2f | %s | %s |\n", who, $1, $2, $3, $4, $5, $6, $5 / $1, $7, ready }' "$folder/footprint.$who"
  done
  bars='≤ 5.7 | ≤ 11.4 | | ≤ 1.20 | ≤ 14.3 | ≤ 50'
  echo "| bar | $bars |"
}
