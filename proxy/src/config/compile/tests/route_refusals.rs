//! What route tables are refused for.

use std::sync::Arc;

use pillion_envoy_api::{
    Any,
    envoy::{
        config::{
            core::v3::{HeaderValue, HeaderValueOption, Metadata, RoutingPriority},
            route::v3::{
                CookieMatcher, DirectResponseAction, HedgePolicy, RetryPolicy, Route, RouteAction,
                RouteConfiguration, RouteMatch, Vhds, VirtualHost, WeightedCluster,
                retry_policy::RetryPriority,
                route::Action,
                route_action::{
                    ClusterNotFoundResponseCode, ClusterSpecifier, HostRewriteSpecifier,
                    RequestMirrorPolicy, UpgradeConfig,
                },
                route_match::PathSpecifier,
                weighted_cluster::ClusterWeight,
            },
        },
        r#type::matcher::v3::RegexMatcher,
    },
};
use prost::Message as _;

use crate::{
    config::{
        compile::{RouteTable, route_table},
        test_util::{action, host, route, seconds, table},
    },
    tables::{self, Lookup, Patterns},
};

fn fault_of(message: &RouteConfiguration) -> String {
    match route_table(&Patterns::default(), "9080", &message.encode_to_vec(), None) {
        Ok(table) => table.faults.to_string(),
        Err(fault) => fault.to_string(),
    }
}

