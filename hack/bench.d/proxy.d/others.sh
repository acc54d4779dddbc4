# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# nginx and HAProxy as proxies, with comparable work: hosts and prefixes, a request id, an access log.

# nginx_proxy http PORT HOSTS PREFIXES SERVER
nginx_proxy() {
  local port=$2 hosts=$3 prefixes=$4 server=$5 host prefix
  cat <<CONF
# One process, as the others are.
master_process off;
worker_processes 1;
pid $folder/nginx-proxy.pid;
error_log stderr;
events { worker_connections 65536; }
http {
  client_body_temp_path $folder/nginx-proxy;
  proxy_temp_path $folder/nginx-proxy;
  fastcgi_temp_path $folder/nginx-proxy;
  uwsgi_temp_path $folder/nginx-proxy;
  scgi_temp_path $folder/nginx-proxy;
  log_format mesh '[\$time_iso8601] "\$request" \$status \$request_length \$bytes_sent \$request_time \$upstream_response_time "\$http_x_forwarded_for" "\$http_user_agent" "\$request_id" "\$http_host" "\$upstream_addr" \$server_name';
  access_log /dev/null mesh buffer=32k;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host \$http_host;
  proxy_set_header X-Request-Id \$request_id;
  proxy_set_header X-Forwarded-Proto \$scheme;
  server { listen 15001 backlog=4096; return 404; }
CONF
  for ((host = 0; host < hosts; host++)); do
    cat <<CONF
  upstream web-$host { server $server:$port; keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 3600s; }
  server {
    listen 15001;
    server_name web-$host.bench.svc.cluster.local web-$host;
    location / { return 404; }
CONF
    for ((prefix = 0; prefix < prefixes; prefix++)); do
      echo "    location /p$prefix/ { proxy_pass http://web-$host; }"
    done
    echo '  }'
  done
  echo '}'
}

# haproxy_map PORT HOSTS PREFIXES: which backend a host with the beginning of a path leads to.
haproxy_map() {
  local host prefix
  for ((host = 0; host < $2; host++)); do
    for ((prefix = 0; prefix < $3; prefix++)); do
      echo "web-$host.bench.svc.cluster.local:$1/p$prefix/ web-$host"
    done
  done
}

# haproxy_proxy PROTOCOL PORT HOSTS PREFIXES SERVER
haproxy_proxy() {
  local protocol=$1 port=$2 hosts=$3 prefixes=$4 server=$5 host spoken='' mode=http
  case $protocol in
    http2 | grpc) spoken='proto h2' ;;
    tcp) mode=tcp hosts=1 ;;
  esac
  haproxy_map "$port" "$hosts" "$prefixes" >"$folder/haproxy.map"
  cat <<CONF
global
  nbthread 1
  maxconn $(at_once)
  # Its standard output is /dev/null.
  log stdout format raw local0
defaults
  mode $mode
  log global
  option ${mode}log
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
frontend captured
  bind 0.0.0.0:15001 backlog 4096 $spoken
CONF
  if [ "$mode" = tcp ]; then
    echo '  default_backend web-0'
  else
    cat <<CONF
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto http
  use_backend %[base,map_beg($folder/haproxy.map)]
  default_backend nowhere
backend nowhere
  http-request return status 404
CONF
  fi
  for ((host = 0; host < hosts; host++)); do
    echo "backend web-$host"
    [ "$mode" = tcp ] || echo '  http-reuse always'
    echo "  server one $server:$port $spoken"
  done
}
