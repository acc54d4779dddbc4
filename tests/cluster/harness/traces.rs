//! The stores of traces that samples/addons/ has, and what is in them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{eventually::eventually, namespace::Namespace, shell};

const JAEGER: &str = "samples/addons/jaeger.yaml";
const ZIPKIN: &str = "samples/addons/extras/zipkin.yaml";
/// How many traces of a service are looked at.
const LIMIT: usize = 300;

/// A store: the one that the Services `tracing` and `zipkin` of istio-system lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Jaeger,
    Zipkin,
}

/// A span in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: Option<String>,
    pub service: String,
    pub name: String,
    /// `client` or `server`.
    pub kind: String,
    /// In microseconds.
    pub start: u64,
    pub duration: u64,
    pub tags: BTreeMap<String, String>,
}

impl Store {
    /// Jaeger, which is installed once for all tests.
    pub async fn jaeger(shop: &Namespace) -> Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        INSTALLED
            .get_or_init(async || {
                shop.cluster.add_image("jaeger").await;
                Self::Jaeger.take_over(shop).await;
            })
            .await;
        Self::Jaeger
    }

    /// Zipkin, in Jaeger's place from now on: for a test that runs alone, and has Jaeger take over at its end.
    pub async fn zipkin(shop: &Namespace) -> Self {
        shop.cluster.add_image("zipkin").await;
        Self::Zipkin.take_over(shop).await;
        Self::Zipkin
    }

    /// Has the Services lead to it, and waits until it answers there.
    pub async fn take_over(self, shop: &Namespace) {
        let file = match self {
            Self::Jaeger => JAEGER,
            Self::Zipkin => ZIPKIN,
        };
        system(shop, &["apply", "-f", file]).await;
        self.wait(shop).await;
    }

    /// Waits until it answers behind the Service.
    pub async fn wait(self, shop: &Namespace) {
        let deployment = format!("deployment/{}", self.name());
        let rolled_out = ["rollout", "status", &deployment, "--timeout=120s"];
        system(shop, &rolled_out).await;
        eventually("the store of traces answers", async || {
            self.services(shop).await
        })
        .await;
    }

    /// The name of its Deployment.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jaeger => "jaeger",
            Self::Zipkin => "zipkin",
        }
    }

    /// The services that it knows.
    pub async fn services(self, shop: &Namespace) -> Option<BTreeSet<String>> {
        let path = match self {
            Self::Jaeger => "/jaeger/api/services",
            Self::Zipkin => "/zipkin/api/v2/services",
        };
        let answer = self.get(shop, path).await?;
        let list = match self {
            Self::Jaeger => &answer["data"],
            Self::Zipkin => &answer,
        };
        // Jaeger without any says `null`.
        let names = list.as_array().into_iter().flatten();
        Some(
            names
                .filter_map(|name| Some(name.as_str()?.to_owned()))
                .collect(),
        )
    }

    /// The newest traces in which a service is.
    pub async fn traces(self, shop: &Namespace, service: &str) -> Option<Vec<Vec<Span>>> {
        let path = match self {
            Self::Jaeger => format!("/jaeger/api/traces?service={service}&limit={LIMIT}"),
            Self::Zipkin => format!("/zipkin/api/v2/traces?serviceName={service}&limit={LIMIT}"),
        };
        let answer = self.get(shop, &path).await?;
        Some(match self {
            Self::Jaeger => list(&answer["data"]).map(of_jaeger).collect(),
            Self::Zipkin => list(&answer)
                .map(|trace| list(trace).map(of_zipkin).collect())
                .collect(),
        })
    }

    /// The trace in which a span of a service has this value of a tag, once it has so many spans. A trace with more fails.
    pub async fn trace_with(
        self,
        shop: &Namespace,
        service: &str,
        (tag, value): (&str, &str),
        spans: usize,
    ) -> Vec<Span> {
        let has = |span: &Span| {
            let found = span.tags.get(tag);
            found.is_some_and(|found| found.contains(value))
        };
        let found = eventually(&format!("{spans} spans of {tag} {value}"), async || {
            let traces = self.traces(shop, service).await?;
            let found = traces.into_iter().find(|trace| trace.iter().any(has))?;
            (found.len() >= spans).then_some(found)
        })
        .await;
        assert_eq!(found.len(), spans, "{found:#?}");
        found
    }

    /// A trace by its id.
    pub async fn trace(self, shop: &Namespace, id: &str) -> Option<Vec<Span>> {
        let path = match self {
            Self::Jaeger => format!("/jaeger/api/traces/{id}"),
            Self::Zipkin => format!("/zipkin/api/v2/trace/{id}"),
        };
        let answer = self.get(shop, &path).await?;
        let spans: Vec<_> = match self {
            Self::Jaeger => list(&answer["data"]).flat_map(of_jaeger).collect(),
            Self::Zipkin => list(&answer).map(of_zipkin).collect(),
        };
        (!spans.is_empty()).then_some(spans)
    }

    /// When the newest span of a service began; 0 if there is none.
    pub async fn newest(self, shop: &Namespace, service: &str) -> u64 {
        let traces = self.traces(shop, service).await.unwrap_or_default();
        let starts = traces.iter().flatten().map(|span| span.start);
        starts.max().unwrap_or_default()
    }

    /// Asks it by its Service, through the API server.
    async fn get(self, shop: &Namespace, path: &str) -> Option<Value> {
        let service = "/api/v1/namespaces/istio-system/services/tracing:80/proxy";
        let request = hyper::Request::get(format!("{service}{path}")).body(Vec::new());
        let answer = shop.client.request_text(request.unwrap()).await.ok()?;
        serde_json::from_str(&answer).ok()
    }
}

