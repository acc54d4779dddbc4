//! One request for a page is one trace.

use std::collections::BTreeSet;

use crate::{
    command_line::printed,
    harness::{Gateway, Namespace, Span, Store, eventually, get_with, output, parent, sampling},
};

/// Everything is traced, the gateway included, until the value is dropped. Then Jaeger is the store again.
struct AllOfTheMesh<'a>(&'a Namespace);

impl<'a> AllOfTheMesh<'a> {
    async fn traced(shop: &'a Namespace) -> Self {
        let traced = Self(shop);
        let mut apply = shop.cluster.tool("kubectl");
        apply.args(["--namespace", "istio-system", "apply", "-f", "-"]);
        output(&mut apply, &sampling(100.0)).await;
        traced
    }
}

impl Drop for AllOfTheMesh<'_> {
    fn drop(&mut self) {
        for arguments in [
            &["delete", "telemetry", "sampling"][..],
            &["apply", "-f", "samples/addons/jaeger.yaml"],
            &["delete", "deployment", "zipkin", "--ignore-not-found"],
        ] {
            let mut kubectl = self.0.cluster.tool("kubectl");
            kubectl
                .args(["--namespace", "istio-system"])
                .args(arguments);
            let _ = kubectl.as_std_mut().output();
        }
    }
}

/// Bookinfo with stars behind the gateway.
async fn bookinfo() -> Option<Namespace> {
    let shop = Namespace::alone("traces").await?;
    let networking = |file: &str| format!("bookinfo/networking/{file}.yaml");
    shop.apply_samples(&[
        "bookinfo/platform/kube/bookinfo.yaml",
        &networking("bookinfo-gateway"),
        &networking("destination-rule-all"),
        &networking("virtual-service-reviews-v3"),
    ])
    .await;
    shop.wait_for_deployments().await;
    Some(shop)
}

/// Somebody outside of the cluster who asks the gateway.
pub struct Visitor<'a> {
    pub gateway: &'a Gateway,
    pub host: &'a str,
    pub fields: &'a [&'a str],
}

impl Visitor<'_> {
    async fn get(&self, path: &str) -> Option<String> {
        get_with(&self.gateway.http(), self.host, path, self.fields).await
    }
}

/// Asks for the page, marked by a query that is in the spans' `http.url`, until all of it is there, and
/// returns the mark. On a busy machine, an application may give up on another, and its page lacks a part.
async fn ask(visitor: &Visitor<'_>, mark: &str) -> String {
    let mut visits = 0;
    eventually("a whole page", async || {
        visits += 1;
        let mark = format!("mark={mark}-{visits}.");
        let path = format!("/productpage?{mark}");
        let page = visitor.get(&path).await?;
        let is_whole = page.starts_with("HTTP/1.1 200 ") && page.contains("color:red\" title");
        is_whole.then_some(mark)
    })
    .await
}

/// What the trace of a page is: who asked whom, as `SERVICE KIND < PARENT'S SERVICE KIND`.
fn shape(trace: &[Span]) -> Vec<String> {
    let short = |span: &Span| {
        let service = span.service.split('.').next().unwrap_or_default();
        format!("{service} {}", span.kind)
    };
    let mut lines: Vec<_> = trace
        .iter()
        .map(|span| {
            let parent = parent(trace, span).map_or_else(|| "nobody".to_owned(), short);
            format!("{} < {parent}", short(span))
        })
        .collect();
    lines.sort();
    lines
}

const SHAPE: [&str; 8] = [
    "details server < productpage client",
    "istio-ingressgateway client < nobody",
    "productpage client < productpage server",
    "productpage client < productpage server",
    "productpage server < istio-ingressgateway client",
    "ratings server < reviews client",
    "reviews client < reviews server",
    "reviews server < productpage client",
];

/// Checks the trace of one page.
async fn check(store: Store, shop: &Namespace, mark: &str) {
    let service = format!("productpage.{}", shop.name());
    let trace = store
        .trace_with(shop, &service, ("http.url", mark), 8)
        .await;
    assert_eq!(shape(&trace), SHAPE, "{trace:#?}");
    let services: BTreeSet<_> = trace.iter().map(|span| &span.service).collect();
    assert_eq!(services.len(), 5);
    assert!(services.contains(&"istio-ingressgateway.istio-system".to_owned()));
    let root = trace.iter().find(|span| span.parent.is_none()).unwrap();
    for span in &trace {
        assert_eq!(span.trace, root.trace);
        assert_eq!(span.tags["component"], "proxy", "{span:#?}");
        assert_eq!(span.tags["http.status_code"], "200", "{span:#?}");
        assert_eq!(span.tags["response_flags"], "-", "{span:#?}");
        assert!(!span.tags.contains_key("error"), "{span:#?}");
        // A part is within the whole, but for what clocks and messages take.
        assert!(span.duration <= root.duration + 5_000, "{span:#?}");
    }
    let ratings = trace
        .iter()
        .find(|span| span.service.starts_with("ratings."));
    let ratings = ratings.unwrap();
    assert_eq!(ratings.tags["istio.canonical_service"], "ratings");
    let host = format!("ratings.{}.svc.cluster.local:9080/*", shop.name());
    assert_eq!(ratings.name, host);
    // Applications pass the id on, so that it is one for the whole trace.
    let id = &root.tags["guid:x-request-id"];
    assert!(
        trace
            .iter()
            .all(|span| span.tags["guid:x-request-id"] == *id)
    );
}

/// Waits until requests for the page are traced, and checks the trace of one.
pub async fn is_one_trace(store: Store, shop: &Namespace, visitor: &Visitor<'_>) {
    let service = format!("ratings.{}", shop.name());
    eventually("requests are traced", async || {
        visitor.get("/productpage").await?;
        let traces = store.traces(shop, &service).await?;
        traces.iter().any(|trace| trace.len() == 8).then_some(())
    })
    .await;
    let mark = ask(visitor, store.name()).await;
    check(store, shop, &mark).await;
}

#[tokio::test]
async fn one_request_is_one_trace_in_jaeger_and_in_zipkin() {
    let Some(shop) = bookinfo().await else {
        return;
    };
    let jaeger = Store::jaeger(&shop).await;
    let _traced = AllOfTheMesh::traced(&shop).await;
    let gateway = Gateway::of(&shop).await;
    gateway.answers(&gateway.http(), "/productpage", 200).await;
    let visitor = Visitor {
        gateway: &gateway,
        host: &gateway.http(),
        fields: &[],
    };
    is_one_trace(jaeger, &shop, &visitor).await;
    let service = format!("ratings.{}", shop.name());
    let show = ["trace", "show", "--service", &service];
    let shown = printed(&shop, &show).await;
    assert!(shown.contains(": 8 spans, 5 services, "), "{shown}");

    // The same proxies send to Zipkin once the Service leads there.
    let zipkin = Store::zipkin(&shop).await;
    is_one_trace(zipkin, &shop, &visitor).await;
    let shown = printed(&shop, &show).await;
    assert!(shown.contains(": 8 spans, 5 services, "), "{shown}");
}
