//! Whose certificates clients accept.

use serde_json::json;

use super::{
    fixture::{Mesh, key, service, slice},
    transport::{WEB, cluster, config, exact, mesh, mutual},
};
use crate::model::{Event, PeerName, Transport};

/// The names that servers of a cluster may have, which is one of so many.
fn names(mesh: &Mesh, name: &str, many: usize) -> Vec<PeerName> {
    match mesh.model.transport(&cluster(mesh, name), many) {
        Transport::Auto(servers) | Transport::Mutual(servers) => servers.names,
        Transport::Plaintext | Transport::Outside(_) => panic!("no mutual TLS"),
    }
}

/// All accounts of the Service's namespace.
fn all_of_shop() -> Vec<PeerName> {
    vec![PeerName::Prefix(
        "spiffe://cluster.local/ns/shop/sa/".into(),
    )]
}

/// Each of a tenant's clusters would list them all.
#[test]
fn of_many_accounts_the_namespace_is_named() {
    for (count, is_exact) in [(32, true), (33, false)] {
        let mut mesh = Mesh::with_web();
        assert!(mesh.apply(Event::Mesh(config())).rules);
        let ips: Vec<_> = (0..count).map(|n| format!("10.3.0.{n}")).collect();
        for ip in &ips {
            mesh.pod(mutual(&format!("web-{ip}"), ip, ip));
        }
        let ips: Vec<_> = ips.iter().map(String::as_str).collect();
        let _ = mesh.slice(slice("shop", "web", &ips));
        let names = names(&mesh, WEB, 1);
        assert_eq!(names == all_of_shop(), !is_exact, "{names:?}");
        assert_eq!(names.len(), if is_exact { 32 } else { 1 });
    }
}

/// A user who may write slices only decides about accounts of the slice's namespace.
#[test]
fn the_account_of_another_namespaces_pod_does_not_count() {
    let mut mesh = mesh();
    let mut other = slice("shop", "web", &["10.0.0.2"]);
    other.endpoints[0].pod = Some(key("other/client"));
    let _ = mesh.slice(other);
    assert_eq!(names(&mesh, WEB, 1), all_of_shop());
}

#[test]
fn where_no_account_is_known_it_is_one_of_the_namespace() {
    let mut mesh = Mesh::with_web();
    assert!(mesh.apply(Event::Mesh(config())).rules);
    assert_eq!(names(&mesh, WEB, 1), all_of_shop());
    let _ = mesh.slice(slice("shop", "web", &["10.1.0.1"]));
    assert_eq!(names(&mesh, WEB, 1), all_of_shop());
}

#[test]
fn where_there_are_very_many_clusters_the_namespace_is_named() {
    let mesh = mesh();
    let accounts = ["api", "default", "web"];
    let accounts = accounts.map(|account| format!("spiffe://cluster.local/ns/shop/sa/{account}"));
    let accounts = exact(&accounts.each_ref().map(String::as_str));
    assert_eq!(names(&mesh, WEB, 131_072), accounts);
    assert_eq!(names(&mesh, WEB, 1 << 20), all_of_shop());
}

/// Names that the rule does not have are never accepted in place of those that are left out.
#[test]
fn a_rules_names_are_cut_to_those_that_have_room() {
    let mut mesh = mesh();
    let ports: Vec<_> = (1..=9_000)
        .map(|port| (format!("tcp-{port}"), port))
        .collect();
    let ports: Vec<_> = ports
        .iter()
        .map(|(name, port)| (name.as_str(), *port))
        .collect();
    mesh.service(service("shop", "wide", &ports));
    let long = |number: usize| format!("spiffe://td/ns/a/sa/{}{number:02}", "a".repeat(480));
    let said: Vec<_> = (0..16).map(long).collect();
    let tls = json!({ "mode": "ISTIO_MUTUAL", "subjectAltNames": said });
    for host in ["web", "wide"] {
        let rule = json!({ "host": host, "trafficPolicy": { "tls": tls } });
        mesh.rule("DestinationRule", &format!("shop/{host}"), rule);
    }
    let said = exact(&said.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(names(&mesh, WEB, 1), said);
    assert_eq!(names(&mesh, WEB, 131_072), said[..1]);
    let clusters = mesh.outbound("shop/client").clusters.len();
    assert_eq!(names(&mesh, WEB, clusters), said[..14]);
    let told = mesh.findings();
    let told: Vec<_> = told
        .iter()
        .filter(|one| one.contains("accept the first"))
        .collect();
    let [web, wide] = &told[..] else {
        panic!("{told:?}");
    };
    let start = "DestinationRule shop/web: clients accept the first 14 of 16 subjectAltNames only";
    assert!(web.starts_with(start), "{web}");
    assert!(wide.starts_with("DestinationRule shop/wide: "), "{wide}");
}
