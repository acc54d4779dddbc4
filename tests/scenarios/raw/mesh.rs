//! Where cases take place: a sidecar and a gateway, with many ports, so that as many cases can run
//! at a time, each with a server to itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use super::case::Way;
use crate::{
    case::{Case, Kind},
    objects::POD,
};

/// How many cases run at a time.
pub const LANES: u16 = 24;
/// The number of the first port of servers of HTTP/2.
const HTTP2: u16 = 100;
/// The first port of Services and of the gateway.
const PORTS: u16 = 8000;
/// The first port of servers.
const TARGETS: u16 = 9000;
/// The Service of the server that is another pod.
const WEB: Ipv4Addr = Ipv4Addr::new(10, 96, 1, 1);
/// That server, the first of a scenario.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);

/// The ways by which such a proxy sends requests.
pub fn ways(kind: Kind) -> &'static [Way] {
    match kind {
        Kind::Sidecar => &[Way::Outbound, Way::Inbound],
        Kind::Gateway => &[Way::Gateway],
    }
}

/// The number of a lane's port, by what its server speaks there.
pub fn port(lane: u16, is_http2: bool) -> u16 {
    lane + if is_http2 { HTTP2 } else { 0 }
}

impl Way {
    /// Where a client connects to, by the port's number.
    pub fn entrance(self, port: u16) -> SocketAddr {
        match self {
            Self::Outbound => (WEB, PORTS + port).into(),
            Self::Inbound => (POD, TARGETS + port).into(),
            Self::Gateway => (POD, PORTS + port).into(),
        }
    }

    /// Where the server listens.
    pub fn server(self, port: u16) -> SocketAddr {
        let ip = match self {
            Self::Inbound => POD,
            Self::Outbound | Self::Gateway => SERVER,
        };
        SocketAddr::new(IpAddr::V4(ip), TARGETS + port)
    }

    /// Whether clients are in the pod of the proxy.
    pub fn is_from_inside(self) -> bool {
        self == Self::Outbound
    }

    /// Whether servers are.
    pub fn is_to_inside(self) -> bool {
        self == Self::Inbound
    }
}

/// The scenario in which cases take place.
pub fn scenario(kind: Kind) -> Case {
    let ports = |target: u16| -> Vec<_> {
        let of = |protocol: &str, port: u16| json!({"name": format!("{protocol}-{port}"), "port": PORTS + port, "targetPort": target + port});
        (0..LANES)
            .flat_map(|lane| [of("http", port(lane, false)), of("http2", port(lane, true))])
            .collect()
    };
    let service = |name: &str, ip: Value, target: u16| json!({"kind": "Service", "metadata": {"name": name}, "spec": {"clusterIP": ip, "ports": ports(target)}});
    let web = service("web", json!(WEB), TARGETS);
    let (name, resources) = match kind {
        Kind::Sidecar => (
            "app",
            vec![web, service("app", json!("10.96.1.2"), TARGETS)],
        ),
        Kind::Gateway => {
            let name = "istio-ingressgateway";
            let own = service(name, json!("10.96.255.1"), PORTS);
            (name, vec![web, own, gateway(), rules()])
        }
    };
    let kind = match kind {
        Kind::Sidecar => "sidecar",
        Kind::Gateway => "gateway",
    };
    let scenario = json!({
        "rules": ["raw"], "about": "Raw messages.", "client": {"kind": kind},
        "servers": [
            {"name": "web-1", "of": ["web"]},
            {"name": "own", "of": [name], "ip": POD},
        ],
        "resources": resources, "requests": [],
    });
    serde_json::from_value(scenario).unwrap()
}

fn gateway() -> Value {
    let servers: Vec<_> = (0..LANES)
        .map(|lane| {
            let port =
                json!({"number": PORTS + lane, "name": format!("http-{lane}"), "protocol": "HTTP"});
            json!({"port": port, "hosts": ["*"]})
        })
        .collect();
    json!({
        "kind": "Gateway", "metadata": {"name": "gateway"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": servers},
    })
}

/// Each port has a server's.
fn rules() -> Value {
    let rules: Vec<_> = (0..LANES)
        .map(|lane| {
            let port = PORTS + lane;
            let destination = json!({"host": "web", "port": {"number": port}});
            json!({"match": [{"port": port}], "route": [{"destination": destination}]})
        })
        .collect();
    json!({
        "kind": "VirtualService", "metadata": {"name": "web"},
        "spec": {"hosts": ["*"], "gateways": ["gateway"], "http": rules},
    })
}
