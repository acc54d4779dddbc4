# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# What tracing costs: proxies that trace no request, 1 % or all, and send their spans to a collector that takes everything.

# The participants: ours and Envoy, each with the percentage that it traces behind its name.
tracers="pillion pillion-1 pillion-100 envoy envoy-100"
numbers+=([pillion-1]=6 [pillion-100]=7 [envoy-100]=8)
# As Zipkin's.
collector_port=9411
collector_path=/api/v2/spans

# sampling_of WHO: the percentage of requests that it traces; nothing if it does not know of tracing.
sampling_of() { case $1 in *-*) echo "${1#*-}" ;; esac; }

# collector [ADDRESS]: a server of nginx that takes spans.
collector() {
  echo "  server { listen ${1:-0.0.0.0}:$collector_port backlog=4096; client_max_body_size 16m; location = $collector_path { return 202; } }"
}

# envoy_tracing PERCENT: what Istio configures, in the connection manager.
envoy_tracing() {
  cat <<YAML
                tracing:
                  random_sampling: {value: $1}
                  max_path_tag_length: 256
                  custom_tags:
                    - {tag: istio.canonical_revision, literal: {value: latest}}
                    - {tag: istio.canonical_service, literal: {value: client}}
                    - {tag: istio.mesh_id, literal: {value: cluster.local}}
                    - {tag: istio.namespace, literal: {value: bench}}
                  provider:
                    name: envoy.tracers.zipkin
                    typed_config:
                      "@type": type.googleapis.com/envoy.config.trace.v3.ZipkinConfig
                      collector_cluster: collector
                      collector_endpoint: $collector_path
                      collector_endpoint_version: HTTP_JSON
                      trace_id_128bit: true
                      shared_span_context: false
YAML
}

# envoy_collector SERVER: the cluster.
envoy_collector() {
  cat <<YAML
    - name: collector
      type: STATIC
      connect_timeout: 10s
      load_assignment:
        cluster_name: collector
        endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: $1, port_value: $collector_port}}}}]}]
YAML
}

# spans_of WHO: how many spans a proxy has sent.
spans_of() {
  case $1 in
    envoy*) inside "$1" curl -s http://127.0.0.1:15000/stats?filter=tracing.zipkin.spans_sent | awk '{ sum += $2 } END { print sum + 0 }' ;;
    *) inside "$1" curl -s http://127.0.0.1:15090/stats/prometheus | awk '/^pillion_tracing_spans_sent_total/ { sum += $NF } END { print sum + 0 }' ;;
  esac
}

# check_spans: each has sent spans if it traces, and none otherwise; in `spans`, how many.
declare -A spans=()
check_spans() {
  local who
  for who in $tracers; do
    spans[$who]=$(spans_of "$who")
    case $(sampling_of "$who"),${spans[$who]} in
      ,0) ;;
      ,*) fail "$who has sent ${spans[$who]} spans, and should trace nothing" ;;
      *,0) fail "$who has sent no spans: $(tail -3 "$folder/log.$who")" ;;
    esac
  done
}

# more COLUMN WHO THAN: by how much a column is more, round by round.
more() { paste -d' ' <(column "$1" "$folder/tracing.$2") <(column "$1" "$folder/tracing.$3") | awk '{ printf "%.4f\n", $1 - $2 }'; }

# tracing_table: what each takes, and what tracing adds.
tracing_table() {
  local who column
  describe tracing
  printf '\n| proxy | traced |'
  for column in "${columns[@]}"; do printf ' %s |' "${column%=*}"; done
  printf ' spans sent |\n|---|---|'
  for column in "${columns[@]}"; do printf -- '---|'; done
  printf -- '---|\n'
  for who in $tracers; do
    printf '| %s | %s %% |' "${who%%-*}" "$(sampling_of "$who" | grep . || echo 0)"
    for column in "${columns[@]}"; do printf ' %s |' "$(column "${column#*=}" "$folder/tracing.$who" | spread)"; done
    echo " ${spans[$who]} |"
  done
  printf '\n| what tracing adds in CPU µs/request | | bar |\n|---|---|---|\n'
  echo "| pillion, 1 % | $(more 6 pillion-1 pillion | spread %.2f) | nothing that can be told from 0 |"
  echo "| pillion, 100 % | $(more 6 pillion-100 pillion | spread %.2f) | ≤ 1.5 |"
  echo "| envoy, 100 % | $(more 6 envoy-100 envoy | spread %.2f) | |"
  echo "| pillion / envoy, 100 % | $(paste -d' ' <(more 6 pillion-100 pillion) <(more 6 envoy-100 envoy) | awk '$2 > 0 { print $1 / $2 }' | spread %.2f) | ≤ 0.50 |"
}
