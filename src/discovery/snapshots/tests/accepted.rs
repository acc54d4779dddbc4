//! Whatever rules are accepted, the proxy takes what becomes of them: one rule must not keep all
//! others from a table.

mod rules;

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{TestCaseError, TestRunner},
};

use self::rules::rule;
use super::{mutual_tls::mutual_mesh, *};

fn check(mesh: &mut Mesh, client: &Client) -> Result<(), TestCaseError> {
    let (_, snapshot) = mesh.0.of(client);
    let is_gateway = client.kind == ProxyKind::Gateway;
    for type_url in [
        type_url::LISTENER,
        type_url::ROUTE_CONFIGURATION,
        type_url::CLUSTER,
        type_url::CLUSTER_LOAD_ASSIGNMENT,
    ] {
        for (name, resource) in snapshot
            .get(type_url)
            .into_iter()
            .flat_map(pillion_xds::Layers::iter)
        {
            let bytes = &resource.body.value;
            let taken = pillion_proxy::test_util::check_resource(is_gateway, type_url, name, bytes);
            prop_assert_eq!(taken, Ok(()), "{} {}", type_url, name);
        }
    }
    Ok(())
}

/// Rules that are refused test nothing.
#[test]
fn many_rules_of_each_kind_are_accepted() {
    let mut runner = TestRunner::deterministic();
    let mut mesh = small_mesh();
    let mut accepted = std::collections::BTreeMap::new();
    for _ in 0..900 {
        let (kind, spec) = rule().new_tree(&mut runner).unwrap().current();
        let count = accepted.entry(kind.name()).or_insert(0);
        *count += u32::from(mesh.try_rule(kind, "rule", spec));
    }
    assert_eq!(accepted.len(), 6, "{accepted:?}");
    for (kind, count) in &accepted {
        assert!(*count >= 10, "{kind}: {accepted:?}");
    }
}

/// No request has such a path, but its route has a name for spans.
#[test]
fn the_proxy_takes_a_path_with_control_characters() {
    let mut mesh = traced_mesh();
    let client = mesh.pod("reviews", "10.0.0.1", "sidecar");
    let spec = json!({"hosts": ["*.example.com"], "http": [{
        "match": [{"uri": {"prefix": "/\u{1}"}}],
        "route": [{"destination": {"host": "reviews"}}],
    }]});
    assert!(mesh.try_rule(pillion_api::Kind::VirtualService, "rule", spec));
    check(&mut mesh, &client).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_proxy_takes_what_becomes_of_accepted_rules(rules in vec(rule(), 1..5), is_mutual: bool) {
        let mut mesh = if is_mutual { mutual_mesh() } else { traced_mesh() };
        mesh.service(
            "edge",
            json!({"clusterIP": "10.96.0.9", "selector": {"app": "edge"}, "ports": [{"name": "http2", "port": 80, "targetPort": 8080}, {"name": "tcp", "port": 443, "targetPort": 8443}]}),
        );
        let clients = [
            mesh.pod("reviews", "10.0.0.1", "sidecar"),
            mesh.pod("edge", "10.0.0.9", "gateway"),
        ];
        for (index, (kind, spec)) in rules.into_iter().enumerate() {
            // A rule that is refused has no effect.
            mesh.try_rule(kind, &format!("rule-{index}"), spec);
        }
        for client in &clients {
            check(&mut mesh, client)?;
        }
    }
}
