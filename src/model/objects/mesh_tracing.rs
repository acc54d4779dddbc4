//! What the mesh's configuration, and a pod's own, say about tracing.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use pillion_api::{CustomTag, Percentage};

/// Tags of spans, by their names.
pub type Tags = BTreeMap<Arc<str>, CustomTag>;

/// The parts of MeshConfig that are about tracing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshTracing {
    /// `enableTracing`: whether requests are traced where no provider is named. Default: true.
    pub is_enabled: bool,
    /// The first of `defaultProviders.tracing`.
    pub default_provider: Option<Arc<str>>,
    /// `extensionProviders`, by their names.
    pub providers: BTreeMap<Arc<str>, Provider>,
    /// `defaultConfig.tracing`, with a collector.
    pub proxies: ProxyTracing,
}

/// `tracing` of a ProxyConfig.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyTracing {
    /// `sampling`. Default: 1 %.
    pub sampling: Option<Percentage>,
    /// Who gets the spans where no provider is named.
    pub collector: Option<ProxyCollector>,
    /// `customTags`.
    pub tags: Tags,
    /// `maxPathTagLength`. Default: 256 bytes, which is the proxies' own.
    pub max_path_length: Option<u32>,
    /// `enableIstioTags`. Default: true.
    pub istio_tags: Option<bool>,
}

/// The collector of a ProxyConfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyCollector {
    /// `zipkin.address`.
    Zipkin(ServiceAddress),
    /// Where Zipkin is looked for without any configuration. Only a Service counts.
    Default(ServiceAddress),
    /// One of another kind, which is not built: the field that names it.
    NotBuilt(Arc<str>),
}

/// One of the mesh's providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// A collector of spans.
    Tracing(TracingProvider),
    /// Something that is not built: what, for messages.
    NotBuilt(Arc<str>),
}

/// A collector of spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracingProvider {
    /// Where it is.
    pub service: ServiceAddress,
    /// What it understands.
    pub protocol: CollectorProtocol,
    /// `maxTagLength`: how many bytes of a path spans have.
    pub max_path_length: Option<u32>,
}

/// A port of a Service or ServiceEntry, as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceAddress {
    /// The namespace of the Service, where it is given.
    pub namespace: Option<Arc<str>>,
    /// The host, in lower case: full, or as DNS search domains complete it.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

/// What a collector understands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CollectorProtocol {
    /// Zipkin's JSON, version 2.
    Zipkin(Zipkin),
    /// OpenTelemetry's protocol.
    OpenTelemetry(OpenTelemetry),
}

/// How spans are sent to Zipkin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Zipkin {
    /// The path that spans are posted to.
    pub path: Arc<str>,
    /// Whether a trace that begins here has a number of 64 bits, not 128.
    pub short_trace_ids: bool,
    /// Whether W3C's headers are read and written beside B3.
    pub with_w3c: bool,
    /// How messages are sent.
    pub delivery: Delivery,
}

/// How spans are sent by OpenTelemetry's protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpenTelemetry {
    /// The path that spans are posted to; by gRPC, if there is none.
    pub path: Option<Arc<str>>,
    /// How messages are sent.
    pub delivery: Delivery,
}

/// How messages with spans are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// Headers that each has, or metadata of gRPC.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
}

/// Where Zipkin is, unless the configuration says it: its name and port.
const ZIPKIN: (&str, u16) = ("zipkin", 9411);
/// The path that Zipkin takes spans at.
const ZIPKIN_PATH: &str = "/api/v2/spans";

impl MeshTracing {
    /// The configuration that says nothing, of a mesh that is installed in a namespace.
    pub fn default_in(namespace: &str) -> Self {
        let (name, port) = ZIPKIN;
        let zipkin = ServiceAddress {
            namespace: None,
            host: format!("{name}.{namespace}").into(),
            port,
        };
        Self {
            is_enabled: true,
            default_provider: None,
            providers: BTreeMap::new(),
            proxies: ProxyTracing {
                collector: Some(ProxyCollector::Default(zipkin)),
                ..ProxyTracing::default()
            },
        }
    }

    /// Completes hosts without a dot: they are of the namespace that stands before them, else of this one.
    pub fn complete_hosts(&mut self, namespace: &str) {
        for provider in self.providers.values_mut() {
            if let Provider::Tracing(provider) = provider {
                provider.service.complete_host(namespace);
            }
        }
        if let Some(ProxyCollector::Zipkin(service)) = &mut self.proxies.collector {
            service.complete_host(namespace);
        }
    }
}

impl ServiceAddress {
    fn complete_host(&mut self, namespace: &str) {
        // IPv6 addresses have no dots.
        if !self.host.contains(['.', ':']) {
            let namespace = self.namespace.as_deref().unwrap_or(namespace);
            self.host = format!("{}.{namespace}", self.host).into();
        }
    }
}

/// `[NAMESPACE/]HOST:PORT`
impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl ProxyTracing {
    /// This one with another laid over it: tags are joined, everything else is replaced.
    #[must_use]
    pub fn overlaid_with(&self, over: &Self) -> Self {
        let mut tags = self.tags.clone();
        tags.extend(over.tags.clone());
        Self {
            sampling: over.sampling.or(self.sampling),
            collector: over.collector.clone().or_else(|| self.collector.clone()),
            tags,
            max_path_length: over.max_path_length.or(self.max_path_length),
            istio_tags: over.istio_tags.or(self.istio_tags),
        }
    }
}

impl Default for Zipkin {
    fn default() -> Self {
        Self {
            path: ZIPKIN_PATH.into(),
            short_trace_ids: false,
            with_w3c: false,
            delivery: Delivery::default(),
        }
    }
}
