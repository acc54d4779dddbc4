//! The objects of the small mesh.

use std::net::IpAddr;

use serde_json::{Value, json};

/// The namespace of everything.
const NAMESPACE: &str = "bench";
/// The account of the client, as `NAMESPACE/NAME`.
pub(super) const CLIENT: &str = "bench/client";

/// A mesh of hosts that all have the same servers.
#[derive(Debug)]
pub(super) struct Mesh {
    pub hosts: usize,
    pub protocol: String,
    pub port: u16,
    /// Whether the servers are pods of the mesh, whose sidecars speak mutual TLS.
    pub are_pods: bool,
    pub routes: Routes,
}

/// What the rules of each host are.
#[derive(Debug)]
pub(super) struct Routes {
    pub prefixes: usize,
    /// Whether responses say which route they came by.
    pub marked: bool,
}

impl Mesh {
    /// Everything, with the pod of the proxy.
    pub fn all(&self, pod: IpAddr, servers: &[IpAddr]) -> Vec<Value> {
        let mut objects = vec![
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
            self::pod("client", pod),
        ];
        objects.extend(self.pods(servers));
        objects.extend((0..self.hosts).map(|host| self.service(host)));
        objects.extend(self.endpoints(servers));
        // TCP has no rules here.
        if self.protocol != "tcp" {
            objects.extend((0..self.hosts).map(|host| self.rules(host, 0)));
        }
        objects
    }

    /// What a line of the input asks for, if it can be read.
    pub fn change(&self, line: &str) -> Option<Vec<Value>> {
        let (what, rest) = line.split_once(' ')?;
        match what {
            "routes" => {
                let generation: usize = rest.parse().ok()?;
                Some(vec![self.rules(generation % self.hosts, generation)])
            }
            "endpoints" => {
                let servers: Result<Vec<IpAddr>, _> = rest.split(' ').map(str::parse).collect();
                let servers = servers.ok()?;
                Some(
                    self.pods(&servers)
                        .chain(self.endpoints(&servers))
                        .collect(),
                )
            }
            _ => None,
        }
    }

    /// The servers' pods, if there are any: an endpoint gets no traffic before its pod is known.
    fn pods(&self, servers: &[IpAddr]) -> impl Iterator<Item = Value> {
        let servers = if self.are_pods { servers } else { &[] };
        let servers = servers.iter().enumerate();
        servers.map(|(number, ip)| self::pod(&server(number), *ip))
    }

    fn service(&self, host: usize) -> Value {
        let port = json!({"name": self.protocol, "port": self.port, "targetPort": self.port});
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name(host), "namespace": NAMESPACE},
            "spec": {"clusterIP": format!("10.96.0.{}", host + 1), "ports": [port]},
        })
    }

    fn endpoints(&self, servers: &[IpAddr]) -> impl Iterator<Item = Value> {
        let port = json!({"name": self.protocol, "port": self.port});
        let are_pods = self.are_pods;
        (0..self.hosts).map(move |host| {
            let mut slice = slice(&name(host), NAMESPACE, &port, servers);
            let endpoints = slice["endpoints"].as_array_mut();
            for (number, endpoint) in endpoints.into_iter().flatten().enumerate() {
                if are_pods {
                    endpoint["targetRef"] =
                        json!({"kind": "Pod", "name": server(number), "namespace": NAMESPACE});
                }
            }
            slice
        })
    }

    /// The rules of a host. Each generation leads to another host's servers.
    fn rules(&self, host: usize, generation: usize) -> Value {
        let destination = name((host + generation / self.hosts) % self.hosts);
        let routes = (0..self.routes.prefixes).map(|prefix| {
            let mut route = json!({
                "name": format!("{host}-{prefix}"),
                "match": [{"uri": {"prefix": format!("/p{prefix}/")}}],
                "route": [{"destination": {"host": destination, "port": {"number": self.port}}}],
            });
            if self.routes.marked {
                let mark = format!("{host}-{prefix}-{generation}");
                route["headers"] = json!({"response": {"set": {"x-route": mark}}});
            }
            route
        });
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": name(host), "namespace": NAMESPACE},
            "spec": {"hosts": [name(host)], "http": routes.collect::<Vec<_>>()},
        })
    }
}

/// A pod with a sidecar, which has an account of its own.
fn pod(name: &str, ip: IpAddr) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "uid": name,
            "labels": {"app": name, "security.istio.io/tlsMode": "istio"},
        },
        "spec": {
            "serviceAccountName": name,
            "containers": [{"name": "istio-proxy", "args": ["proxy", "sidecar"]}],
        },
        "status": {"podIPs": [{"ip": ip}]},
    })
}

/// What the pod of a server is called.
fn server(number: usize) -> String {
    match number {
        0 => "server".to_owned(),
        number => format!("server-{number}"),
    }
}

/// Where proxies send spans to without being told.
pub(super) fn collector(servers: &[IpAddr]) -> [Value; 2] {
    let (name, namespace) = ("zipkin", "istio-system");
    let port = json!({"name": "http-query", "port": 9411});
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": "10.96.1.1", "ports": [port]},
    });
    [service, slice(name, namespace, &port, servers)]
}