/// kubectl in istio-system.
pub async fn system(shop: &Namespace, arguments: &[&str]) -> String {
    let mut kubectl = shop.cluster.tool("kubectl");
    kubectl
        .args(["--namespace", "istio-system"])
        .args(arguments);
    shell::output(&mut kubectl, "").await
}

/// A `Telemetry` that has this share of a namespace's requests traced.
pub fn sampling(percentage: f64) -> String {
    json!({
        "apiVersion": "telemetry.istio.io/v1",
        "kind": "Telemetry",
        "metadata": {"name": "sampling"},
        "spec": {"tracing": [{"randomSamplingPercentage": percentage}]},
    })
    .to_string()
}

/// The span of a trace that is this one's parent.
pub fn parent<'a>(trace: &'a [Span], span: &Span) -> Option<&'a Span> {
    let parent = span.parent.as_deref()?;
    trace.iter().find(|other| other.id == parent)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn of_jaeger(trace: &Value) -> Vec<Span> {
    let span = |span: &Value| {
        let tags: BTreeMap<_, _> = list(&span["tags"])
            .map(|tag| (text(&tag["key"]), text(&tag["value"])))
            .collect();
        let process = span["processID"].as_str().unwrap_or_default();
        let parent = list(&span["references"]).find(|reference| reference["refType"] == "CHILD_OF");
        Span {
            trace: text(&span["traceID"]),
            id: text(&span["spanID"]),
            parent: parent.map(|reference| text(&reference["spanID"])),
            service: text(&trace["processes"][process]["serviceName"]),
            name: text(&span["operationName"]),
            kind: tags.get("span.kind").cloned().unwrap_or_default(),
            start: span["startTime"].as_u64().unwrap_or_default(),
            duration: span["duration"].as_u64().unwrap_or_default(),
            tags,
        }
    };
    list(&trace["spans"]).map(span).collect()
}

fn of_zipkin(span: &Value) -> Span {
    let tags = span["tags"].as_object().into_iter().flatten();
    Span {
        trace: text(&span["traceId"]),
        id: text(&span["id"]),
        parent: span["parentId"].as_str().map(str::to_owned),
        service: text(&span["localEndpoint"]["serviceName"]),
        name: text(&span["name"]),
        kind: text(&span["kind"]).to_lowercase(),
        start: span["timestamp"].as_u64().unwrap_or_default(),
        duration: span["duration"].as_u64().unwrap_or_default(),
        tags: tags
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    }
}
