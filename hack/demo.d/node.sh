# shellcheck shell=bash disable=SC2034
# What the parts of the tour on a node share: `node` and `uninstall` source it.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/lib.sh"
repository=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
export HOME=$work

still_works() { :; }

diagnose() {
  kubectl get pods --all-namespaces
  kubectl get events --all-namespaces --field-selector type=Warning
}