/// All servers, as endpoints of a Service.
fn slice(name: &str, namespace: &str, port: &Value, servers: &[IpAddr]) -> Value {
    let endpoint = |ip: &IpAddr| json!({"addresses": [ip], "conditions": {"ready": true}});
    let endpoints: Vec<_> = servers.iter().map(endpoint).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": name, "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4", "ports": [port], "endpoints": endpoints,
    })
}

fn name(host: usize) -> String {
    format!("web-{host}")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use pillion::discovery::Offline;
    use pillion_envoy_api::type_url;
    use pillion_xds::Snapshot;

    use super::*;

    const POD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 213, 1, 2));
    const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 213, 1, 1));

    fn mesh(protocol: &str) -> Mesh {
        Mesh {
            hosts: 2,
            protocol: protocol.to_owned(),
            port: 8080,
            are_pods: false,
            routes: Routes {
                prefixes: 2,
                marked: true,
            },
        }
    }

    /// Whether a part of a resource of a type is this text.
    fn says(snapshot: &Snapshot, type_url: &str, text: &str) -> bool {
        let resources = snapshot.get(type_url).into_iter();
        resources
            .flat_map(pillion_xds::Layers::iter)
            .any(|(_, resource)| {
                memchr::memmem::find(&resource.body.value, text.as_bytes()).is_some()
            })
    }

    #[tokio::test]
    async fn discovery_renders_every_change() {
        let (discovery, mesh) = (Offline::start().unwrap(), mesh("http"));
        let mut snapshots = discovery.follow(NAMESPACE, "client").await.unwrap();
        for object in mesh.all(POD, &[SERVER]) {
            discovery.apply(&object).await.unwrap();
        }
        let routes = type_url::ROUTE_CONFIGURATION;
        let has_rules = |snapshot: &Snapshot| says(snapshot, routes, "1-1-0");
        snapshots.wait_for(has_rules).await.unwrap();
        for object in mesh.change("routes 3").unwrap() {
            discovery.apply(&object).await.unwrap();
        }
        let has_changed = |snapshot: &Snapshot| says(snapshot, routes, "1-1-3");
        snapshots.wait_for(has_changed).await.unwrap();
        for object in mesh.change("endpoints 10.213.1.3 10.213.1.4").unwrap() {
            discovery.apply(&object).await.unwrap();
        }
        let endpoints = type_url::CLUSTER_LOAD_ASSIGNMENT;
        let has_come = |snapshot: &Snapshot| {
            says(snapshot, endpoints, "10.213.1.4") && !says(snapshot, endpoints, "10.213.1.1")
        };
        snapshots.wait_for(has_come).await.unwrap();
    }

    #[tokio::test]
    async fn requests_are_traced_if_there_is_a_collector() {
        let (discovery, mesh) = (Offline::start().unwrap(), mesh("http"));
        let mut snapshots = discovery.follow(NAMESPACE, "client").await.unwrap();
        let all = collector(&[SERVER])
            .into_iter()
            .chain(mesh.all(POD, &[SERVER]));
        for object in all {
            discovery.apply(&object).await.unwrap();
        }
        let is_traced = |snapshot: &Snapshot| says(snapshot, type_url::LISTENER, "/api/v2/spans");
        snapshots.wait_for(is_traced).await.unwrap();
    }

    #[tokio::test]
    async fn servers_that_are_pods_speak_mutual_tls() {
        let mut discovery = Offline::start().unwrap();
        discovery.mutual_tls(true).await.unwrap();
        let mesh = Mesh {
            are_pods: true,
            ..mesh("http")
        };
        let mut clients = discovery.follow(NAMESPACE, "client").await.unwrap();
        let mut servers = discovery.follow(NAMESPACE, "server").await.unwrap();
        for object in mesh.all(POD, &[SERVER]) {
            discovery.apply(&object).await.unwrap();
        }
        let account = "spiffe://cluster.local/ns/bench/sa/server";
        let names_it = |snapshot: &Snapshot| says(snapshot, type_url::CLUSTER, account);
        clients.wait_for(names_it).await.unwrap();
        let endpoints = type_url::CLUSTER_LOAD_ASSIGNMENT;
        let speak_it = |snapshot: &Snapshot| says(snapshot, endpoints, "tlsMode");
        clients.wait_for(speak_it).await.unwrap();
        // The server's sidecar has the port, and takes both there.
        let has_port = |snapshot: &Snapshot| says(snapshot, type_url::LISTENER, "inbound|8080||");
        servers.wait_for(has_port).await.unwrap();
    }

    #[test]
    fn tcp_has_no_rules() {
        let all = mesh("tcp").all(POD, &[SERVER]);
        assert!(all.iter().all(|object| object["kind"] != "VirtualService"));
    }

    #[test]
    fn what_is_no_change_is_refused() {
        let mesh = mesh("http");
        for line in ["", "routes", "routes x", "endpoints 10.0.0", "restart now"] {
            assert!(mesh.change(line).is_none(), "{line}");
        }
    }
}
