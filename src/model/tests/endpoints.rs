use serde_json::json;

use super::fixture::{Mesh, endpoint, key, node, pod, service, slice};
use crate::model::{Address, Change, Event};

/// The addresses of a cluster's endpoints.
fn endpoints(mesh: &Mesh, cluster: &str) -> Vec<String> {
    let cluster = &mesh.outbound("shop/client").clusters[cluster];
    let groups = mesh.model.endpoints(cluster);
    let endpoints = groups.iter().flat_map(|group| &group.endpoints);
    let show = endpoints.map(|endpoint| match &endpoint.address {
        Address::Ip(ip) => format!("{ip}:{}", endpoint.port),
        Address::Name(name) => format!("{name}:{}", endpoint.port),
    });
    show.collect()
}

const WEB: &str = "outbound|80||web.shop.svc.cluster.local";
const V1: &str = "outbound|80|v1|web.shop.svc.cluster.local";
const HOST: &str = "web.shop.svc.cluster.local";

fn with_pods(ips: &[&str]) -> Mesh {
    let mut mesh = Mesh::with_web();
    let dirty = mesh.slice(slice("shop", "web", ips));
    assert!(!dirty.rules && dirty.endpoints.iter().eq([&HOST.into()]));
    mesh
}

#[test]
fn a_services_endpoints_are_those_that_are_ready() {
    let mut mesh = Mesh::with_web();
    let mut slice = slice("shop", "web", &["10.1.0.2", "10.1.0.1", "10.1.0.3"]);
    slice.endpoints[2].ready = false;
    let _ = mesh.slice(slice);
    assert_eq!(endpoints(&mesh, WEB), ["10.1.0.1:8080", "10.1.0.2:8080"]);
}

#[test]
fn an_endpoint_in_two_slices_is_one() {
    let mut mesh = with_pods(&["10.1.0.1"]);
    let mut second = slice("shop", "web", &["10.1.0.1", "10.1.0.2"]);
    second.key.name = "web-2".into();
    let _ = mesh.slice(second);
    assert_eq!(endpoints(&mesh, WEB), ["10.1.0.1:8080", "10.1.0.2:8080"]);
}

#[test]
fn pods_that_are_not_ready_are_endpoints_where_the_service_publishes_them() {
    let mut mesh = Mesh::with_web();
    let mut web = service("shop", "web", &[("http", 80)]);
    web.publish_not_ready = true;
    mesh.service(web);
    let mut slice = slice("shop", "web", &["10.1.0.1"]);
    slice.endpoints[0].ready = false;
    let _ = mesh.slice(slice);
    assert_eq!(endpoints(&mesh, WEB), ["10.1.0.1:8080"]);
}

#[test]
fn ending_pods_that_still_serve_are_used_where_there_are_no_others() {
    let mut mesh = Mesh::with_web();
    let mut slice = slice("shop", "web", &["10.1.0.1", "10.1.0.2"]);
    for endpoint in &mut slice.endpoints {
        (endpoint.ready, endpoint.terminating) = (false, true);
    }
    slice.endpoints[1].serving = false;
    let _ = mesh.slice(slice.clone());
    assert_eq!(endpoints(&mesh, WEB), ["10.1.0.1:8080"]);
    slice.endpoints.push(endpoint("shop", "web", "10.1.0.3"));
    let _ = mesh.slice(slice);
    assert_eq!(endpoints(&mesh, WEB), ["10.1.0.3:8080"]);
}

#[test]
fn a_subset_has_the_endpoints_whose_pods_have_its_labels() {
    let mut mesh = with_pods(&["10.1.0.1", "10.1.0.2"]);
    mesh.rule(
        "DestinationRule",
        "shop/web",
        json!({ "host": "web", "subsets": [
        { "name": "v1", "labels": { "version": "v1" } }, { "name": "all" }] }),
    );
    assert!(endpoints(&mesh, V1).is_empty());
    let v1 = [("app", "web"), ("version", "v1")];
    let pod = pod("shop", "web-10.1.0.2", &v1, "10.1.0.2");
    let dirty = mesh.apply(Event::Pod(Change::Apply(pod)));
    // The pod came after the slice.
    assert!(!dirty.rules && dirty.endpoints.contains(HOST));
    assert_eq!(endpoints(&mesh, V1), ["10.1.0.2:8080"]);
    assert_eq!(
        endpoints(&mesh, "outbound|80|all|web.shop.svc.cluster.local").len(),
        2
    );
}

#[test]
fn a_pod_with_two_addresses_is_one_endpoint() {
    let mut mesh = with_pods(&["10.1.0.1"]);
    let mut six = slice("shop", "web", &["fd00::1"]);
    six.key.name = "web-six".into();
    let _ = mesh.slice(six);
    assert_eq!(endpoints(&mesh, WEB), ["10.1.0.1:8080"]);
    let mut web = service("shop", "web", &[("http", 80)]);
    web.addresses = vec!["fd00:96::1".parse().unwrap(), "10.96.0.9".parse().unwrap()];
    mesh.service(web);
    assert_eq!(endpoints(&mesh, WEB), ["fd00::1:8080"]);
}

#[test]
fn endpoints_are_grouped_by_place() {
    let mut mesh = Mesh::with_web();
    let mut slice = slice("shop", "web", &["10.1.0.1", "10.1.0.2"]);
    slice.endpoints[1].zone = Some("z2".into());
    let _ = mesh.slice(slice);
    let dirty = mesh.apply(node("node", "r", "z1"));
    assert!(!dirty.rules && dirty.endpoints.contains(HOST));
    let cluster = &mesh.outbound("shop/client").clusters[WEB];
    let groups = mesh.model.endpoints(cluster);
    let places: Vec<_> = groups
        .iter()
        .map(|group| {
            (
                &*group.locality.region,
                &*group.locality.zone,
                group.endpoints.len(),
            )
        })
        .collect();
    assert_eq!(places, [("r", "z1", 1), ("r", "z2", 1)]);
}

#[test]
fn a_service_without_selector_has_the_endpoints_of_its_slices() {
    let mut mesh = Mesh::with_web();
    let mut web = service("shop", "web", &[("http", 80)]);
    web.selector = None;
    mesh.service(web);
    let mut slice = slice("shop", "web", &["192.0.2.1"]);
    slice.endpoints[0].pod = None;
    let _ = mesh.slice(slice);
    assert_eq!(endpoints(&mesh, WEB), ["192.0.2.1:8080"]);
}

#[test]
fn a_port_that_no_slice_names_has_no_endpoints() {
    let mut mesh = with_pods(&["10.1.0.1"]);
    mesh.service(service("shop", "web", &[("http", 80), ("http-b", 81)]));
    assert!(endpoints(&mesh, "outbound|81||web.shop.svc.cluster.local").is_empty());
}

#[test]
fn a_slice_is_no_matter_of_pods_in_other_namespaces() {
    let mut mesh = Mesh::with_web();
    // Its slices say which pods it has.
    let mut by_hand = service("shop", "by-hand", &[("http", 80)]);
    by_hand.selector = None;
    mesh.service(by_hand);
    let mut slice = slice("shop", "by-hand", &["10.0.0.1", "10.0.0.2"]);
    slice.endpoints[0].pod = Some(key("shop/client"));
    slice.endpoints[1].pod = Some(key("other/client"));
    let dirty = mesh.slice(slice);
    assert!(dirty.clients.contains(&key("shop/client")));
    assert!(!dirty.clients.contains(&key("other/client")));
}
