//! Objects that tests create, as Kubernetes reads them.

use std::{fs, path::Path};

use serde_json::{Value, json};

/// A file of the samples.
pub fn sample(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(file);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("samples/{file}: {error}"))
}

/// A container's JSON; tests add fields to it.
pub type Container = Value;

/// A container with the samples' applications, which says nothing of a shell.
pub fn samples(name: &str, command: &[&str]) -> Container {
    let image = format!("docker.io/pillion/samples:{}", env!("CARGO_PKG_VERSION"));
    json!({"name": name, "image": image, "imagePullPolicy": "Never", "command": command})
}

/// A server of the samples that is ready once its port is open. The sidecar asks that by itself, and counts it as
/// nothing that it has carried.
pub fn server(name: &str, arguments: &[&str], port: u16) -> Container {
    let mut container = samples(name, &[&["pillion-samples"], arguments].concat());
    container["readinessProbe"] = json!({"tcpSocket": {"port": port}, "periodSeconds": 1});
    container
}

/// A container that runs a script in busybox' shell. As a stranger's client and server, it is no work of ours.
pub fn busybox(name: &str, script: &str) -> Container {
    json!({
        "name": name,
        "image": "pillion.local/busybox:1",
        "imagePullPolicy": "Never",
        "command": ["sh", "-euc", script],
    })
}

/// A script that ends once a server of any protocol answers there. DNS and kube-proxy hear of a pod that is ready a little
/// later than who waits for that.
pub fn until_answered(host: &str, port: u16) -> String {
    format!("until [ \"$(echo quit | nc -w 2 {host} {port})\" ]; do sleep 0.2; done")
}

/// A pod with the label `app`, which is its name. It has little time to end, because tests wait for that.
pub fn pod(name: &str, containers: &[Container]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 3, "containers": containers},
    })
}

/// A Service for the pods of the same name. The names of its ports declare no protocol.
pub fn service(name: &str, ports: &[u16]) -> Value {
    let ports: Vec<_> = ports
        .iter()
        .map(|port| json!({"name": format!("port-{port}"), "port": port}))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports},
    })
}

/// A Deployment of one container, its pods labelled as those of `pod`.
pub fn deployment(name: &str, replicas: u32, container: &Container) -> Value {
    let mut pod = pod(name, std::slice::from_ref(container));
    let template = json!({"metadata": {"labels": {"app": name}}, "spec": pod["spec"].take()});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    })
}
