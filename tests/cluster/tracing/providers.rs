//! Collectors of OpenTelemetry, each for the pods whose Telemetry names it.

use serde_json::{Value, json};

use super::made::spans_of;
use crate::{
    command_line::printed,
    harness::{Namespace, Release, Span, Store, eventually, pod, samples, server, service},
};

const REVISION: &str = "providers";
/// The clients, with their providers and the ports of these.
const CLIENTS: [(&str, &str, u16); 2] = [("by-grpc", "otel", 4317), ("by-http", "otel-http", 4318)];

/// What the mesh's configuration says: where the providers are, and that all is traced.
fn mesh() -> Vec<String> {
    let provider = |index: usize, name: &str, port: u16| {
        let provider = format!("meshConfig.extensionProviders[{index}]");
        let service = "jaeger-collector.istio-system.svc.cluster.local";
        [
            format!("{provider}.name={name}"),
            format!("{provider}.opentelemetry.service={service}"),
            format!("{provider}.opentelemetry.port={port}"),
        ]
    };
    let mut values = Vec::new();
    for (index, (_, name, port)) in CLIENTS.into_iter().enumerate() {
        values.extend(provider(index, name, port));
    }
    values.push("meshConfig.extensionProviders[1].opentelemetry.http.path=/v1/traces".to_owned());
    values.push("meshConfig.defaultConfig.tracing.sampling=100".to_owned());
    values
}

/// A Telemetry for the pods of a name, which leaves everything but the provider to the mesh.
fn telemetry(client: &str, provider: &str) -> Value {
    json!({
        "apiVersion": "telemetry.istio.io/v1",
        "kind": "Telemetry",
        "metadata": {"name": client},
        "spec": {
            "selector": {"matchLabels": {"app": client}},
            "tracing": [{"providers": [{"name": provider}]}],
        },
    })
}

/// The client's span of a request that it is asked to send, once it is traced.
async fn traced(shop: &Namespace, jaeger: Store, client: &str) -> Span {
    let name = format!("{client}.{}", shop.name());
    let url = format!("http://server:8080/get?client={client}");
    let curl = ["curl", "-s", "-o", "/dev/null", &url];
    eventually(&format!("spans of {client}"), async || {
        shop.exec_in(client, client, &curl).await;
        let traces = jaeger.traces(shop, &name).await?;
        let mut spans = traces.into_iter().flatten();
        spans.find(|span| span.service == name)
    })
    .await
}

#[tokio::test]
async fn each_telemetry_has_the_provider_that_it_names() {
    let Some(shop) = Namespace::of_revision("providers", REVISION).await else {
        return;
    };
    let jaeger = Store::jaeger(&shop).await;
    let release = Release::install(shop.cluster, REVISION).await;
    let values = mesh();
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    release.upgrade(&values).await;
    let mut objects = vec![
        pod("server", &[server("server", &["httpbin"], 8080)]),
        service("server", &[8080]),
    ];
    for (client, provider, _) in CLIENTS {
        let tools = samples(client, &["pillion-samples", "sleep"]);
        objects.extend([telemetry(client, provider), pod(client, &[tools])]);
    }
    shop.create(&objects).await;
    shop.wait_ready(&["server", "by-grpc", "by-http"]).await;

    for (client, _, port) in CLIENTS {
        let span = traced(&shop, jaeger, client).await;
        assert_eq!(span.kind, "client", "{span:#?}");
        let url = &span.tags["http.url"];
        assert!(url.ends_with(&format!("/get?client={client}")), "{span:#?}");
        assert_eq!(span.tags["http.status_code"], "200", "{span:#?}");
        // It is this provider's doing: there is no other in its configuration.
        let listeners = printed(&shop, &["proxy-config", "listeners", client, "-o", "json"]).await;
        for (_, _, other) in CLIENTS {
            let cluster = format!("outbound|{other}||jaeger-collector.istio-system");
            assert_eq!(
                listeners.contains(&cluster),
                other == port,
                "{client}: {cluster}"
            );
        }
        // The share is the mesh's. Spans from before are sent by then.
        let url = "http://server:8080/get";
        spans_of(&shop, client, &["-n", "1", url]).await;
        let options = ["-n", "200", "-c", "4", url];
        assert_eq!(spans_of(&shop, client, &options).await, 200, "{client}");
    }
}
