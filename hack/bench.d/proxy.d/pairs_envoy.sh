# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# Envoys in a row: what Istio configures for both sidecars of a pair, with certificates from files.

# envoy_of_pair END SERVER: the bootstrap of the client's or the server's.
envoy_of_pair() {
  if [ "$1" = server ]; then envoy_inbound "$port"; else envoy_bootstrap "$protocol" "$port" "$hosts" "$prefixes" "$2"; fi
}

# envoy_secrets END CHECK: the certificate of an end, its root, and how the other end's is checked.
envoy_secrets() {
  cat <<YAML
            tls_params: {tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3}
            tls_certificates:
              - certificate_chain: {filename: $folder/$1/cert.pem}
                private_key: {filename: $folder/$1/key.pem}
            validation_context:
              trusted_ca: {filename: $folder/ca/ca.pem}
              match_typed_subject_alt_names: [{san_type: URI, matcher: {$2}}]
YAML
}

# envoy_tls_to_server HOST
envoy_tls_to_server() {
  cat <<YAML
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          sni: outbound_.${port}_._.web-$1.bench.svc.cluster.local
          common_tls_context:
            alpn_protocols: [istio-http/1.1, istio, http/1.1]
YAML
  envoy_secrets client 'exact: "spiffe://cluster.local/ns/bench/sa/server"'
}

# envoy_inbound PORT: a sidecar that takes both TLS and plaintext, as Istio's does by default.
envoy_inbound() {
  cat <<YAML
node: {id: bench, cluster: bench}
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 15000}}
static_resources:
  listeners:
    - name: virtualInbound
      address: {socket_address: {address: 0.0.0.0, port_value: 15006}}
      listener_filters:
        - name: envoy.filters.listener.original_dst
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst}
        - name: envoy.filters.listener.tls_inspector
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}
      listener_filters_timeout: 0s
      filter_chains:
        - filter_chain_match:
            destination_port: $1
            transport_protocol: tls
            application_protocols: [istio, istio-peer-exchange, istio-http/1.0, istio-http/1.1, istio-h2]
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              require_client_certificate: true
              common_tls_context:
                alpn_protocols: [h2, http/1.1]
YAML
  envoy_secrets server 'prefix: "spiffe://cluster.local/"' | sed 's/^/    /'
  envoy_inbound_http "$1"
  cat <<YAML
        - filter_chain_match: {destination_port: $1, transport_protocol: raw_buffer}
YAML
  envoy_inbound_http "$1"
  cat <<YAML
  clusters:
    - name: inbound|$1||
      type: ORIGINAL_DST
      lb_policy: CLUSTER_PROVIDED
      connect_timeout: 10s
      cleanup_interval: 60s
      upstream_bind_config: {source_address: {address: 127.0.0.6, port_value: 0}}
      circuit_breakers:
        thresholds:
          - {max_connections: 4294967295, max_pending_requests: 4294967295, max_requests: 4294967295, max_retries: 4294967295}
YAML
}

# envoy_inbound_http PORT: what is done with requests.
envoy_inbound_http() {
  cat <<YAML
          filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: inbound_0.0.0.0_$1
                codec_type: AUTO
                generate_request_id: true
                normalize_path: true
                server_name: istio-envoy
                use_remote_address: false
                forward_client_cert_details: APPEND_FORWARD
                set_current_client_cert_details: {subject: true, dns: true, uri: true}
YAML
  envoy_access_log
  cat <<YAML
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
                route_config:
                  name: inbound|$1||
                  validate_clusters: false
                  virtual_hosts:
                    - name: inbound|http|$1
                      domains: ["*"]
                      routes:
                        - {name: default, match: {prefix: "/"}, route: {cluster: "inbound|$1||", timeout: 0s}}
YAML
}
