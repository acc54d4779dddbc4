//! Telemetries that others leave nothing for, or whose provider nobody reaches.

use std::{collections::BTreeSet, sync::Arc};

use super::taken;
use crate::model::{
    build::{
        collectors::{Missing, find},
        first::First,
        view::View,
    },
    finding::{Finding, Kind, Problem},
    index::Index,
    objects::{CollectorProtocol, OpenTelemetry, Provider, TracingProvider},
    rules::Telemetry,
    world::World,
};

/// Telemetries that have no effect, or less than they ask for.
pub(super) fn without_effect(
    world: &World,
    index: &Index,
    view: &mut dyn FnMut(&Arc<str>) -> Arc<View>,
    findings: &mut Vec<Finding>,
) {
    for (namespace, telemetries) in &world.telemetries {
        let selecting = telemetries.iter();
        let selecting: Vec<_> = selecting
            .map(|telemetry| (&telemetry.meta.key, &telemetry.selector))
            .collect();
        taken::by_older(Kind::Telemetry, index, namespace, &selecting, findings);
        let view = view(namespace);
        for telemetry in telemetries {
            for (problem, message) in unreachable(world, &view, telemetry) {
                let key = &telemetry.meta.key;
                findings.push(Finding::new(Kind::Telemetry, key, problem, message));
            }
        }
    }
}

/// Why the spans of a Telemetry's requests get nowhere, as its own namespace sees the mesh.
fn unreachable(world: &World, view: &View, telemetry: &Telemetry) -> Vec<(Problem, String)> {
    let tracing = &world.mesh.tracing;
    let names: BTreeSet<&str> = named(telemetry).collect();
    let (names, origin) = match &tracing.default_provider {
        Some(default) if names.is_empty() && leaves_the_default(world, telemetry) => {
            (BTreeSet::from([&**default]), " (of defaultProviders)")
        }
        _ => (names, ""),
    };
    let found = names.into_iter().filter_map(|name| {
        let what = format!("provider {name}{origin}");
        match tracing.providers.get(name) {
            None => Some((
                Problem::MissingProvider,
                format!(
                    "the mesh has no {what}: requests are not traced. Add it to the \
                     extensionProviders of the mesh's configuration"
                ),
            )),
            Some(Provider::NotBuilt(part)) => Some((
                Problem::MissingProvider,
                format!(
                    "the {what} is not built ({part}): requests are not traced. Providers of the \
                     kinds zipkin and opentelemetry are"
                ),
            )),
            Some(Provider::Tracing(provider)) => unreachable_provider(view, &what, provider),
        }
    });
    found.collect()
}

/// The providers that a Telemetry names.
fn named(telemetry: &Telemetry) -> impl Iterator<Item = &str> {
    let elements = telemetry.tracing.iter();
    let providers = elements.filter_map(|element| element.providers.first());
    providers.map(|provider| provider.name.as_str())
}

/// Whether a Telemetry that names no provider has requests traced for the mesh's default one: neither
/// it nor those that hold where it says nothing have named another or asked for no spans.
fn leaves_the_default(world: &World, telemetry: &Telemetry) -> bool {
    let (root, own) = (&world.mesh.root_namespace, &telemetry.meta.key.namespace);
    let of_namespace = world.telemetry(own, None);
    let of_namespace = of_namespace.filter(|_| !telemetry.selector.is_empty());
    let below = [world.telemetry(root, None), of_namespace];
    let mut elements = telemetry.tracing.iter();
    elements.any(|element| element.disable_span_reporting != Some(true))
        && below
            .into_iter()
            .flatten()
            .all(|below| named(below).next().is_none())
}

/// Why a provider gets no spans.
fn unreachable_provider(
    view: &View,
    what: &str,
    provider: &TracingProvider,
) -> Option<(Problem, String)> {
    let service = &provider.service;
    let (to, port) = match find(view, service) {
        Ok(found) => found,
        Err(missing) => {
            let why = why(missing, &view.namespace);
            let message = format!("the {what} is at {service}, but {why}: requests are not traced");
            return Some((Problem::MissingCollector, message));
        }
    };
    let by_grpc = matches!(
        provider.protocol,
        CollectorProtocol::OpenTelemetry(OpenTelemetry { path: None, .. })
    );
    (by_grpc && !port.protocol.is_http2()).then(|| {
        let message = format!(
            "the {what} gets spans by gRPC, but the port {} of {} does not say that it speaks it: \
             call the port grpc-{}, or set its appProtocol to grpc",
            port.number,
            to.host,
            if port.name.is_empty() {
                "otlp"
            } else {
                &port.name
            },
        );
        (Problem::CollectorProtocol, message)
    })
}

/// What is missing of an address, as a namespace sees the mesh.
fn why(missing: Missing<'_>, seen_from: &str) -> String {
    match missing {
        Missing::Host => {
            format!(
                "no Service or ServiceEntry of that host is seen from the namespace {seen_from}"
            )
        }
        Missing::Namespace(namespace) => format!(
            "the host that is seen from the namespace {seen_from} is of the namespace {namespace}"
        ),
        Missing::Port(to) if to.ports.is_empty() => format!("{} has no ports", to.host),
        Missing::Port(to) => {
            let mut ports = First::default();
            to.ports.iter().for_each(|port| ports.add(port.number));
            format!("{} has only {}", to.host, ports.of("port"))
        }
    }
}
