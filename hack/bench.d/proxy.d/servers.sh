# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# The servers that all proxies send to. They share core 1 with the client.

# port_of KIND: where a kind of server listens.
declare -A port_of=([http]=8080 [http2]=8081 [16k]=8082 [grpc]=8083 [1k]=8084 [tcp]=9000)

# nginx_servers NAME [ADDRESS]: the configuration of nginx as a server, at all addresses or at one.
nginx_servers() {
  local name=$1 address=${2:-0.0.0.0}
  cat <<CONF
worker_processes 1;
pid $folder/$name.pid;
error_log $folder/$name.log;
events { worker_connections 65536; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  http2_max_concurrent_streams 1024;
  open_file_cache max=16;
  root $folder/www;
  server {
    listen $address:${port_of[http]} backlog=4096;
    location / { default_type text/plain; return 200 "hello world\n"; }
  }
  server {
    listen $address:${port_of[http2]} http2 backlog=4096;
    location / { default_type text/plain; return 200 "hello world\n"; }
  }
  server {
    listen $address:${port_of[16k]} backlog=4096;
    location / { default_type text/plain; rewrite ^ /16k break; }
  }
  # Every call has the same answer. Files are for GET, so a POST comes to it by the page for its error.
  server {
    listen $address:${port_of[grpc]} http2 backlog=4096;
    default_type application/grpc;
    add_trailer grpc-status 0 always;
    error_page 405 =200 /reply;
  }
$(collector "$address")
}
CONF
}

write_bodies() {
  mkdir "$folder/www"
  head -c 16384 /dev/zero | tr '\0' x >"$folder/www/16k"
  printf '\0\0\0\0\005hello' >"$folder/www/reply"
  local prefix
  # Of calls, by their paths.
  for ((prefix = 0; prefix < 10; prefix++)); do
    mkdir "$folder/www/p$prefix"
    cp "$folder/www/reply" "$folder/www/p$prefix/index"
  done
}

# start_nginx NAME [ADDRESS]: starts nginx as a server, and sets `server`.
start_nginx() {
  local name=$1
  nginx_servers "$@" >"$folder/$name.conf"
  ip netns exec "$network-server" taskset -c 1 "${first[@]}" nginx -c "$folder/$name.conf" -g 'daemon off;' 2>"$folder/$name.out" &
  server=$!
  started+=("$server")
  await "nginx as a server" "$server" "$folder/$name.out" \
    inside server bash -c "exec 3<>/dev/tcp/${2:-127.0.0.1}/${port_of[http]}" 2>/dev/null
}

start_servers() {
  write_bodies
  start_nginx servers
  ip netns exec "$network-server" taskset -c 1 "${first[@]}" "$folder/pillion-load" serve-bulk "0.0.0.0:${port_of[tcp]}" 2>"$folder/bulk.out" &
  started+=($!)
}
