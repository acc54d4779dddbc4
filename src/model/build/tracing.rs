//! How a proxy traces requests: Telemetries of three scopes, and what the mesh's configuration and
//! the pod's own say where these don't.

use std::sync::Arc;

use pillion_api::{Percentage, WorkloadMode};

use super::{collectors::find, view::View};
use crate::model::{
    client::Client,
    names::ClusterKey,
    objects::{
        CollectorProtocol, MeshConfig, Provider, ProxyCollector, ProxyKind, ProxyTracing, Tags,
        TracingProvider, Zipkin,
    },
    rules::Telemetry,
    tracing::{Collector, Tracer, Tracing},
    world::World,
};

/// How many tags there are, of those of the mesh and of the pod together. Each may have as many.
const TAGS: usize = 24;

/// How a proxy traces requests.
pub(super) fn of_client(world: &World, view: &View, client: &Client) -> Tracing {
    let (mut sent, mut served) = (Draft::default(), Draft::default());
    for telemetry in applicable(world, client) {
        for element in &telemetry.tracing {
            let mode = element.matches.as_ref().map(|matches| matches.mode);
            let mode = mode.unwrap_or_default();
            if mode != WorkloadMode::Server {
                sent.lay_over(element);
            }
            if mode != WorkloadMode::Client {
                served.lay_over(element);
            }
        }
    }
    let mesh = &world.mesh.tracing.proxies;
    let proxy = client.tracing.as_ref();
    let finish = Finish {
        mesh: &world.mesh,
        view,
        proxy: proxy.map_or_else(|| mesh.clone(), |own| mesh.overlaid_with(own)),
    };
    let is_served = client.kind == ProxyKind::Sidecar;
    Tracing {
        client: finish.tracer(&sent).map(Arc::new),
        server: finish.tracer(&served).filter(|_| is_served).map(Arc::new),
    }
}

/// The Telemetries for a pod, the one that wins last: that of the root namespace, of the pod's own,
/// and of the pod. In each scope, the oldest holds.
fn applicable<'a>(world: &'a World, client: &Client) -> impl Iterator<Item = &'a Telemetry> {
    let (root, own) = (&world.mesh.root_namespace, client.namespace());
    let of_root = world.telemetry(root, None);
    let of_namespace = world.telemetry(own, None).filter(|_| own != root);
    let of_pod = world.telemetry(own, Some(&client.labels));
    of_root.into_iter().chain(of_namespace).chain(of_pod)
}

/// What Telemetries say.
#[derive(Default)]
struct Draft<'a> {
    provider: Option<&'a str>,
    is_disabled: bool,
    sampling: Option<Percentage>,
    tags: Tags,
    istio_tags: Option<bool>,
    by_request_id: Option<bool>,
}

impl<'a> Draft<'a> {
    /// Takes over what an element says.
    fn lay_over(&mut self, over: &'a pillion_api::Tracing) {
        if let Some(provider) = over.providers.first() {
            self.provider = Some(&provider.name);
        }
        if let Some(is_disabled) = over.disable_span_reporting {
            self.is_disabled = is_disabled;
        }
        self.sampling = over.random_sampling_percentage.or(self.sampling);
        if !over.custom_tags.is_empty() {
            let tags = over.custom_tags.iter();
            let tags = tags.map(|(name, tag)| (name.as_str().into(), tag.clone()));
            self.tags = tags.collect();
        }
        self.istio_tags = over.enable_istio_tags.or(self.istio_tags);
        self.by_request_id = over
            .use_request_id_for_trace_sampling
            .or(self.by_request_id);
    }
}

/// What holds where Telemetries say nothing.
struct Finish<'a> {
    mesh: &'a MeshConfig,
    view: &'a View,
    /// The mesh's `defaultConfig.tracing`, and the pod's own over it.
    proxy: ProxyTracing,
}

impl Finish<'_> {
    /// The tracer; none, if requests are not traced, or there is nobody to tell of them.
    fn tracer(&self, draft: &Draft<'_>) -> Option<Tracer> {
        if draft.is_disabled {
            return None;
        }
        let tracing = &self.mesh.tracing;
        let named = draft.provider.or(tracing.default_provider.as_deref());
        let provider = match named {
            Some(name) => match tracing.providers.get(name)? {
                Provider::Tracing(provider) => provider.clone(),
                Provider::NotBuilt(_) => return None,
            },
            None if tracing.is_enabled => self.provider()?,
            None => return None,
        };
        let tags = if draft.tags.is_empty() {
            &self.proxy.tags
        } else {
            &draft.tags
        };
        let sampling = draft.sampling.or(self.proxy.sampling);
        let istio_tags = draft.istio_tags.or(self.proxy.istio_tags);
        Some(Tracer {
            collector: self.collector(&provider)?,
            sampling: sampling.unwrap_or(Percentage::ONE),
            tags: tags.clone().into_iter().take(TAGS).collect(),
            istio_tags: istio_tags.unwrap_or(true),
            max_path_length: provider.max_path_length.or(self.proxy.max_path_length),
            by_request_id: draft.by_request_id.unwrap_or(true),
        })
    }

    /// The collector of the proxy's own configuration.
    fn provider(&self) -> Option<TracingProvider> {
        let service = match self.proxy.collector.as_ref()? {
            ProxyCollector::Zipkin(service) => service,
            ProxyCollector::Default(service) => {
                // Nobody has asked for it: it must be a Service, which only its namespace can make.
                let (to, _) = find(self.view, service).ok()?;
                to.external.is_none().then_some(service)?
            }
            ProxyCollector::NotBuilt(_) => return None,
        };
        Some(TracingProvider {
            service: service.clone(),
            protocol: CollectorProtocol::Zipkin(Zipkin::default()),
            max_path_length: None,
        })
    }

    fn collector(&self, provider: &TracingProvider) -> Option<Collector> {
        let (to, port) = find(self.view, &provider.service).ok()?;
        Some(Collector {
            cluster: ClusterKey::new(&to.host, port.number).name(),
            host: Arc::clone(&to.host),
            protocol: provider.protocol.clone(),
        })
    }
}
