# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# Runs in turn, each repeated while others disturb it.

# What became of each case: runs that were dropped, and rounds that were measured.
declare -A dropped=() measured=()

# run_once WHO FILE: one run; writes what pillion-load prints.
run_once() {
  local who=$1 file=$2 process options=()
  load_of "$who"
  for process in ${pids[$who]:-}; do options+=(--process "$process"); done
  [ "${load[0]}" = bulk ] || options+=(--hosts "$hosts" --prefixes "$(prefixes_of "$who")")
  # shellcheck disable=SC2046 # several words
  "${loading[@]}" "${load[0]}" "$target" "${load[@]:1}" --seconds "$seconds" ${options[@]+"${options[@]}"} $(helpers "${pids[$who]:-}") >"$file" 2>"$folder/error" ||
    fail "$who, $title: $(cat "$folder/error"); $(tail -3 "$folder/log.$who" 2>/dev/null)"
}

is_quiet() { awk -v most="$foreign" '{ exit $9 > most }' "$1"; }

# run_round CASE: a run of each; false if one of them stays disturbed.
run_round() {
  local case=$1 who try
  rm -f "$folder"/round.*
  for who in $participants; do
    for ((try = 0; ; try++)); do
      run_once "$who" "$folder/round.$who"
      if is_quiet "$folder/round.$who"; then break; fi
      dropped[$case]=$((${dropped[$case]:-0} + 1))
      say "$case: others used $(awk '{ print $9 }' "$folder/round.$who") % of the machine: this run of $who is dropped"
      [ "$try" -lt "$repeats" ] || return 1
    done
  done
}

# run_case CASE [COMMAND]: all rounds of a case, with proxies that are started for it. The command looks at them at the end.
run_case() {
  local case=$1 at_end=${2:-true} who lost=0
  describe "$case"
  say "$title"
  for who in $participants; do
    rm -f "$folder/$case.$who"
    [ "$who" = direct ] || start "$who"
  done
  measured[$case]=0
  while [ "${measured[$case]}" -lt "$runs" ] && [ "$lost" -le "$runs" ]; do
    say "round $((measured[$case] + 1)) of $runs: $case"
    if run_round "$case"; then
      for who in $participants; do cat "$folder/round.$who" >>"$folder/$case.$who"; done
      measured[$case]=$((measured[$case] + 1))
    else
      lost=$((lost + 1))
    fi
  done
  "$at_end"
  for who in $participants; do [ "$who" = direct ] || stop_proxy "$who"; done
  [ "${measured[$case]}" -gt 0 ] || fail "$title: others used more than $foreign % of the machine in every round; see --foreign"
}

# envoys_rate: what Envoy reaches with 32 connections.
envoys_rate() {
  if [ ! -e "$folder/32.envoy" ]; then
    describe 32
    say "how much Envoy carries"
    start envoy
    run_once envoy "$folder/32.envoy"
    stop_proxy envoy
  fi
  median 1 "$folder/32.envoy"
}
