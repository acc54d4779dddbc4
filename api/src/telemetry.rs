//! `Telemetry`: what proxies report of requests, of which tracing is built.

mod custom_tag;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use custom_tag::{CustomTag, Source as TagSource};

use crate::{NotBuilt, Percentage, WorkloadSelector};

/// The spec of a `Telemetry`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TelemetrySpec {
    /// The pods of this namespace that it is for. Default: all of them, and in the mesh's root
    /// namespace those of all namespaces.
    pub selector: Option<WorkloadSelector>,
    /// The gateway of the Gateway API that it is for.
    pub target_ref: Option<NotBuilt>,
    /// The gateways of the Gateway API that it is for.
    pub target_refs: Option<NotBuilt>,
    /// How requests are traced. Of several elements, the later ones win.
    pub tracing: Vec<Tracing>,
    /// How requests are counted.
    pub metrics: Option<NotBuilt>,
    /// How requests are logged.
    pub access_logging: Option<NotBuilt>,
}

/// How requests are traced. What is not set is as in the Telemetry of the namespace, or else of
/// the root namespace, or else as the mesh's configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Tracing {
    /// The requests that this element is for.
    #[serde(rename = "match")]
    pub matches: Option<TracingSelector>,
    /// Who gets the spans: the name of one of the mesh's extensionProviders. Only the first
    /// counts.
    pub providers: Vec<ProviderRef>,
    /// The share of requests that is traced, where nobody before has decided about the request.
    pub random_sampling_percentage: Option<Percentage>,
    /// Whether no spans are reported.
    pub disable_span_reporting: Option<bool>,
    /// Tags of spans, by their names. They replace those of other Telemetries.
    pub custom_tags: BTreeMap<String, CustomTag>,
    /// Whether the request's `x-request-id` decides, so that all proxies decide the same.
    /// Default: true.
    pub use_request_id_for_trace_sampling: Option<bool>,
    /// Whether spans have the tags `istio.canonical_service` and the like. Default: true.
    pub enable_istio_tags: Option<bool>,
    /// Whether the trace's headers are not sent on.
    pub disable_context_propagation: Option<NotBuilt>,
}

/// Which requests are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TracingSelector {
    /// By their direction.
    pub mode: WorkloadMode,
}

/// The side of a request on which a pod is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkloadMode {
    /// Both.
    #[default]
    ClientAndServer,
    /// It sends the request. A gateway is a client.
    Client,
    /// It serves the request.
    Server,
}

/// One of the mesh's extensionProviders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProviderRef {
    /// Its name.
    pub name: String,
}
