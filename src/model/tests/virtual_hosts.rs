use serde_json::json;

use super::fixture::{Mesh, service};
use crate::model::{DefaultExports, ExportTo, Fallback, MeshConfig, OutboundPolicy};

fn domains(mesh: &Mesh, client: &str, host: &str, port: u16) -> String {
    let host = mesh.host(client, host, port).unwrap();
    host.domains
        .iter()
        .map(|domain| &**domain)
        .collect::<Vec<_>>()
        .join(" ")
}

const WEB: &str = "web.shop.svc.cluster.local";

#[test]
fn a_service_has_its_names_and_address_and_the_bare_one_only_at_home() {
    let mesh = Mesh::with_web();
    let names = "web.shop web.shop.svc 10.96.0.";
    let own = domains(&mesh, "shop/client", WEB, 80);
    assert!(
        own.starts_with(&format!("{WEB} {WEB}. web {names}")),
        "{own}"
    );
    let other = domains(&mesh, "other/client", WEB, 80);
    assert!(
        other.starts_with(&format!("{WEB} {WEB}. {names}")),
        "{other}"
    );
    assert!(mesh.host("other/client", "web", 80).is_none());
    assert_eq!(
        mesh.get("shop/client", "web:80/"),
        format!("outbound|80||{WEB}=1")
    );
    assert_eq!(
        mesh.get("other/client", "WEB.shop:80/"),
        format!("outbound|80||{WEB}=1")
    );
}

#[test]
fn a_service_without_a_rule_has_the_route_default() {
    let mesh = Mesh::with_web();
    let host = mesh.host("shop/client", "web", 80).unwrap();
    assert_eq!(&*host.name, "web.shop.svc.cluster.local:80");
    assert_eq!(&*host.routes.routes[0].name, "default");
}

#[test]
fn pods_of_a_headless_service_have_names_below_its_own() {
    let mut mesh = Mesh::with_web();
    let mut headless = service("shop", "db", &[("http", 80)]);
    headless.headless = true;
    headless.addresses.clear();
    mesh.service(headless);
    let own = domains(&mesh, "shop/client", "db", 80);
    assert!(
        own.contains("*.db.shop.svc.cluster.local ") && own.contains(" *.db "),
        "{own}"
    );
    let found = mesh.get("shop/client", "db-0.db.shop.svc.cluster.local:80/");
    assert_eq!(found, "outbound|80||db.shop.svc.cluster.local=1");
}

#[test]
fn an_external_name_is_another_name_of_its_target() {
    let mut mesh = Mesh::with_web();
    let mut alias = service("other", "shopweb", &[]);
    alias.addresses.clear();
    alias.external_name = Some("web.shop.svc.cluster.local".into());
    mesh.service(alias);
    let cluster = format!("outbound|80||{WEB}=1");
    assert_eq!(mesh.get("other/client", "shopweb:80/"), cluster);
    assert_eq!(mesh.get("shop/client", "shopweb.other:80/"), cluster);
    mesh.rule(
        "VirtualService",
        "other/x",
        json!({
            "hosts": ["x.com"], "http": [{ "route": [{ "destination": { "host": "shopweb" } }] }],
        }),
    );
    assert_eq!(mesh.get("other/client", "x.com:80/"), cluster);
}

#[test]
fn a_service_is_seen_where_it_is_exported_to() {
    let mut mesh = Mesh::with_web();
    let mut private = service("shop", "web", &[("http", 80)]);
    private.export_to = Some(ExportTo::parse(["."], "shop"));
    mesh.service(private);
    assert!(mesh.host("shop/client", WEB, 80).is_some());
    // No listener, so no table.
    assert!(mesh.host("other/client", WEB, 80).is_none());
    assert!(mesh.outbound("other/client").clusters.is_empty());
}

#[test]
fn hosts_that_are_not_known_pass_or_get_502() {
    let mut mesh = Mesh::with_web();
    let fallback = |mesh: &Mesh| mesh.outbound("shop/client").routes["80"].fallback;
    assert_eq!(fallback(&mesh), Fallback::AllowAny);
    let config = MeshConfig {
        outbound: OutboundPolicy::RegistryOnly,
        ..MeshConfig::default()
    };
    assert!(mesh.apply(crate::model::Event::Mesh(config)).rules);
    assert_eq!(fallback(&mesh), Fallback::BlockAll);
}

#[test]
fn a_short_name_never_takes_the_host_of_another_destination() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "ServiceEntry",
        "shop/e",
        json!({
            "hosts": ["web.shop"], "ports": [{ "number": 80, "name": "http", "protocol": "HTTP" }],
            "resolution": "DNS",
        }),
    );
    assert_eq!(
        mesh.get("shop/client", "web.shop:80/"),
        "outbound|80||web.shop=1"
    );
    assert_eq!(
        mesh.get("shop/client", "web:80/"),
        format!("outbound|80||{WEB}=1")
    );
}

#[test]
fn no_domain_is_in_two_virtual_hosts() {
    let mut mesh = Mesh::with_web();
    mesh.service(service("other", "web", &[("http", 80)]));
    let rule = json!({ "hosts": ["web", "x.org", "*.com"],
        "http": [{ "route": [{ "destination": { "host": "web" } }] }] });
    mesh.rule("VirtualService", "shop/a", rule.clone());
    mesh.rule("VirtualService", "shop/b", rule);
    for client in ["shop/client", "other/client"] {
        let outbound = mesh.outbound(client);
        let hosts = &outbound.routes["80"].hosts;
        let mut all: Vec<_> = hosts.iter().flat_map(|host| &host.domains).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "{hosts:#?}");
    }
}

#[test]
fn the_mesh_says_whose_clients_see_what_does_not_say_so_itself() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "VirtualService",
        "shop/ext",
        json!({ "hosts": ["x.org"], "http": [{ "redirect": { "uri": "/" } }] }),
    );
    mesh.rule(
        "DestinationRule",
        "shop/web",
        json!({ "host": "web", "subsets": [{ "name": "v1", "labels": { "v": "1" } }] }),
    );
    let sees = |mesh: &Mesh, client: &str| {
        let outbound = mesh.outbound(client);
        (
            mesh.host(client, "web.shop", 80).is_some(),
            mesh.host(client, "x.org", 80).is_some(),
            outbound
                .clusters
                .contains_key("outbound|80|v1|web.shop.svc.cluster.local"),
        )
    };
    assert_eq!(sees(&mesh, "other/client"), (true, true, true));
    let own = || vec![".".into()];
    let with = |exports| {
        crate::model::Event::Mesh(MeshConfig {
            exports,
            ..MeshConfig::default()
        })
    };
    _ = mesh.apply(with(DefaultExports {
        virtual_services: own(),
        ..DefaultExports::default()
    }));
    assert_eq!(sees(&mesh, "other/client"), (true, false, true));
    _ = mesh.apply(with(DefaultExports {
        destination_rules: own(),
        ..DefaultExports::default()
    }));
    assert_eq!(sees(&mesh, "other/client"), (true, true, false));
    // Another destination keeps the table of the port.
    mesh.service(service("other", "web", &[("http", 80)]));
    _ = mesh.apply(with(DefaultExports {
        services: own(),
        ..DefaultExports::default()
    }));
    assert_eq!(sees(&mesh, "other/client"), (false, true, false));
    assert_eq!(sees(&mesh, "shop/client"), (true, true, true));
}
