use serde_json::{Value, json};

use super::fixture::{Mesh, pod, service};
use crate::model::Action;

/// A rule that sends everything to a host.
fn to(host: &str) -> Value {
    json!([{ "route": [{ "destination": { "host": host } }] }])
}

fn cluster(host: &str) -> String {
    format!("outbound|80||{host}=1")
}

/// A VirtualService for `web` in `shop` with these rules.
fn with_rules(http: Value) -> Mesh {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "VirtualService",
        "shop/web",
        json!({ "hosts": ["web"], "http": http }),
    );
    mesh
}

#[test]
fn weights_share_requests_out() {
    let mesh = with_rules(json!([{ "route": [
        { "destination": { "host": "tomcat-svc" }, "weight": 80 },
        { "destination": { "host": "httpd-svc" }, "weight": 20 },
    ]}]));
    let tomcat = "outbound|80||tomcat-svc.shop.svc.cluster.local";
    let httpd = "outbound|80||httpd-svc.shop.svc.cluster.local";
    // Neither destination is there: the names are kept, and resolve to no cluster.
    assert_eq!(
        mesh.get("other/client", "web.shop:80/"),
        format!("{tomcat}=80 {httpd}=20")
    );
    assert!(!mesh.outbound("shop/client").clusters.contains_key(tomcat));
}

#[test]
fn conditions_of_a_match_are_all_asked_and_one_match_is_enough() {
    let mesh = with_rules(json!([
        { "match": [
            { "uri": { "prefix": "/a" }, "headers": { "x-user": { "exact": "me" } } },
            { "uri": { "exact": "/b" }, "method": { "exact": "GET" } },
          ], "route": [{ "destination": { "host": "one.x" } }] },
        { "match": [{ "uri": { "prefix": "/a" } }],
          "route": [{ "destination": { "host": "two.x" } }] },
        { "route": [{ "destination": { "host": "three.x" } }] },
    ]));
    let get = |path: &str, headers: &[(&str, &str)]| {
        mesh.get_with("shop/client", &format!("web:80{path}"), headers)
    };
    assert_eq!(get("/a", &[("x-user", "me")]), cluster("one.x"));
    assert_eq!(get("/abc?q=1", &[("x-user", "me")]), cluster("one.x"));
    assert_eq!(get("/a", &[("x-user", "you")]), cluster("two.x"));
    assert_eq!(get("/a", &[]), cluster("two.x"));
    assert_eq!(get("/b", &[]), cluster("one.x"));
    assert_eq!(get("/b/", &[]), cluster("three.x"));
}

#[test]
fn the_first_match_decides_and_a_catch_all_is_the_last_route() {
    let mesh = with_rules(json!([
        { "match": [{ "uri": { "prefix": "/" } }, { "uri": { "exact": "/x" } }],
          "route": [{ "destination": { "host": "one.x" } }] },
        { "match": [{ "uri": { "exact": "/y" } }],
          "route": [{ "destination": { "host": "two.x" } }] },
    ]));
    assert_eq!(mesh.get("shop/client", "web:80/y"), cluster("one.x"));
    assert_eq!(
        mesh.host("shop/client", "web", 80)
            .unwrap()
            .routes
            .routes
            .len(),
        1
    );
}

#[test]
fn requests_that_no_rule_matches_have_no_route() {
    let mesh = with_rules(json!([{ "match": [{ "uri": { "exact": "/x" } }],
        "route": [{ "destination": { "host": "one.x" } }] }]));
    assert_eq!(mesh.get("shop/client", "web:80/x"), cluster("one.x"));
    assert_eq!(mesh.get("shop/client", "web:80/y"), "no route");
}

#[test]
fn source_labels_and_namespaces_choose_rules_for_each_proxy() {
    let mut mesh = with_rules(json!([
        { "match": [{ "sourceLabels": { "app": "client", "version": "v2" } }],
          "route": [{ "destination": { "host": "labels.x" } }] },
        { "match": [{ "sourceNamespace": "other" }],
          "route": [{ "destination": { "host": "namespace.x" } }] },
        { "match": [{ "port": 81 }], "route": [{ "destination": { "host": "port.x" } }] },
        { "route": [{ "destination": { "host": "rest.x" } }] },
    ]));
    mesh.pod(pod(
        "shop",
        "v2",
        &[("app", "client"), ("version", "v2")],
        "10.0.0.3",
    ));
    assert_eq!(mesh.get("shop/v2", "web:80/"), cluster("labels.x"));
    assert_eq!(mesh.get("shop/client", "web:80/"), cluster("rest.x"));
    assert_eq!(
        mesh.get("other/client", "web.shop:80/"),
        cluster("namespace.x")
    );
}

#[test]
fn a_virtual_service_without_rules_for_a_client_leaves_the_host_to_others() {
    let mut mesh = with_rules(json!([{ "match": [{ "sourceNamespace": "other" }],
        "route": [{ "destination": { "host": "one.x" } }] }]));
    let own = cluster("web.shop.svc.cluster.local");
    assert_eq!(mesh.get("shop/client", "web:80/"), own);
    mesh.rule(
        "VirtualService",
        "shop/later",
        json!({ "hosts": ["web"], "http": to("two.x") }),
    );
    assert_eq!(mesh.get("shop/client", "web:80/"), cluster("two.x"));
    assert_eq!(mesh.get("other/client", "web.shop:80/"), cluster("one.x"));
}

