//! The walk-through's steps with Bookinfo: behind the ingress gateway, and its versions by route.

use std::collections::BTreeSet;

use crate::harness::{Gateway, Namespace, Report, eventually, get_of};

/// As the walk-through types it (2.8): one host.
pub const FOR_ONE_HOST: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata:
  name: bookinfo-gateway
spec:
  selector:
    istio: ingressgateway # use Istio default gateway implementation
  servers:
  - port:
      number: 80
      name: http
      protocol: HTTP
    hosts:
    - "bookinfo.example.com"
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: bookinfo
spec:
  hosts:
  - "bookinfo.example.com"
  gateways:
  - bookinfo-gateway
  http:
  - match:
    - uri:
        exact: /productpage
    - uri:
        prefix: /static
    - uri:
        exact: /login
    - uri:
        exact: /logout
    - uri:
        prefix: /api/v1/products
    route:
    - destination:
        host: productpage
        port:
          number: 9080
"#;

/// The host in it.
const HOST: &str = "bookinfo.example.com";
const TITLE: &str = "Simple Bookstore App";
const PRODUCT: &str = "/api/v1/products/200";

async fn bookinfo(prefix: &str) -> Option<Namespace> {
    let shop = Namespace::injected(prefix).await?;
    deploy(&shop).await;
    Some(shop)
}

/// All of Bookinfo, and a pod that asks.
pub async fn deploy(shop: &Namespace) {
    let applications = ["bookinfo/platform/kube/bookinfo.yaml", "sleep/sleep.yaml"];
    shop.apply_samples(&applications).await;
    shop.wait_for_deployments().await;
}

/// The stars of a page.
pub fn stars(page: &str) -> &'static str {
    let has = |color: &str| page.contains(&format!("color:{color}\" title"));
    match (has("red"), has("black")) {
        (true, _) => "red",
        (_, true) => "black",
        _ => "none",
    }
}

/// Waits until a pod beside it gets the page.
pub async fn is_there_for_another_pod(shop: &Namespace) {
    let from_ratings = ["curl", "-s", "productpage:9080/productpage"];
    // A pod is ready a moment before its EndpointSlice, and what is made of that, says so.
    eventually("another pod gets the page", async || {
        let page = shop.exec_in("deploy/ratings-v1", "ratings", &from_ratings);
        page.await.contains(TITLE).then_some(())
    })
    .await;
}

/// The head that the real curl gets, asking as it is typed there.
async fn head(gateway: &Gateway, host: &str) -> String {
    let url = format!("http://{}{PRODUCT}", gateway.http());
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-s", "-I", &format!("-HHost:{host}"), &url]);
    let output = curl.output().await.expect("install curl");
    String::from_utf8_lossy(&output.stdout).to_ascii_lowercase()
}

/// Has the gateway show it for one host.
pub async fn is_shown_for(shop: &Namespace, gateway: &Gateway, host: &str) {
    shop.apply(&FOR_ONE_HOST.replace(HOST, host)).await;
    let answer = gateway.answers(host, PRODUCT, 200).await;
    let (said, _) = answer.split_once("\r\n\r\n").unwrap();
    for line in ["content-type: application/json", "server: istio-envoy"] {
        assert!(said.lines().any(|it| it == line), "{line}: {said}");
    }
    assert!(said.contains("x-envoy-upstream-service-time: "), "{said}");
    let said = head(gateway, host).await;
    assert!(said.starts_with("http/1.1 200"), "{said}");
    for field in [
        "content-type: application/json",
        "server: istio-envoy",
        "x-envoy-upstream-service-time: ",
    ] {
        assert!(said.contains(field), "{field}: {said}");
    }
    // The port in Host is ignored.
    let with_port = format!("{host}:80");
    gateway.answers(&with_port, PRODUCT, 200).await;
}

