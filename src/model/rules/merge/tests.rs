use serde_json::json;

use super::*;
use crate::model::objects::{MeshConfig, Meta, Object};

type Rules = BTreeMap<Arc<str>, HostRules>;

/// Rules, the oldest first.
fn rules(all: &[(&str, &str, serde_json::Value)]) -> Rules {
    let mut rules = Rules::new();
    for (age, (namespace, name, spec)) in (0..).zip(all) {
        let object = Object {
            meta: Meta {
                key: Key::new(*namespace, *name),
                created: age,
            },
            spec: serde_json::from_value(spec.clone()).unwrap(),
        };
        let rule = Arc::new(DestinationRule::new(&object, &MeshConfig::default()));
        rules.entry((*namespace).into()).or_default().push(rule);
    }
    rules
}

const WEB: (&str, &str) = ("web.shop.svc.cluster.local", "shop");

fn found(rules: &Rules, client: &str) -> Option<String> {
    merge(rules, &mut Merges::default(), ("root", client), WEB)
        .map(|merged| merged.rule.to_string())
}

#[test]
fn the_clients_namespace_comes_before_the_services_and_that_before_the_root() {
    let host = json!({ "host": "web.shop.svc.cluster.local" });
    let all = [
        ("root", "r", host.clone()),
        ("shop", "s", host.clone()),
        ("a", "a", host),
    ];
    let all = rules(&all);
    assert_eq!(found(&all, "a").unwrap(), "a/a");
    assert_eq!(found(&all, "b").unwrap(), "shop/s");
    assert_eq!(found(&all, "root").unwrap(), "shop/s");
}

#[test]
fn the_root_is_asked_last() {
    let all = rules(&[("root", "r", json!({ "host": "*.shop.svc.cluster.local" }))]);
    assert_eq!(found(&all, "b").unwrap(), "root/r");
    assert_eq!(found(&all, "root").unwrap(), "root/r");
}

#[test]
fn clients_in_the_root_use_its_private_rules_first() {
    let private = json!({ "host": "web.shop.svc.cluster.local", "exportTo": ["."] });
    let all = [
        ("root", "r", private),
        ("shop", "s", json!({ "host": "web" })),
    ];
    let all = rules(&all);
    assert_eq!(found(&all, "root").unwrap(), "root/r");
    assert_eq!(found(&all, "b").unwrap(), "shop/s");
}

#[test]
fn a_private_rule_is_for_its_own_namespace() {
    let all = rules(&[("shop", "s", json!({ "host": "web", "exportTo": ["."] }))]);
    assert_eq!(found(&all, "shop").unwrap(), "shop/s");
    assert_eq!(found(&all, "b"), None);
}

#[test]
fn the_most_specific_host_of_a_namespace_decides() {
    let all = rules(&[
        ("shop", "all", json!({ "host": "*.cluster.local" })),
        (
            "shop",
            "some",
            json!({ "host": "*.shop.svc.cluster.local" }),
        ),
        ("shop", "web", json!({ "host": "web" })),
    ]);
    assert_eq!(found(&all, "shop").unwrap(), "shop/web");
    let other = merge(
        &all,
        &mut Merges::default(),
        ("root", "shop"),
        ("x.shop.svc.cluster.local", "shop"),
    );
    assert_eq!(other.unwrap().rule.to_string(), "shop/some");
}

#[test]
fn rules_for_one_host_are_merged_the_first_of_everything() {
    let all = rules(&[
        (
            "shop",
            "one",
            json!({ "host": "web", "subsets": [
            { "name": "v1", "labels": { "version": "v1" } }] }),
        ),
        (
            "shop",
            "two",
            json!({ "host": "web",
            "trafficPolicy": { "loadBalancer": { "simple": "RANDOM" } },
            "subsets": [{ "name": "v1", "labels": { "x": "y" } }, { "name": "v2" }] }),
        ),
        (
            "shop",
            "three",
            json!({ "host": "web",
            "trafficPolicy": { "loadBalancer": { "simple": "ROUND_ROBIN" } } }),
        ),
    ]);
    let merged = merge(&all, &mut Merges::default(), ("root", "shop"), WEB).unwrap();
    assert_eq!(merged.subset("v1").unwrap().spec.labels["version"], "v1");
    assert!(merged.subset("v2").is_some());
    let policy = policy(&MeshConfig::default(), Some(&merged), None, 80);
    assert_eq!(policy.load_balancer, LoadBalancer::Random);
}

