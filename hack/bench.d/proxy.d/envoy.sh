# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# Envoy's static bootstrap: what Istio configures for the Services, routes and endpoints that our discovery has.
# Metrics and access log are on.

# envoy_bootstrap PROTOCOL PORT HOSTS PREFIXES SERVER [PERCENT]: with a percentage, that much is traced.
envoy_bootstrap() {
  local protocol=$1 port=$2 hosts=$3 prefixes=$4 server=$5 traced=${6:-} host
  cat <<'YAML'
node: {id: bench, cluster: bench}
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 15000}}
static_resources:
  listeners:
    - name: virtualOutbound
      address: {socket_address: {address: 0.0.0.0, port_value: 15001}}
      use_original_dst: true
      filter_chains:
        - filters:
            - name: envoy.filters.network.tcp_proxy
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: PassthroughCluster
                cluster: PassthroughCluster
YAML
  if [ "$protocol" = tcp ]; then
    for ((host = 0; host < hosts; host++)); do envoy_tcp_listener "$port" "$host"; done
  else
    envoy_http_listener "$port" "$traced"
    for ((host = 0; host < hosts; host++)); do envoy_virtual_host "$port" "$host" "$prefixes"; done
    cat <<'YAML'
                    - name: allow_any
                      domains: ["*"]
                      include_request_attempt_count: true
                      routes:
                        - {name: allow_any, match: {prefix: "/"}, route: {cluster: PassthroughCluster, timeout: 0s}}
YAML
  fi
  cat <<'YAML'
  clusters:
    - name: PassthroughCluster
      type: ORIGINAL_DST
      lb_policy: CLUSTER_PROVIDED
      connect_timeout: 10s
      circuit_breakers: &unlimited
        thresholds:
          - {max_connections: 4294967295, max_pending_requests: 4294967295, max_requests: 4294967295, max_retries: 4294967295}
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          use_downstream_protocol_config: {}
YAML
  [ -z "$traced" ] || envoy_collector "$server"
  for ((host = 0; host < hosts; host++)); do envoy_cluster "$protocol" "$port" "$host" "$server"; done
}

envoy_access_log() {
  cat <<'YAML'
                access_log:
                  - name: envoy.access_loggers.file
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
                      path: /dev/null
                      log_format:
                        text_format_source:
                          # Istio's default format, on one line.
                          inline_string: "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
YAML
}

# envoy_tcp_listener PORT HOST
envoy_tcp_listener() {
  local port=$1 host=$2
  cat <<YAML
    - name: 10.96.0.$((host + 1))_$port
      address: {socket_address: {address: 10.96.0.$((host + 1)), port_value: $port}}
      bind_to_port: false
      filter_chains:
        - filters:
            - name: envoy.filters.network.tcp_proxy
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: outbound|$port||web-$host.bench.svc.cluster.local
                cluster: outbound|$port||web-$host.bench.svc.cluster.local
YAML
  envoy_access_log
}

# envoy_http_listener PORT PERCENT: up to the virtual hosts.
envoy_http_listener() {
  local port=$1 traced=$2
  cat <<YAML
    - name: 0.0.0.0_$port
      address: {socket_address: {address: 0.0.0.0, port_value: $port}}
      bind_to_port: false
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: outbound_0.0.0.0_$port
                codec_type: AUTO
                generate_request_id: true
                normalize_path: true
YAML
  [ -z "$traced" ] || envoy_tracing "$traced"
  envoy_access_log
  cat <<YAML
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
                route_config:
                  name: "$port"
                  validate_clusters: false
                  ignore_port_in_host_matching: true
                  virtual_hosts:
YAML
}

# envoy_virtual_host PORT HOST PREFIXES
envoy_virtual_host() {
  local port=$1 host=$2 prefixes=$3 prefix
  cat <<YAML
                    - name: web-$host.bench.svc.cluster.local:$port
                      domains: [web-$host.bench.svc.cluster.local, web-$host, web-$host.bench.svc, web-$host.bench, 10.96.0.$((host + 1))]
                      include_request_attempt_count: true
                      routes:
YAML
  for ((prefix = 0; prefix < prefixes; prefix++)); do
    cat <<YAML
                        - name: $host-$prefix
                          match: {prefix: /p$prefix/}
                          decorator: {operation: "web-$host.bench.svc.cluster.local:$port/p$prefix/*"}
                          route:
                            cluster: outbound|$port||web-$host.bench.svc.cluster.local
                            timeout: 0s
                            retry_policy:
                              retry_on: connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes
                              num_retries: 2
                              retry_host_predicate:
                                - name: envoy.retry_host_predicates.previous_hosts
                                  typed_config: {"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}
                              host_selection_retry_max_attempts: 5
YAML
  done
}

# envoy_cluster PROTOCOL PORT HOST SERVER
envoy_cluster() {
  local protocol=$1 port=$2 host=$3 server=$4 spoken=http_protocol_options
  case $protocol in http2 | grpc) spoken=http2_protocol_options ;; esac
  cat <<YAML
    - name: outbound|$port||web-$host.bench.svc.cluster.local
      type: STATIC
      lb_policy: LEAST_REQUEST
      connect_timeout: 10s
      circuit_breakers: *unlimited
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {$spoken: {}}
      load_assignment:
        cluster_name: outbound|$port||web-$host.bench.svc.cluster.local
        endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: $server, port_value: $port}}}}]}]
YAML
  # The other sidecar of a pair.
  [ "$paired" != both ] || envoy_tls_to_server "$host"
}
