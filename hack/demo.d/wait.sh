# shellcheck shell=bash
# Sourced by hack/demo, and by the tour without a node.

# Whether this script may read from its terminal: one in the background (`hack/demo --keep &`) is stopped for that, and then acts
# on no signal but SIGCONT.
reads_the_terminal() {
  local group foreground
  [ -t 0 ] || return 1
  read -r _ _ _ _ group _ _ foreground _ <"/proc/$$/stat"
  [ "$group" = "$foreground" ]
}

# wait_to_stop PID: waits until the user presses Enter, or that process has ended.
wait_to_stop() {
  local status
  if reads_the_terminal; then
    printf 'Press Enter to stop. '
    # A second at a time: bash runs no trap while it reads.
    while [ -e "/proc/$1" ]; do
      status=0
      read -r -t 1 || status=$?
      [ "$status" -gt 128 ] || break
    done
  else
    # In the background, so that a signal does not have to wait for it. It ends with that process, also if this script is killed;
    # so it must not inherit the lock of hack/demo.
    tail --pid="$1" -f /dev/null >/dev/null 2>&1 9>&- &
    wait $! || true
  fi
}
