# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other parts
# What is measured, and what issue 12 asks of it.

all_cases=1,32,1000,open,16k,routes,workers,h2,grpc,tcp,footprint

# describe CASE: sets the variables of a case.
describe() {
  participants="envoy pillion nginx haproxy direct"
  # What discovery, Envoy, nginx and HAProxy are told.
  protocol=http port=${port_of[http]} hosts=10 prefixes=10 workers=1 cores=0
  # What the second proxy of ours is told instead, and what it is called.
  second_prefixes=10 second_workers=1 second_title=''
  load=(http1 --connections 32)
  # Columns of the table: title, number of what pillion-load prints, perhaps a factor.
  columns=("requests/s=1" "CPU µs/request=6" "p50 ms=2" "p99 ms=3" "resident MiB=7")
  bar='' against_second='' adds_latency=''
  # Which sidecars of a pair there are: both, or the server's alone. Without it, there are no pairs.
  paired=''
  case $1 in
    1) title="1 connection" load=(http1 --connections 1)
      bar="CPU ≤ 0.40" ;;
    32) title="32 connections" participants="envoy pillion nginx haproxy relay direct"
      bar="requests/s ≥ 2.8, each run ≥ 2.4; CPU ≤ 0.36" ;;
    1000) title="1,000 connections" load=(http1 --connections 1000)
      bar="requests/s ≥ 3.5; p99 ≤ 0.33" ;;
    open) title="open loop, $rate/s" load=(http1 --connections 64 --rate "$rate") adds_latency=yes
      columns=("requests/s=1" "CPU µs/request=6" "p50 ms=2" "p99 ms=3" "p99.9 ms=4" "max ms=5") ;;
    16k) title="16 KB bodies, 32 connections" port=${port_of[16k]} participants="envoy pillion nginx haproxy relay direct"
      bar="requests/s ≥ 2.5" ;;
    routes) title="1,000 routes, 32 connections" prefixes=100
      participants="envoy pillion second nginx haproxy" second_title="pillion, 100 routes"
      against_second="requests/s ≥ 0.97; CPU ≤ 1.03" ;;
    workers) title="2 workers, 64 connections" workers=2 cores=0,1 load=(http1 --connections 64)
      participants="envoy pillion second" second_title="pillion, 1 worker"
      against_second="CPU ≤ 1.00" ;;
    h2) title="HTTP/2, 4 connections of 8 streams" protocol=http2 port=${port_of[http2]} load=(http2 --connections 4 --streams 8)
      # nginx sends no HTTP/2 to servers, but for gRPC.
      participants="envoy pillion haproxy direct"
      bar="requests/s ≥ 1.5" ;;
    grpc) title="gRPC, 4 connections of 8 calls" protocol=grpc port=${port_of[grpc]} load=(http2 --grpc --connections 4 --streams 8)
      # nginx as a proxy takes frames for an error that nginx as a server sends after the end of a call.
      participants="envoy pillion haproxy direct"
      bar="requests/s ≥ 1.5" ;;
    tcp) title="TCP, 4 connections" protocol=tcp port=${port_of[tcp]} load=(bulk --connections 4)
      # Debian's nginx-light is without its module for TCP.
      participants="envoy pillion haproxy direct"
      columns=("MiB/s=1" "CPU s/GiB=6*0.001024" "resident MiB=7")
      bar="MiB/s ≥ 1.00; CPU ≤ 1.00" ;;
    mtls) title="two sidecars, 32 connections" paired=both participants=$pairs
      bar="requests/s ≥ 2.0; CPU ≤ 0.45" ;;
    mtls-open) title="two sidecars, 1,000/s of 1 kB" paired=both participants="$pairs direct" port=${port_of[1k]} adds_latency=yes
      load=(http1 --connections 64 --rate 1000)
      columns=("requests/s=1" "p50 ms=2" "p99 ms=3" "vCPU of both=6*0.001")
      bar="vCPU of both ≤ 0.14" ;;
    tls) title="server's sidecar, 32 connections by TLS" paired=server participants=$pairs load=(http1 --connections 32 --tls "$folder/client") ;;
    handshakes) title="server's sidecar, new connections" paired=server participants=$pairs load=(handshakes --connections 8 --tls "$folder/client")
      columns=("connections/s=1" "CPU µs/connection=6" "p50 ms=2" "p99 ms=3")
      bar="CPU ≤ 1.00" ;;
    resumed) title="server's sidecar, resumed connections" paired=server participants=$pairs load=(handshakes --resume --connections 8 --tls "$folder/client")
      columns=("connections/s=1" "CPU µs/connection=6" "p50 ms=2" "p99 ms=3")
      bar="CPU ≤ 0.33" ;;
    tracing) title="tracing, 32 connections" participants=$tracers ;;
    *) fail "there is no case $1: choose from $all_cases" ;;
  esac
}

title_of() {
  case $1 in
    second) echo "$second_title" ;;
    relay) echo "pillion, a relay of TCP" ;;
    *) echo "$1" ;;
  esac
}
