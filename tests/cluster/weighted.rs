//! The walk-through's experiments: a share for each of two servers, and conditions.

use serde_json::json;

use crate::harness::{Namespace, Report, eventually};

const URL: &str = "http://web-svc:8080";

/// The experiment with its client, before any rule.
pub async fn deploy(shop: &Namespace) {
    let files = ["client", "deployment", "svc"];
    let files = files.map(|file| format!("weighted/is-{file}.yaml"));
    shop.apply_samples(&files.each_ref().map(String::as_str))
        .await;
    shop.wait_for_deployments().await;
    let ask = ["wget", "-q", "-O", "-", URL];
    // DNS and kube-proxy hear of pods a little later than kubectl.
    eventually("an answer", async || {
        let exec = ["exec", "deploy/client", "-c", "client", "--"];
        let mut command = shop.command(&[&exec[..], &ask].concat());
        command
            .output()
            .await
            .unwrap()
            .status
            .success()
            .then_some(())
    })
    .await;
}

/// Of so many requests, how many tomcat and httpd have answered.
async fn answered(shop: &Namespace, requests: u64, options: &[&str], path: &str) -> (u64, u64) {
    let (number, url) = (requests.to_string(), format!("{URL}{path}"));
    let counted = ["-n", &number, "--by-header", "x-served-by"];
    let options = [&counted, options, &[url.as_str()]].concat();
    let report = Report::of(shop, "deploy/client", "client", &options).await;
    report.assert_no_failures();
    let of = |server: &str| report.headers_with("x-served-by", &format!("{server}/"));
    let (tomcat, httpd) = (of("tomcat"), of("httpd"));
    assert_eq!(tomcat + httpd, requests);
    (tomcat, httpd)
}

/// Waits until the route by weight is in force: half and half never looks like that.
async fn until_weighted(shop: &Namespace) {
    eventually("about 80 to 20", async || {
        let (tomcat, _) = answered(shop, 50, &[], "/other").await;
        (tomcat >= 34).then_some(())
    })
    .await;
}

/// Half and half before the rule, and 80 to 20 with it.
pub async fn requests_are_shared(shop: &Namespace) {
    let (tomcat, httpd) = answered(shop, 100, &[], "").await;
    assert!(tomcat.abs_diff(httpd) < 40, "{tomcat} and {httpd}");

    shop.apply_samples(&["weighted/is-virtualservice.yaml"])
        .await;
    let listed = shop
        .kubectl(&["get", "virtualservices.networking.istio.io"])
        .await;
    assert!(listed.contains("[\"web-svc\"]"), "{listed}");
    until_weighted(shop).await;
    let (tomcat, httpd) = answered(shop, 2000, &[], "").await;
    assert!((1528..=1672).contains(&tomcat), "{tomcat} and {httpd}");
}

#[tokio::test]
async fn requests_are_shared_80_to_20_and_only_by_a_sidecar() {
    let Some(shop) = Namespace::injected("weighted").await else {
        return;
    };
    deploy(&shop).await;
    requests_are_shared(&shop).await;

    // Without a sidecar, kube-proxy divides connections.
    let labels = json!({"sidecar.istio.io/inject": "false"});
    let patch = json!({"spec": {"template": {"metadata": {"labels": labels}}}});
    let patch = ["patch", "deployment", "client", "-p", &patch.to_string()];
    shop.kubectl(&patch).await;
    let rollout = ["rollout", "status", "deployment/client", "--timeout=120s"];
    shop.kubectl(&rollout).await;
    let (tomcat, httpd) = answered(&shop, 2000, &["--no-keep-alive"], "").await;
    assert!((911..=1089).contains(&tomcat), "{tomcat} and {httpd}");
}

#[tokio::test]
async fn conditions_of_a_match_are_all_met_and_one_match_is_enough() {
    let Some(shop) = Namespace::injected("conditions").await else {
        return;
    };
    deploy(&shop).await;
    conditions_are_met(&shop).await;
}

/// AND within a match, OR between matches.
pub async fn conditions_are_met(shop: &Namespace) {
    let file = "weighted/is-virtualservice-conditions.yaml";
    shop.apply_samples(&[file]).await;
    let jason = ["-H", "end-user: jason"];
    eventually("the conditions", async || {
        (answered(shop, 20, &jason, "/app/a").await == (20, 0)).then_some(())
    })
    .await;
    // One condition of the first match is missing each time.
    for (options, path) in [
        (&["-H", "end-user: jasons"][..], "/app/a"),
        (&[], "/app/a"),
        (&jason, "/ap"),
        (&["-H", "end-user: jason", "-X", "POST"], "/app/a"),
    ] {
        let (tomcat, httpd) = answered(shop, 100, options, path).await;
        assert!(tomcat > 50 && httpd > 0, "{options:?}{path}: {httpd}");
    }
    // Either of the second rule's matches.
    assert_eq!(answered(shop, 20, &[], "/static/a").await, (0, 20));
    assert_eq!(answered(shop, 20, &["-X", "HEAD"], "/other").await, (0, 20));
    let both = ["-H", "end-user: jason", "-X", "HEAD"];
    assert_eq!(answered(shop, 20, &both, "/app/a").await, (0, 20));
}

#[tokio::test]
async fn the_first_route_that_matches_is_taken() {
    let Some(shop) = Namespace::injected("order").await else {
        return;
    };
    deploy(&shop).await;
    let route = |prefix: &str, server: &str| json!({"match": [{"uri": {"prefix": prefix}}], "route": [{"destination": {"host": server}}]});
    let rule = |routes: [serde_json::Value; 2]| {
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "web-svc-vs"},
            "spec": {"hosts": [format!("web-svc.{}.svc.cluster.local", shop.name())], "http": routes},
        })
    };
    let (narrow, wide) = (route("/a/b", "tomcat-svc"), route("/a", "httpd-svc"));
    shop.apply(&rule([narrow.clone(), wide.clone()]).to_string())
        .await;
    eventually("the narrow one first", async || {
        (answered(&shop, 20, &[], "/a/b/c").await == (20, 0)).then_some(())
    })
    .await;
    assert_eq!(answered(&shop, 20, &[], "/a/c").await, (0, 20));
    shop.apply(&rule([wide, narrow]).to_string()).await;
    eventually("the wide one first", async || {
        (answered(&shop, 20, &[], "/a/b/c").await == (0, 20)).then_some(())
    })
    .await;
}
