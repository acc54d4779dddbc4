//! The cluster of a scenario: its objects, those that follow from its servers, and where hosts are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use crate::case::{Case, Client, Kind, Server};

/// The address of the pod with the proxy. It is not among those of servers.
pub const POD: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 2);
/// The address of the world at the other end.
pub const WORLD: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 1);
/// The name of the pod with the proxy.
pub const POD_NAME: &str = "client";
/// A gateway's ports, as its Service has them and as its pod does.
const GATEWAY_PORTS: [(&str, u16, u16); 3] = [
    ("http2", 80, 8080),
    ("http-alt", 8081, 8081),
    ("tcp", 31400, 31400),
];

/// A scenario's cluster.
pub struct Cluster {
    /// The objects, without the pod of the proxy.
    pub objects: Vec<Value>,
    /// The servers, and where they listen.
    pub servers: Vec<(Server, SocketAddr)>,
    client: Client,
}

/// The pod with the proxy, and a gateway's Service.
pub fn of_client(client: &Client) -> Vec<Value> {
    let is_gateway = client.kind == Kind::Gateway;
    let mut labels = json!(client.labels);
    if is_gateway && client.labels.is_empty() {
        labels = json!({"app": "istio-ingressgateway", "istio": "ingressgateway"});
    }
    let role = if is_gateway { "router" } else { "sidecar" };
    let namespace = client.namespace();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": POD_NAME, "namespace": namespace, "labels": labels, "uid": "client"},
        "spec": {"containers": [{"name": "istio-proxy", "args": ["proxy", role]}]},
        "status": {"podIPs": [{"ip": POD}]},
    });
    if !is_gateway {
        return vec![pod];
    }
    let ports: Vec<_> = GATEWAY_PORTS
        .iter()
        .map(|(name, port, target)| json!({"name": name, "port": port, "targetPort": target}))
        .collect();
    let name = "istio-ingressgateway";
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": "10.96.255.1", "selector": labels, "ports": ports},
    });
    let endpoint = json!({"addresses": [POD], "targetRef": {"kind": "Pod", "name": POD_NAME}});
    let slice = slice(&service, &[endpoint]);
    vec![pod, service, slice]
}

impl Cluster {
    /// The cluster of a scenario.
    pub fn of(case: &Case) -> Self {
        let mut cluster = Self {
            objects: case.resources.iter().map(completed).collect(),
            servers: Vec::new(),
            client: case.client.clone(),
        };
        let services: Vec<_> = cluster.of_kind("Service").cloned().collect();
        let mut endpoints = vec![Vec::new(); services.len()];
        for (index, server) in (1..).zip(&case.servers) {
            let ip = server.ip.unwrap_or(Ipv4Addr::new(10, 2, 0, index).into());
            let mut ports = server.ports.clone();
            for name in &server.of {
                let found = services.iter().position(|service| is_named(service, name));
                let found = found.unwrap_or_else(|| panic!("{}: no Service {name}", case.name));
                ports.extend(target_ports(&services[found]));
                endpoints[found].push(cluster.endpoint(server, ip, &services[found]));
            }
            ports.sort_unstable();
            ports.dedup();
            assert!(
                !ports.is_empty(),
                "{}: {} has no port",
                case.name,
                server.name
            );
            let addresses = ports.into_iter().map(|port| SocketAddr::new(ip, port));
            let servers = addresses.map(|address| (server.clone(), address));
            cluster.servers.extend(servers);
        }
        let slices = services.iter().zip(&endpoints);
        let slices: Vec<_> = slices
            .filter(|(service, _)| service["spec"]["type"] != "ExternalName")
            .map(|(service, endpoints)| slice(service, endpoints))
            .collect();
        cluster.objects.extend(slices);
        cluster
    }

    /// The servers in the pod with the proxy, or those that are not.
    pub fn servers_in_pod(&self, inside: bool) -> Vec<(Server, SocketAddr)> {
        let servers = self.servers.iter();
        let chosen = servers.filter(|(_, address)| (address.ip() == POD) == inside);
        chosen.cloned().collect()
    }

