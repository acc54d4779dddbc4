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
