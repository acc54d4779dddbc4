# shellcheck shell=bash disable=SC2154
# The cluster's certificates and kubeconfigs. Sourced behind settings.sh.

# certificate NAME SUBJECT [SUBJECT-ALTERNATIVE-NAMES]
certificate() {
  local name=$1 subject=$2 names=${3:-DNS:$1}
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$name.key" -subj "$subject" -out "$name.csr" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -days 30 -out "$name.crt" 2>/dev/null \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n' "$names")
  rm "$name.csr"
}

# account NAME SUBJECT FILE: a client certificate, in a kubeconfig.
account() {
  certificate "$1" "$2"
  cat >"$3" <<EOF
apiVersion: v1
kind: Config
current-context: pillion
clusters: [{name: pillion, cluster: {server: "https://$node_ip:6443", certificate-authority-data: $(base64 -w0 ca.crt)}}]
contexts: [{name: pillion, context: {cluster: pillion, user: $1}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
EOF
}

# make_pki FOLDER
make_pki() (
  umask 077
  mkdir -p "$1"
  cd "$1" || exit
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -subj /CN=pillion-cluster -days 30 -out ca.crt 2>/dev/null
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out accounts.key 2>/dev/null
  openssl pkey -in accounts.key -pubout -out accounts.pub
  certificate apiserver /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$node_ip,IP:$api_service"
  certificate apiserver-kubelet /O=system:masters/CN=apiserver-kubelet
  account admin /O=system:masters/CN=admin "$kubeconfig"
  account controller-manager /CN=system:kube-controller-manager controller-manager.kubeconfig
  account scheduler /CN=system:kube-scheduler scheduler.kubeconfig
  account kube-proxy /CN=system:kube-proxy kube-proxy.kubeconfig
  account node /O=system:nodes/CN=system:node:node node.kubeconfig
)

# The kubelet's groups hang below one of ours, which can be emptied and removed.
make_cgroup() {
  local hierarchy
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p "/sys/fs/cgroup/$cgroup"
    return
  fi
  for hierarchy in /sys/fs/cgroup/*/; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    mkdir -p "$hierarchy/$cgroup"
    if [ -e "$hierarchy/$cgroup/cpuset.cpus" ]; then
      cat "$hierarchy/cpuset.cpus" >"$hierarchy/$cgroup/cpuset.cpus"
      cat "$hierarchy/cpuset.mems" >"$hierarchy/$cgroup/cpuset.mems"
    fi
  done
}