/// Reloads the page until each version of the reviews was there. Versions are drawn, so no number of visits is sure to
/// meet all three.
pub async fn shows_all_versions(gateway: &Gateway, host: &str) {
    let mut seen = BTreeSet::new();
    eventually("all three versions are seen", async || {
        let page = get_of(&gateway.http(), host, "/productpage").await?;
        seen.insert(stars(&page));
        (seen.len() == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_page_is_behind_the_gateway_for_one_host_and_for_all() {
    let Some(shop) = bookinfo("bookinfo").await else {
        return;
    };
    is_there_for_another_pod(&shop).await;
    let gateway = Gateway::of(&shop).await;
    is_shown_for(&shop, &gateway, HOST).await;
    let said = head(&gateway, "other.example.com").await;
    assert!(said.starts_with("http/1.1 404"), "{said}");
    for (host, path) in [
        ("other.example.com", PRODUCT),
        ("example.com", PRODUCT),
        (HOST, "/"),
        (HOST, "/productpage/more"),
        // What it is once its dots are resolved.
        (HOST, "/static/../health"),
    ] {
        let answer = get_of(&gateway.http(), host, path).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 404 "),
            "{host}{path}: {answer}"
        );
    }

    shop.apply_samples(&["bookinfo/networking/bookinfo-gateway.yaml"])
        .await;
    let listed = shop.kubectl(&["get", "gateway"]).await;
    assert!(listed.contains("bookinfo-gateway"), "{listed}");
    let listed = shop
        .kubectl(&["get", "virtualservices.networking.istio.io"])
        .await;
    let columns: Vec<_> = listed.split_whitespace().take(4).collect();
    assert_eq!(columns, ["NAME", "GATEWAYS", "HOSTS", "AGE"]);
    for part in ["[\"bookinfo-gateway\"]", "[\"*\"]"] {
        assert!(listed.contains(part), "{listed}");
    }
    let page = gateway.answers(&gateway.http(), "/productpage", 200).await;
    assert!(page.contains(TITLE), "{page}");
    shows_all_versions(&gateway, &gateway.http()).await;
}

/// Of so many requests for reviews, how many each version has answered.
async fn versions(shop: &Namespace, requests: u64, fields: &[&str]) -> [u64; 3] {
    let number = requests.to_string();
    let mut options = vec!["-n", &number, "--by-body"];
    options.extend(fields.iter().flat_map(|field| ["-H", field]));
    options.push("http://reviews:9080/reviews/0");
    let report = Report::of(shop, "deploy/sleep", "sleep", &options).await;
    report.assert_no_failures();
    ["v1", "v2", "v3"].map(|version| report.answers_with(&format!("reviews-{version}-")))
}

/// Waits until twenty requests are divided so.
async fn until_all_from(shop: &Namespace, fields: &[&str], expected: [u64; 3]) {
    eventually(&format!("{expected:?} of {fields:?}"), async || {
        (versions(shop, 20, fields).await == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn reviews_come_from_the_version_that_a_route_names() {
    let Some(shop) = bookinfo("versions").await else {
        return;
    };
    routes_name_versions(&shop).await;
}

/// Applies the rules of the samples, one after the other, and has a pod ask for reviews.
pub async fn routes_name_versions(shop: &Namespace) {
    let before = versions(shop, 60, &[]).await;
    assert!(before.iter().all(|version| *version > 5), "{before:?}");

    let networking = async |file: &str| {
        shop.apply_samples(&[&format!("bookinfo/networking/{file}.yaml")])
            .await;
    };
    networking("destination-rule-all").await;
    let rules = shop
        .kubectl(&["get", "destinationrules", "-o", "name"])
        .await;
    assert_eq!(rules.lines().count(), 4, "{rules}");
    networking("virtual-service-all-v1").await;
    until_all_from(shop, &[], [20, 0, 0]).await;
    networking("virtual-service-reviews-v3").await;
    until_all_from(shop, &[], [0, 0, 20]).await;
    networking("virtual-service-reviews-test-v2").await;
    until_all_from(shop, &["end-user: jason"], [0, 20, 0]).await;
    assert_eq!(versions(shop, 20, &["end-user: other"]).await, [20, 0, 0]);
    assert_eq!(versions(shop, 20, &[]).await, [20, 0, 0]);
    networking("virtual-service-reviews-80-20").await;
    eventually("some of v2", async || {
        (versions(shop, 50, &[]).await[1] > 0).then_some(())
    })
    .await;
    let [first, second, third] = versions(shop, 2000, &[]).await;
    assert!((1528..=1672).contains(&first), "{first} and {second}");
    assert_eq!((first + second, third), (2000, 0));
}
