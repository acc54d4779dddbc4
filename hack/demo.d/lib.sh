# shellcheck shell=bash disable=SC2154
# What the tours share. Sourced; `work` is the folder that lines with pipes run in.

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
say() { printf '%s\n' "$@"; }
fail() { printf '\nhack/demo: %s\n' "$*" >&2; exit 1; }

# Shows a command as you would type it, and runs it.
run() {
  local word line='$'
  for word in "$@"; do
    if [[ $word =~ [^a-zA-Z0-9_./:=,@%+-] ]]; then line+=" '$word'"; else line+=" $word"; fi
  done
  printf '%s%s%s\n' "$dim" "$line" "$plain"
  "$@"
}

# Does the same for a line with pipes.
run_line() {
  printf '%s$ %s%s\n' "$dim" "$1" "$plain"
  (cd "$work" && bash -euo pipefail -c "$1")
}

# until_true WHAT COMMAND…: waits until the command succeeds, for at most two minutes. A tour defines `still_works`, which fails the
# tour when waiting is in vain, and `diagnose`, which shows what is known when the time is up.
until_true() {
  local what=$1 end=$((SECONDS + 120))
  shift
  until "$@" >/dev/null 2>&1; do
    still_works
    if [ $SECONDS -ge $end ]; then
      diagnose >&2
      fail "timed out after two minutes waiting for: $what"
    fi
    sleep 0.2
  done
}

# Whether a ReplicaSet's pods were refused because they are already injected.
refused() {
  local messages
  messages=$(kubectl -n by-hand get events --field-selector reason=FailedCreate -o jsonpath='{.items[*].message}')
  [[ $messages == *"injected already"* ]]
}
