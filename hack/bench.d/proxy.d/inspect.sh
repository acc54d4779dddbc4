# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# What a proxy of ours does with 32 connections: its syscalls, and where its time goes.

# syscalls WHO: syscalls per request. Each of them is slower meanwhile.
syscalls() {
  local who=$1 strace requests i
  describe 32
  start "$who"
  "${first[@]}" strace -c -f -o "$folder/strace" -p "${pids[$who]}" 2>"$folder/strace.log" &
  strace=$!
  started+=("$strace")
  await strace "$strace" "$folder/strace.log" grep -q attached "$folder/strace.log"
  load_of "$who"
  "${loading[@]}" "${load[0]}" "$target" "${load[@]:1}" --seconds 3 --warm-up 0 >"$folder/round.$who" 2>"$folder/error" || fail "$who: $(cat "$folder/error")"
  kill -INT "$strace"
  for ((i = 0; i < 50; i++)); do kill -0 "$strace" 2>/dev/null && sleep 0.1; done
  wait "$strace" 2>/dev/null || true
  forget "$strace"
  stop_proxy "$who"
  requests=$(awk '{ print $10 }' "$folder/round.$who")
  # Calls are the fourth column, and the name is the last one.
  awk -v who="$who" -v requests="$requests" '
    $4 ~ /^[0-9]+$/ && $NF != "total" && $4 / requests >= 0.01 { list = list (list ? ", " : "") sprintf("%.2f %s", $4 / requests, $NF); sum += $4 }
    END { printf "- %s: %.2f for each request (%s)\n", who, sum / requests, list }' "$folder/strace"
}

# profile_of WHO: the entries of perf's report with the most time.
profile_of() {
  local who=$1 perf
  describe 32
  start "$who"
  load_of "$who"
  "${loading[@]}" "${load[0]}" "$target" "${load[@]:1}" --seconds 8 >/dev/null 2>"$folder/error" &
  perf=$!
  sleep 1.5
  # It has to be as soon as they are.
  "${first[@]}" perf record -q -e cpu-clock -F 999 -o "$folder/perf" -p "${pids[$who]}" -- sleep 3 2>"$folder/perf.log" || fail "perf: $(tail -3 "$folder/perf.log")"
  wait "$perf" || fail "$who: $(cat "$folder/error")"
  stop_proxy "$who"
  echo '```'
  # Without comments, and the columns at the end that this kind of event doesn't fill.
  perf report -i "$folder/perf" --stdio --no-children --sort dso,symbol --percent-limit 0.7 2>/dev/null |
    awk '!/^#/ && NF { sub(/ +- +- *$/, ""); print }'
  echo '```'
}