#[test]
fn a_subsets_block_replaces_the_rules_block_and_leaves_the_others() {
    let all = rules(&[(
        "shop",
        "one",
        json!({ "host": "web",
        "trafficPolicy": {
            "loadBalancer": { "simple": "RANDOM" },
            "connectionPool": { "tcp": { "maxConnections": 5, "connectTimeout": "1s" } } },
        "subsets": [{ "name": "v1", "trafficPolicy": {
            "connectionPool": { "http": { "http2MaxRequests": 7 } } } }] }),
    )]);
    let merged = merge(&all, &mut Merges::default(), ("root", "shop"), WEB).unwrap();
    let policy = policy(
        &MeshConfig::default(),
        Some(&merged),
        merged.subset("v1").map(|subset| &subset.spec),
        80,
    );
    assert_eq!(policy.load_balancer, LoadBalancer::Random);
    assert_eq!(policy.pool.max_connections, None);
    assert_eq!(policy.pool.max_requests, Some(7));
    assert_eq!(policy.connect_timeout.as_secs(), 10);
}

#[test]
fn what_is_said_of_a_port_inherits_nothing() {
    let all = rules(&[(
        "shop",
        "one",
        json!({ "host": "web", "trafficPolicy": {
        "loadBalancer": { "simple": "RANDOM" },
        "connectionPool": { "tcp": { "maxConnections": 5 } },
        "portLevelSettings": [{ "port": { "number": 80 },
            "connectionPool": { "http": { "maxRetries": 2 } } }] } }),
    )]);
    let merged = merge(&all, &mut Merges::default(), ("root", "shop"), WEB).unwrap();
    let mesh = MeshConfig::default();
    let of_port = policy(&mesh, Some(&merged), None, 80);
    assert_eq!(of_port.load_balancer, LoadBalancer::LeastRequest);
    assert_eq!(
        (of_port.pool.max_connections, of_port.pool.max_retries),
        (None, Some(2))
    );
    let other = policy(&mesh, Some(&merged), None, 81);
    assert_eq!(
        (other.load_balancer, other.pool.max_connections),
        (LoadBalancer::Random, Some(5))
    );
}

#[test]
fn what_is_said_about_tls_is_replaced_as_a_whole() {
    let mutual = |sni: &str| json!({ "mode": "ISTIO_MUTUAL", "sni": sni });
    let all = rules(&[(
        "shop",
        "one",
        json!({ "host": "web", "trafficPolicy": {
            "tls": { "mode": "ISTIO_MUTUAL", "sni": "all", "subjectAltNames": ["a"] },
            "portLevelSettings": [
                { "port": { "number": 80 }, "tls": { "mode": "DISABLE" } },
                { "port": { "number": 81 }, "loadBalancer": { "simple": "RANDOM" } } ] },
            "subsets": [
                { "name": "own", "trafficPolicy": { "tls": mutual("own") } },
                { "name": "ports", "trafficPolicy": { "portLevelSettings": [
                    { "port": { "number": 80 }, "tls": mutual("port") } ] } },
                { "name": "none" } ] }),
    )]);
    let merged = merge(&all, &mut Merges::default(), ("root", "shop"), WEB).unwrap();
    let tls = |subset: Option<&str>, port| {
        let subset = subset.map(|name| &merged.subset(name).unwrap().spec);
        match policy(&MeshConfig::default(), Some(&merged), subset, port).tls {
            None => "none".to_owned(),
            Some(ClientTls::Disable) => "disable".to_owned(),
            Some(ClientTls::IstioMutual { sni, names }) => {
                format!("{} {names:?}", sni.as_deref().unwrap_or("-"))
            }
            Some(ClientTls::Outside { .. }) => "outside".to_owned(),
        }
    };
    let all = [(None, 79), (None, 80), (None, 81)].map(|(subset, port)| tls(subset, port));
    assert_eq!(all, ["all [\"a\"]", "disable", "none"]);
    let ports = [79, 80, 81].map(|port| tls(Some("own"), port));
    assert_eq!(ports, ["own []"; 3]);
    let ports = [79, 80].map(|port| tls(Some("ports"), port));
    assert_eq!(ports, ["all [\"a\"]", "port []"]);
    assert_eq!(tls(Some("none"), 80), "disable");
}

#[test]
fn the_meshs_balancer_is_used_where_no_rule_says() {
    let mesh = MeshConfig {
        load_balancer: LoadBalancer::RoundRobin,
        ..MeshConfig::default()
    };
    assert_eq!(
        policy(&mesh, None, None, 80).load_balancer,
        LoadBalancer::RoundRobin
    );
}

#[test]
fn hosts_of_one_wildcard_share_what_is_merged() {
    let all = rules(&[(
        "shop",
        "one",
        json!({ "host": "*.x.io", "subsets": [{ "name": "v1" }] }),
    )]);
    let mut merges = Merges::default();
    let mut of = |host| merge(&all, &mut merges, ("root", "shop"), (host, "shop")).unwrap();
    assert!(Arc::ptr_eq(&of("a.x.io"), &of("b.x.io")));
}