    /// The endpoint of a Service that a server is, for which its pod is made as well.
    fn endpoint(&mut self, server: &Server, ip: IpAddr, service: &Value) -> Value {
        let name = match &server.pod {
            Some(pod) => pod.as_str(),
            None if ip == POD => POD_NAME,
            None => server.name.as_str(),
        };
        let namespace = &service["metadata"]["namespace"];
        if ip != POD && server.pod.is_none() {
            self.objects.push(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "labels": server.labels, "uid": name},
                "spec": {"containers": [{"name": "app"}]},
                "status": {"podIPs": [{"ip": ip}]},
            }));
        }
        json!({
            "addresses": [ip],
            "conditions": {"ready": server.ready, "serving": server.ready},
            "targetRef": {"kind": "Pod", "name": name, "namespace": namespace},
        })
    }

    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.objects
            .iter()
            .filter(move |object| object["kind"] == kind)
    }

    /// Where a client in the pod connects to for a host.
    pub fn address(&self, host: &str, port: u16) -> Option<SocketAddr> {
        if let Ok(ip) = host.parse() {
            return Some(SocketAddr::new(ip, port));
        }
        let own = self.client.namespace();
        let services = self.of_kind("Service").filter_map(|service| {
            let (name, namespace) = (text(service, "name"), text(service, "namespace"));
            let full = format!("{name}.{namespace}.svc.cluster.local");
            let is_short = host == name && namespace == own;
            let is_long =
                host.contains('.') && (full == host || full.starts_with(&format!("{host}.")));
            (is_short || is_long).then(|| service["spec"]["clusterIP"].as_str())?
        });
        let entries = self.of_kind("ServiceEntry").filter_map(|entry| {
            let spec = &entry["spec"];
            let hosts = spec["hosts"].as_array()?;
            hosts
                .iter()
                .any(|name| name == host)
                .then(|| spec["addresses"][0].as_str())?
        });
        let ip = services.chain(entries).next()?.parse().ok()?;
        Some(SocketAddr::new(ip, port))
    }
}

/// Where a client of a gateway connects to for a port of its Service.
pub fn gateway_address(port: u16) -> SocketAddr {
    let found = GATEWAY_PORTS.iter().find(|(_, own, _)| *own == port);
    (POD, found.map_or(port, |(_, _, target)| *target)).into()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Adds what goes without saying.
fn completed(object: &Value) -> Value {
    let mut object = object.clone();
    let version = match object["kind"].as_str() {
        Some("Service" | "Pod" | "Namespace") => "v1",
        Some("EndpointSlice") => "discovery.k8s.io/v1",
        Some("Telemetry") => "telemetry.istio.io/v1",
        Some("PeerAuthentication") => "security.istio.io/v1",
        _ => "networking.istio.io/v1",
    };
    if object.get("apiVersion").is_none() {
        object["apiVersion"] = json!(version);
    }
    let metadata = &mut object["metadata"];
    if metadata.get("namespace").is_none() {
        metadata["namespace"] = json!("default");
    }
    object
}

fn is_named(service: &Value, name: &str) -> bool {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    text(service, "name") == name && text(service, "namespace") == namespace
}

fn target_ports(service: &Value) -> Vec<u16> {
    let ports = service["spec"]["ports"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    ports.iter().filter_map(target_port).collect()
}

fn target_port(port: &Value) -> Option<u16> {
    let number = port.get("targetPort").unwrap_or(&port["port"]);
    u16::try_from(number.as_u64()?).ok()
}

fn slice(service: &Value, endpoints: &[Value]) -> Value {
    let name = text(service, "name");
    let ports = service["spec"]["ports"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let ports: Vec<_> = ports
        .iter()
        .map(|port| json!({"name": port["name"].as_str().unwrap_or(""), "port": target_port(port)}))
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-1"), "namespace": text(service, "namespace"),
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4", "ports": ports, "endpoints": endpoints,
    })
}
