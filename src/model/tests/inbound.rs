use super::fixture::{Mesh, pod, service, slice};
use crate::model::{Protocol, TargetPort};

/// The inbound ports of `shop/web`, `PORT PROTOCOL SERVICE:PORT`.
fn ports(mesh: &Mesh) -> Vec<String> {
    let inbound = mesh.model.inbound(&mesh.client("shop/web"));
    let ports = inbound.ports.iter().map(|port| {
        assert_eq!(*port.cluster, format!("inbound|{}||", port.port));
        let service = &port.service.name;
        format!(
            "{} {:?} {service}:{}",
            port.port, port.protocol, port.service_port
        )
    });
    ports.collect()
}

fn with_pod() -> Mesh {
    let mut mesh = Mesh::with_web();
    mesh.pod(pod("shop", "web", &[("app", "web")], "10.1.0.1"));
    mesh
}

#[test]
fn a_pods_ports_are_the_target_ports_of_its_services() {
    let mut mesh = with_pod();
    let mut other = service("shop", "other", &[("tcp", 90), ("x", 91)]);
    other.selector = Some([("app", "web")].into_iter().collect());
    mesh.service(other);
    mesh.service(service("shop", "unrelated", &[("http", 92)]));
    mesh.service(service("elsewhere", "web", &[("http", 93)]));
    assert_eq!(
        ports(&mesh),
        ["80 Http web:80", "90 Tcp other:90", "91 Unknown other:91"]
    );
}

#[test]
fn a_named_target_port_is_the_containers() {
    let mut mesh = with_pod();
    let mut web = service("shop", "web", &[("http", 80), ("http-b", 81)]);
    web.ports[0].target = TargetPort::Name("main".into());
    web.ports[1].target = TargetPort::Name("missing".into());
    mesh.service(web);
    assert_eq!(ports(&mesh), ["8080 Http web:80"]);
}

#[test]
fn the_oldest_service_decides_what_a_port_speaks() {
    let mut mesh = with_pod();
    let mut later = service("shop", "a-later", &[("tcp", 80)]);
    later.selector = Some([("app", "web")].into_iter().collect());
    mesh.service(later);
    assert_eq!(ports(&mesh), ["80 Http web:80"]);
}

#[test]
fn a_service_without_selector_has_the_pods_of_its_slices() {
    let mut mesh = with_pod();
    let mut web = service("shop", "web", &[("http", 80)]);
    web.selector = None;
    mesh.service(web);
    assert!(ports(&mesh).is_empty());
    let mut slice = slice("shop", "web", &["10.1.0.1"]);
    slice.endpoints[0].pod = Some(super::fixture::key("shop/web"));
    let dirty = mesh.slice(slice);
    assert!(dirty.clients.contains(&super::fixture::key("shop/web")));
    assert_eq!(ports(&mesh), ["8080 Http web:80"]);
}

#[test]
fn app_protocol_counts_inbound_as_well() {
    let mut mesh = with_pod();
    let mut web = service("shop", "web", &[("tcp", 80)]);
    web.ports[0].app_protocol = Some("kubernetes.io/h2c".into());
    mesh.service(web);
    let inbound = mesh.model.inbound(&mesh.client("shop/web"));
    assert_eq!(inbound.ports[0].protocol, Protocol::Http2);
}

#[test]
fn a_slice_of_addresses_alone_concerns_the_pods_that_have_them() {
    let mut mesh = with_pod();
    let mut bare = service("shop", "bare", &[("http", 90)]);
    bare.selector = None;
    mesh.service(bare);
    mesh.pod(pod("other", "web", &[], "10.1.0.1"));
    let mut slice = slice("shop", "bare", &["10.1.0.1"]);
    slice.endpoints[0].pod = None;
    let dirty = mesh.slice(slice);
    let clients: Vec<_> = dirty.clients.iter().map(ToString::to_string).collect();
    assert_eq!(clients, ["shop/web"]);
    assert!(ports(&mesh).contains(&"8080 Http bare:90".to_owned()));
}
