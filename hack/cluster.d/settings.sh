# shellcheck shell=bash disable=SC2034
# The places and addresses of a cluster. Sourced behind common.sh.

number=${PILLION_CLUSTER_NUMBER:-0}
[[ $number =~ ^([0-9]|[1-5][0-9]|6[0-3])$ ]] || fail "PILLION_CLUSTER_NUMBER must be 0–63, not $number"
state=${PILLION_CLUSTER_STATE:-$repository/hack/.cache/cluster}
[[ $state = /* ]] || state=$PWD/$state
bin=$PILLION_TOOLS
[[ $bin = /* ]] || bin=$PWD/$bin
netns=pillion-node-$number
host_link=pillion$number
cgroup=pillion-$number
# A wire of two addresses between the machine and its node.
host_ip=10.231.0.$((4 * number + 1))
node_ip=10.231.0.$((4 * number + 2))
services=10.96.0.0/16
api_service=10.96.0.1
dns_service=10.96.0.10
pods=10.244.0.0/16
kubeconfig=$state/admin.kubeconfig
containerd=$state/run/containerd.sock
