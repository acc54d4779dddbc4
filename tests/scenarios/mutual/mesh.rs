//! What is in the mesh of all cases: the pods `client` and `server`, each with a sidecar and an account of its name, and a
//! Service for each of the server's ports.

use serde_json::{Value, json};

use crate::{
    case::{Case, Server},
    objects::{POD, POD_NAME, WORLD},
};

/// The name of the server's pod.
pub const SERVER: &str = "server";
/// The port at which nothing is captured, and the server only listens how clients begin.
pub const HELLO: u16 = 8443;
/// The port that no Service knows.
const HIDDEN: u16 = 8090;

/// Services: name, address, name and number of the port, and the number that it has in the pod.
const SERVICES: [(&str, &str, &str, u16, u16); 6] = [
    ("web", "10.96.1.1", "http", 80, 8080),
    ("fast", "10.96.1.2", "http2", 80, 8081),
    ("db", "10.96.1.3", "tcp", 9000, 9001),
    // Nobody says what these speak.
    ("page", "10.96.1.4", "page", 7000, 7070),
    ("talk", "10.96.1.5", "talk", 7100, 7170),
    ("hello", "10.96.1.6", "http", 80, HELLO),
];

/// The server's ports, with commas.
pub fn ports() -> String {
    let ports = SERVICES.iter().map(|(.., target)| *target).chain([HIDDEN]);
    ports
        .map(|port| port.to_string())
        .collect::<Vec<_>>()
        .join(",")
}

/// Adds the Services to a case, and the servers behind them.
pub fn complete(case: &mut Case) {
    for (name, address, port_name, port, target) in SERVICES {
        case.resources.push(json!({
            "kind": "Service", "metadata": {"name": name},
            "spec": {"clusterIP": address, "ports": [{"name": port_name, "port": port, "targetPort": target}]},
        }));
        case.servers.push(server(&json!({
            "name": name, "of": [name], "ip": WORLD, "pod": SERVER,
            "tcp": matches!(name, "db" | "talk"), "down": name == "hello",
        })));
    }
    let hidden = json!({"name": "hidden", "ip": WORLD, "pod": SERVER, "ports": [HIDDEN]});
    case.servers.push(server(&hidden));
}

fn server(server: &Value) -> Server {
    serde_json::from_value(server.clone()).unwrap()
}

/// Both pods. A case may have another `server` in place of this one.
pub fn pods() -> [Value; 2] {
    [(POD_NAME, POD), (SERVER, WORLD)].map(|(name, address)| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": "default", "uid": name,
                "labels": {"app": name, "security.istio.io/tlsMode": "istio"},
            },
            "spec": {
                "serviceAccountName": name,
                "containers": [{"name": "istio-proxy", "args": ["proxy", "sidecar"]}],
            },
            "status": {"podIPs": [{"ip": address}]},
        })
    })
}
