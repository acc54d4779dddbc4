//! Connections between two injected pods that stop being HTTP: WebSocket and CONNECT.

use serde_json::json;

use crate::harness::{Namespace, Reporter, busybox, eventually, pod, service, until_answered};

/// Agrees to a tunnel, and then sends back what it gets.
const SERVER: &str = r#"echo '#!/bin/sh' >/tmp/answer
cat >>/tmp/answer <<'END'
read -r method rest
while read -r line && [ ${#line} -gt 1 ]; do :; done
case $method in
  GET) printf 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'; exec cat ;;
  CONNECT) printf 'HTTP/1.1 200 OK\r\n\r\n'; exec cat ;;
  *) echo no ;;
esac
END
chmod +x /tmp/answer
exec nc -ll -p 8080 -e /tmp/answer"#;

/// Sends a request, and through the tunnel one word after the other, each when the one before it has come back.
/// Prints all that has come.
const CLIENT: &str = r#"cd /tmp
rm -f in out
mkfifo in
: >out
nc server 8080 <in >out &
exec 3>in
printf "$REQUEST" >&3
until grep -q "^HTTP/1.1 $STATUS" out; do sleep 0.1; done
for word in one two three; do
  printf "$word" >&3
  until grep -q "$word" out; do sleep 0.1; done
done
exec 3>&-
wait
cat out"#;

/// Sends the request and uses the tunnel; then both sidecars have to have counted one request with this status.
async fn tunnel(prefix: &str, request: &str, status: &str) {
    let Some(shop) = Namespace::injected(prefix).await else {
        return;
    };
    let mut server = busybox("server", SERVER);
    server["readinessProbe"] = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
    let objects = [
        pod("server", &[server]),
        pod("client", &[busybox("client", "exec sleep infinity")]),
        service("server", &[8080]),
    ];
    shop.create(&objects).await;
    shop.wait_ready(&["server", "client"]).await;
    shop.sh("client", &until_answered("server", 8080)).await;

    let script = format!("REQUEST='{request}' STATUS={status}\n{CLIENT}");
    let out = shop.sh("client", &script).await;
    assert!(out.ends_with("onetwothree"), "{out}");
    for (pod, reporter) in [
        ("client", Reporter::Source),
        ("server", Reporter::Destination),
    ] {
        let counted = eventually("the tunnel has ended", async || {
            let labels = [("reporter", reporter.as_str()), ("response_code", status)];
            let counted = shop.counters(pod).await;
            Some(counted.sum("istio_requests_total", &labels)).filter(|count| *count > 0)
        });
        assert_eq!(counted.await, 1, "{pod}");
    }
}

#[tokio::test]
async fn a_web_socket_goes_through_both_sidecars() {
    let request = r"GET /chat HTTP/1.1\r\nHost: server:8080\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    tunnel("websocket", request, "101").await;
}

#[tokio::test]
async fn a_tunnel_of_connect_goes_through_both_sidecars() {
    let request = r"CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n";
    tunnel("connect", request, "200").await;
}