#[test]
fn the_oldest_virtual_service_owns_the_whole_host() {
    let mut mesh = with_rules(json!([{ "match": [{ "uri": { "exact": "/x" } }],
        "route": [{ "destination": { "host": "one.x" } }] }]));
    mesh.rule(
        "VirtualService",
        "other/web",
        json!({
            "hosts": ["web.shop.svc.cluster.local"], "http": to("two.x"),
        }),
    );
    assert_eq!(mesh.get("shop/client", "web:80/x"), cluster("one.x"));
    assert_eq!(mesh.get("shop/client", "web:80/y"), "no route");
}

#[test]
fn private_rules_come_before_those_exported_by_name_and_those_before_public_ones() {
    let mut mesh = with_rules(to("public.x"));
    let host = "web.shop.svc.cluster.local";
    assert_eq!(
        mesh.get("other/client", "web.shop:80/"),
        cluster("public.x")
    );
    mesh.rule(
        "VirtualService",
        "shop/named",
        json!({
        "hosts": [host], "exportTo": ["other"], "http": to("named.x") }),
    );
    assert_eq!(mesh.get("other/client", "web.shop:80/"), cluster("named.x"));
    mesh.rule(
        "VirtualService",
        "other/private",
        json!({
        "hosts": [host], "exportTo": ["."], "http": to("private.x") }),
    );
    assert_eq!(
        mesh.get("other/client", "web.shop:80/"),
        cluster("private.x")
    );
    assert_eq!(mesh.get("shop/client", "web:80/"), cluster("public.x"));
}

#[test]
fn an_exact_host_beats_a_wildcard_and_the_longest_wildcard_the_others() {
    let mut mesh = Mesh::with_web();
    mesh.rule(
        "VirtualService",
        "shop/all",
        json!({
        "hosts": ["*.cluster.local"], "http": to("all.x") }),
    );
    mesh.rule(
        "VirtualService",
        "shop/some",
        json!({
        "hosts": ["*.shop.svc.cluster.local"], "http": to("some.x") }),
    );
    assert_eq!(mesh.get("other/client", "web.shop:80/"), cluster("some.x"));
    mesh.rule(
        "VirtualService",
        "shop/web",
        json!({ "hosts": ["WEB"], "http": to("web.x") }),
    );
    assert_eq!(mesh.get("other/client", "web.shop:80/"), cluster("web.x"));
}

#[test]
fn of_equal_wildcards_the_oldest_owns_the_host() {
    let mut mesh = Mesh::with_web();
    let rule = |host| json!({ "hosts": ["*.shop.svc.cluster.local"], "http": to(host) });
    mesh.rule("VirtualService", "shop/z", rule("older.x"));
    mesh.rule("VirtualService", "shop/a", rule("younger.x"));
    assert_eq!(mesh.get("shop/client", "web:80/"), cluster("older.x"));
}

#[test]
fn a_host_of_no_destination_is_routed_at_port_80_only() {
    let mut mesh = Mesh::with_web();
    mesh.service(service("shop", "api", &[("http", 81)]));
    mesh.rule(
        "VirtualService",
        "shop/x",
        json!({ "hosts": ["x.com"], "http": to("web") }),
    );
    let web = cluster("web.shop.svc.cluster.local");
    assert_eq!(mesh.get("other/client", "x.com:80/"), web);
    assert_eq!(mesh.get("other/client", "x.com:81/"), "no host");
    mesh.rule(
        "VirtualService",
        "shop/x",
        json!({ "hosts": ["x.com", "api"], "http": to("web") }),
    );
    assert_eq!(
        mesh.get("other/client", "x.com:81/"),
        "outbound|81||web.shop.svc.cluster.local=1"
    );
}

#[test]
fn a_rule_for_gateways_is_not_for_sidecars() {
    let mut mesh = Mesh::with_web();
    let rule =
        |gateways: Value| json!({ "hosts": ["web"], "gateways": gateways, "http": to("x.x") });
    mesh.rule("VirtualService", "shop/web", rule(json!(["gw"])));
    assert_eq!(
        mesh.get("shop/client", "web:80/"),
        cluster("web.shop.svc.cluster.local")
    );
    mesh.rule("VirtualService", "shop/web", rule(json!(["gw", "mesh"])));
    assert_eq!(mesh.get("shop/client", "web:80/"), cluster("x.x"));
}

#[test]
fn a_destination_without_a_port_has_that_of_the_listener() {
    let mut mesh = with_rules(to("api"));
    mesh.service(service("shop", "api", &[("http", 8080)]));
    assert_eq!(
        mesh.get("shop/client", "web:80/"),
        cluster("api.shop.svc.cluster.local")
    );
}

