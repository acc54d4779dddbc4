# shellcheck shell=bash
# Processes that were started here, and that have to end with the script.

# Those that have not been waited for.
started=()

# stop PROCESS…: ends those that are still children of this shell. The kernel gives the number of one that was waited
# for to somebody else, whom this script could end as root.
stop() {
  local process running
  running=" $(jobs -pr | tr '\n' ' ') "
  for process in "$@"; do
    case $running in *" $process "*) kill "$process" 2>/dev/null || true ;; esac
  done
  wait "$@" 2>/dev/null || true
  forget "$@"
}

# forget PROCESS…: takes those that have been waited for out of `started`.
forget() {
  local process left=()
  for process in ${started[@]+"${started[@]}"}; do
    case " $* " in *" $process "*) ;; *) left+=("$process") ;; esac
  done
  started=(${left[@]+"${left[@]}"})
}
