//! Rules change while requests are sent: none fails that the rules don't let fail.

use serde_json::{Value, json};

use crate::harness::{Load, Namespace, Reporter, Versions, eventually, to};

/// Conditions, which only these routes have.
fn only(conditions: &Value, mut route: Value) -> Value {
    route["match"] = json!([conditions]);
    route
}

#[tokio::test]
async fn no_request_fails_while_rules_are_edited() {
    let Some(shop) = Namespace::injected("edits").await else {
        return;
    };
    let hello = Versions::deploy(&shop).await;
    hello.set_subsets().await;
    let load = hello.load().await;
    let full = format!("helloworld.{}.svc.cluster.local", shop.name());
    let (first, second) = (to(&[("v1", 100)]), to(&[("v2", 100)]));
    for _ in 0..2 {
        for weight in [90, 50, 1, 100, 0] {
            let split = to(&[("v1", weight), ("v2", 100 - weight)]);
            hello.route(&["helloworld"], &json!([split])).await;
            load.goes_on().await;
        }
        for hosts in [
            &[full.as_str()][..],
            &[&full, "hello.example.com"],
            &["hello.example.com"],
        ] {
            hello.route(hosts, &json!([first])).await;
            load.goes_on().await;
        }
        for conditions in [
            json!({"uri": {"prefix": "/hel"}}),
            json!({"uri": {"regex": "/h.*o"}, "method": {"exact": "GET"}}),
            json!({"headers": {"end-user": {"exact": "jason"}}}),
        ] {
            let routes = json!([only(&conditions, second.clone()), first]);
            hello.route(&["helloworld"], &routes).await;
            load.goes_on().await;
        }
        // None after the other, so that changes meet.
        for version in ["v1", "v2", "v1", "v2"] {
            hello.pin(version).await;
        }
        hello.unroute().await;
        load.goes_on().await;
    }
    hello.pin("v2").await;
    hello.until_pinned("v2").await;
    let report = load.finish().await;
    report.assert_no_failures();
    for version in ["v1", "v2"] {
        assert!(report.answers_with(&format!("version: {version}")) > 0);
    }
}

#[tokio::test]
async fn no_request_fails_when_subsets_come_before_their_route_and_go_after_it() {
    let Some(shop) = Namespace::injected("subsets").await else {
        return;
    };
    let hello = Versions::deploy(&shop).await;
    let load = hello.load().await;
    for version in ["v1", "v2", "v1"] {
        // One right after the other: it is the proxies that see to the order.
        hello.set_subsets().await;
        hello.pin(version).await;
        hello.until_pinned(version).await;
        hello.unroute().await;
        hello.unset_subsets().await;
        load.goes_on().await;
    }
    load.finish().await.assert_no_failures();
}

/// How many requests of the load got a 503, in all and because a cluster was not there.
async fn refused(shop: &Namespace) -> (u64, u64) {
    let counters = shop.counters("load").await;
    let with = |more: &[(&str, &str)]| {
        let labels = [
            ("reporter", Reporter::Source.as_str()),
            ("response_code", "503"),
        ];
        counters.sum("istio_requests_total", &[&labels[..], more].concat())
    };
    (with(&[]), with(&[("response_flags", "NC")]))
}

async fn until_refused(shop: &Namespace, load: &Load<'_>) {
    let (before, _) = refused(shop).await;
    eventually("requests are refused", async || {
        (refused(shop).await.0 > before).then_some(())
    })
    .await;
    load.goes_on().await;
}

async fn until_answered(shop: &Namespace, hello: Versions<'_>, load: &Load<'_>) {
    eventually("twenty answers by a version", async || {
        (hello.twenty().await.answers_with("Hello version") == 20).then_some(())
    })
    .await;
    let (before, _) = refused(shop).await;
    load.goes_on().await;
    let (after, _) = refused(shop).await;
    assert_eq!(before, after, "requests are still refused");
}

#[tokio::test]
async fn a_route_to_a_subset_without_its_rule_is_a_503_until_the_rule_comes() {
    let Some(shop) = Namespace::injected("before").await else {
        return;
    };
    let hello = Versions::deploy(&shop).await;
    let load = hello.load().await;
    hello.pin("v1").await;
    until_refused(&shop, &load).await;
    hello.set_subsets().await;
    until_answered(&shop, hello, &load).await;
    hello.unset_subsets().await;
    until_refused(&shop, &load).await;
    hello.unroute().await;
    until_answered(&shop, hello, &load).await;
    let (all, without_cluster) = refused(&shop).await;
    assert!(all > 0);
    assert_eq!(all, without_cluster, "refused for another reason");
    load.finish().await.assert_only(&["200", "503"]);
}