#[test]
fn a_subset_is_named_whether_it_is_defined_or_not() {
    let mut mesh = with_rules(json!([{ "route": [
        { "destination": { "host": "web", "subset": "v1", "port": { "number": 80 } } },
    ]}]));
    let name = "outbound|80|v1|web.shop.svc.cluster.local";
    assert_eq!(mesh.get("shop/client", "web:80/"), format!("{name}=1"));
    assert!(!mesh.outbound("shop/client").clusters.contains_key(name));
    mesh.rule(
        "DestinationRule",
        "shop/web",
        json!({
        "host": "web", "subsets": [{ "name": "v1", "labels": { "version": "v1" } }] }),
    );
    assert!(mesh.outbound("shop/client").clusters.contains_key(name));
}

#[test]
fn names_of_rules_and_matches_are_joined() {
    let mesh = with_rules(json!([
        { "name": "one", "match": [{ "name": "a", "uri": { "exact": "/a" } }],
          "route": [{ "destination": { "host": "x.x" } }] },
        { "name": "two", "route": [{ "destination": { "host": "x.x" } }] },
    ]));
    let host = mesh.host("shop/client", "web", 80).unwrap();
    let names: Vec<_> = host
        .routes
        .routes
        .iter()
        .map(|route| &*route.name)
        .collect();
    assert_eq!(names, ["one.a", "two"]);
    let rule = host.routes.routes[0].rule.as_ref().unwrap();
    assert_eq!(
        (rule.object.to_string().as_str(), rule.rule, rule.block),
        ("shop/web", 0, Some(0))
    );
}

#[test]
fn headers_of_a_single_destination_follow_those_of_the_route() {
    let headers = |value: &str| json!({ "request": { "set": { "x-a": value, "host": value } } });
    let mesh = with_rules(json!([{ "headers": headers("route"), "route": [
        { "destination": { "host": "x.x" }, "headers": headers("destination") } ] }]));
    let host = mesh.host("shop/client", "web", 80).unwrap();
    let route = &host.routes.routes[0];
    let values: Vec<_> = route
        .request_headers
        .write
        .iter()
        .map(|to| &*to.value)
        .collect();
    assert_eq!(values, ["route", "destination"]);
    let Action::Forward(forward) = &route.action else {
        panic!("{route:?}");
    };
    assert_eq!(forward.host_rewrite.as_deref(), Some("route"));
    assert!(forward.clusters[0].request_headers.is_empty());
    assert_eq!(forward.clusters[0].host_rewrite, None);
}

#[test]
fn headers_of_weighted_destinations_stay_theirs() {
    let headers = json!({ "request": { "set": { "x-a": "1", "host": "h" } } });
    let mesh = with_rules(json!([{ "route": [
        { "destination": { "host": "x.x" }, "weight": 1, "headers": headers },
        { "destination": { "host": "y.x" }, "weight": 1 } ] }]));
    let host = mesh.host("shop/client", "web", 80).unwrap();
    let Action::Forward(forward) = &host.routes.routes[0].action else {
        panic!("{host:?}");
    };
    assert_eq!(&*forward.clusters[0].request_headers.write[0].name, "x-a");
    assert_eq!(forward.clusters[0].host_rewrite.as_deref(), Some("h"));
    assert_eq!(forward.clusters[1].host_rewrite, None);
}

#[test]
fn conditions_on_headers_and_queries_are_istios() {
    let condition = |condition: Value| {
        with_rules(
            json!([{ "match": [condition], "route": [{ "destination": { "host": "x.x" } }] }]),
        )
    };
    let holds = |mesh: &Mesh, path: &str, headers: &[(&str, &str)]| {
        mesh.get_with("shop/client", &format!("web:80{path}"), headers) != "no route"
    };
    let present = condition(json!({ "headers": { "X-A": {} } }));
    assert!(holds(&present, "/", &[("x-a", "")]));
    assert!(!holds(&present, "/", &[]));
    let regex = condition(json!({ "headers": { "x-a": { "regex": "a|b" } } }));
    assert!(holds(&regex, "/", &[("x-a", "z"), ("x-a", "b")]));
    assert!(!holds(&regex, "/", &[("x-a", "ab")]));
    let without = condition(json!({ "withoutHeaders": { "x-a": { "exact": "" } } }));
    // A missing header counts as an empty one.
    assert!(!holds(&without, "/", &[]));
    assert!(holds(&without, "/", &[("x-a", "b")]));
    let absent = condition(json!({ "withoutHeaders": { "x-a": {} } }));
    assert!(holds(&absent, "/", &[]));
    assert!(!holds(&absent, "/", &[("x-a", "b")]));
    let query = condition(json!({ "queryParams": { "q": { "exact": "" } } }));
    assert!(holds(&query, "/?a=1&q", &[]));
    assert!(!holds(&query, "/?q=1", &[]));
    let case = condition(json!({ "uri": { "prefix": "/Foo" }, "ignoreUriCase": true }));
    assert!(holds(&case, "/fOObar", &[]));
    assert!(!holds(&case, "/fo", &[]));
}