/// A change, and how the fault begins that it makes.
type Change<T> = (fn(&mut T), &'static str);

/// The fault of a table that has been changed, which begins so.
fn refused<T>(
    changes: &[Change<T>],
    prefix: &str,
    table_of: impl Fn(fn(&mut T)) -> RouteConfiguration,
) {
    for (change, expected) in changes {
        let fault = fault_of(&table_of(*change));
        let within = fault
            .strip_prefix(prefix)
            .unwrap_or_else(|| panic!("{fault}"));
        assert!(within.starts_with(expected), "{fault}");
    }
}

fn filter_config() -> (String, Any) {
    let type_url = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute";
    let config = Any {
        type_url: type_url.to_owned(),
        ..Any::default()
    };
    ("lua".to_owned(), config)
}

#[test]
fn tables() {
    let changes: [Change<RouteConfiguration>; 6] = [
        (
            |t| t.name = "80".to_owned(),
            "name: is \"80\" in the resource \"9080\"",
        ),
        (|t| t.vhds = Some(Vhds::default()), "vhds: "),
        (
            |t| t.ignore_port_in_host_matching = false,
            "ignore_port_in_host_matching: must be true",
        ),
        (|t| t.vhost_header = "x".to_owned(), "vhost_header: "),
        (
            |t| t.virtual_hosts.push(host(&["A"], Vec::new())),
            "virtual_hosts[1].domains[0]: \"a\" belongs to another virtual host",
        ),
        (
            |t| t.virtual_hosts.push(host(&["a.*.b"], Vec::new())),
            "virtual_hosts[1].domains[0]: \"a.*.b\" must have its star",
        ),
    ];
    refused(&changes, "", |change| {
        let mut table = table(vec![host(&["a"], vec![route(action("c"))])]);
        change(&mut table);
        table
    });
}

#[test]
fn virtual_hosts() {
    let changes: [Change<VirtualHost>; 4] = [
        (|h| h.domains.clear(), "domains: is empty"),
        (
            |h| h.hedge_policy = Some(HedgePolicy::default()),
            "hedge_policy: ",
        ),
        (
            |h| h.request_mirror_policies = vec![RequestMirrorPolicy::default()],
            "request_mirror_policies: ",
        ),
        (
            |h| h.typed_per_filter_config = [filter_config()].into(),
            "typed_per_filter_config[\"lua\"]: envoy.extensions.filters.http.lua.v3.LuaPerRoute",
        ),
    ];
    refused(&changes, "virtual_hosts[0].", |change| {
        let mut host = host(&["a"], vec![route(action("c"))]);
        change(&mut host);
        table(vec![host])
    });
}

#[test]
fn routes() {
    let changes: [Change<Route>; 5] = [
        (|r| r.r#match = None, "match: is missing"),
        (|r| r.action = None, "action: is missing"),
        (
            |r| r.action = Some(Action::NonForwardingAction(Default::default())),
            "non_forwarding_action: ",
        ),
        (
            |r| {
                r.action = Some(Action::DirectResponse(DirectResponseAction {
                    status: 99,
                    ..DirectResponseAction::default()
                }));
            },
            "direct_response.status: must be between 200 and 599",
        ),
        (
            |r| {
                r.response_headers_to_add = vec![HeaderValueOption {
                    header: Some(HeaderValue {
                        key: "content-length".to_owned(),
                        value: "1".to_owned(),
                        ..HeaderValue::default()
                    }),
                    ..HeaderValueOption::default()
                }];
            },
            "response_headers_to_add[0].header: the header content-length",
        ),
    ];
    refused(&changes, "virtual_hosts[0].routes[0].", |change| {
        let mut route = route(action("c"));
        change(&mut route);
        table(vec![host(&["a"], vec![route])])
    });
}

#[test]
fn matches() {
    let changes: [Change<RouteMatch>; 5] = [
        (|m| m.path_specifier = None, "path_specifier: is missing"),
        (
            |m| m.path_specifier = Some(PathSpecifier::ConnectMatcher(Default::default())),
            "connect_matcher: ",
        ),
        (
            |m| {
                m.path_specifier = Some(PathSpecifier::SafeRegex(RegexMatcher {
                    regex: "(".to_owned(),
                    ..RegexMatcher::default()
                }));
            },
            "safe_regex.regex: not a usable regular expression",
        ),
        (|m| m.cookies = vec![CookieMatcher::default()], "cookies: "),
        (
            |m| m.runtime_fraction = Some(Default::default()),
            "runtime_fraction: ",
        ),
    ];
    refused(&changes, "virtual_hosts[0].routes[0].match.", |change| {
        let mut route = route(action("c"));
        change(route.r#match.as_mut().unwrap());
        table(vec![host(&["a"], vec![route])])
    });
}

#[test]
fn actions() {
    let changes: [Change<RouteAction>; 13] = [
        (
            |a| a.cluster_specifier = Some(ClusterSpecifier::ClusterHeader("x".to_owned())),
            "cluster_header: is not supported",
        ),
        (
            |a| a.cluster_specifier = None,
            "cluster_specifier: is missing",
        ),
        (
            |a| a.cluster_specifier = Some(ClusterSpecifier::Cluster(String::new())),
            "cluster: is empty",
        ),
        (|a| a.priority = RoutingPriority::High.into(), "priority: "),
        (
            |a| a.metadata_match = Some(Metadata::default()),
            "metadata_match: ",
        ),
        (
            |a| {
                let code = ClusterNotFoundResponseCode::NotFound;
                a.cluster_not_found_response_code = code.into();
            },
            "cluster_not_found_response_code: ",
        ),
        (
            |a| a.host_rewrite_specifier = Some(HostRewriteSpecifier::AutoHostRewrite(true)),
            "auto_host_rewrite: ",
        ),
        (|a| a.timeout = seconds(-1), "timeout: must be between"),
        (
            |a| a.prefix_rewrite = "/a b".to_owned(),
            "prefix_rewrite: has a space",
        ),
        (
            |a| {
                a.retry_policy = Some(RetryPolicy {
                    retry_on: "5xx,retriable-headers".to_owned(),
                    ..RetryPolicy::default()
                });
            },
            "retry_policy.retry_on: \"retriable-headers\" is not supported",
        ),
        (
            |a| {
                a.retry_policy = Some(RetryPolicy {
                    retry_priority: Some(RetryPriority::default()),
                    ..RetryPolicy::default()
                });
            },
            "retry_policy.retry_priority: ",
        ),
        (
            |a| {
                a.upgrade_configs = vec![UpgradeConfig {
                    upgrade_type: "spdy/3.1".to_owned(),
                    ..UpgradeConfig::default()
                }];
            },
            "upgrade_configs[0].upgrade_type: only WebSocket",
        ),
        (
            |a| {
                a.upgrade_configs = vec![UpgradeConfig {
                    upgrade_type: "websocket".to_owned(),
                    connect_config: Some(Default::default()),
                    ..UpgradeConfig::default()
                }];
            },
            "upgrade_configs[0].connect_config: ",
        ),
    ];
    refused(&changes, "virtual_hosts[0].routes[0].route.", |change| {
        let mut action = action("c");
        change(&mut action);
        table(vec![host(&["a"], vec![route(action)])])
    });
}

#[test]
fn weighted_clusters() {
    let changes: [Change<WeightedCluster>; 3] = [
        (
            |w| w.clusters[0].weight = Some(0),
            "clusters: must have a weight greater than 0",
        ),
        (
            |w| w.clusters[0].cluster_header = "x".to_owned(),
            "clusters[0].cluster_header: ",
        ),
        (
            |w| w.runtime_key_prefix = "x".to_owned(),
            "runtime_key_prefix: ",
        ),
    ];
    refused(
        &changes,
        "virtual_hosts[0].routes[0].route.weighted_clusters.",
        |change| {
            let mut clusters = WeightedCluster {
                clusters: vec![ClusterWeight {
                    name: "c".to_owned(),
                    weight: Some(1),
                    ..ClusterWeight::default()
                }],
                ..WeightedCluster::default()
            };
            change(&mut clusters);
            let mut action = action("c");
            action.cluster_specifier = Some(ClusterSpecifier::WeightedClusters(clusters));
            table(vec![host(&["a"], vec![route(action)])])
        },
    );
}

#[test]
fn a_host_that_can_not_be_used_says_so_and_the_others_serve() {
    let bad = |name: &str| {
        let mut bad = host(&["b", "*.b"], vec![route(action("c"))]);
        bad.name = name.to_owned();
        bad.hedge_policy = Some(HedgePolicy::default());
        bad
    };
    let patterns = Patterns::default();
    let good = || host(&["a"], vec![route(action("a"))]);
    let with = |hosts| table(hosts).encode_to_vec();
    let found = route_table(&patterns, "9080", &with(vec![bad("b:80"), good()]), None).unwrap();
    let text = "virtual_hosts[0].hedge_policy: is not supported by this proxy";
    assert_eq!(found.faults.to_string(), text);
    let action = |table: &RouteTable, host: &[u8]| match table.hosts.find(host) {
        Lookup::Found(host) => host.routes[0].action.clone(),
        other => panic!("{other:?}"),
    };
    for host in [&b"b"[..], b"x.b"] {
        let tables::Action::Respond(response) = action(&found, host) else {
            panic!("it is not refused");
        };
        assert_eq!(response.status, 503);
        let body = String::from_utf8_lossy(&response.body);
        let expected = format!(
            "this proxy can't use the virtual host \"b:80\" of the route table \"9080\": {text}\n"
        );
        assert_eq!(body, expected);
    }
    assert!(matches!(action(&found, b"a"), tables::Action::Forward(_)));

    // The last good one stays, and what it cites; what only says why does not.
    let mut before = bad("b:80");
    before.hedge_policy = None;
    let before = route_table(&patterns, "9080", &with(vec![before]), None).unwrap();
    let kept = route_table(
        &patterns,
        "9080",
        &with(vec![bad("b:80")]),
        Some(&before.hosts),
    )
    .unwrap();
    assert!(matches!(action(&kept, b"x.b"), tables::Action::Forward(_)));
    assert!(kept.cites.clusters.contains("c") && !kept.faults.is_empty());
    let again = route_table(
        &patterns,
        "9080",
        &with(vec![bad("b:80")]),
        Some(&found.hosts),
    )
    .unwrap();
    assert!(matches!(action(&again, b"b"), tables::Action::Respond(_)));
}

#[test]
fn the_last_good_host_of_a_domain_stays_under_another_name() {
    let patterns = Patterns::default();
    let with = |hosts| table(hosts).encode_to_vec();
    let mut before = host(&["a", "b"], vec![route(action("c"))]);
    before.name = "before".to_owned();
    let before = route_table(&patterns, "9080", &with(vec![before]), None).unwrap();
    let mut renamed = host(&["b", "d"], vec![route(action("other"))]);
    renamed.name = "renamed".to_owned();
    renamed.hedge_policy = Some(HedgePolicy::default());
    let message = with(vec![renamed]);
    let kept = route_table(&patterns, "9080", &message, Some(&before.hosts)).unwrap();
    let host = |domain| kept.hosts.get(domain);
    let good = before.hosts.get("b").unwrap();
    assert!(Arc::ptr_eq(host("b").unwrap(), good));
    // No host had this one before, and none has that one now.
    assert!(host("d").unwrap().is_stand_in && host("a").is_none());
    assert!(kept.cites.clusters.contains("c") && !kept.cites.clusters.contains("other"));
    assert!(!kept.faults.is_empty());
}

#[test]
fn a_host_whose_expressions_have_no_room_is_left_out() {
    let hosts = |name: &str, path: &str| {
        let mut route = route(action("c"));
        route.r#match.as_mut().unwrap().path_specifier =
            Some(PathSpecifier::SafeRegex(RegexMatcher {
                regex: path.to_owned(),
                ..RegexMatcher::default()
            }));
        host(&[name], vec![route])
    };
    // There is room for one of them.
    let one = tables::Pattern::whole("/a+").unwrap().bytes();
    let patterns = Patterns::new(one * 3 / 2);
    let message = table(vec![
        hosts("a", "/a+"),
        hosts("b", "/a+"),
        hosts("c", "/c+"),
    ]);
    let found = route_table(&patterns, "9080", &message.encode_to_vec(), None).unwrap();
    let text = found.faults.to_string();
    assert!(
        text.starts_with("virtual_hosts[2].routes[0].match.safe_regex.regex: the regular expressions of this proxy"),
        "{text}"
    );
}
