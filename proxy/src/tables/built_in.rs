//! The tables of a proxy without a control plane.

use std::{sync::Arc, time::Duration};

use super::{
    Action, Addresses, ClusterSettings, ClusterStates, Clusters, Detection, EndpointSource,
    Forward, Hosts, HttpListener, Listener, Listeners, Route, RouteMatch, Source, TcpRoute,
    TcpRoutes, VirtualHost,
};

/// Istio's cluster for connections that go where they were going.
pub(crate) const PASSTHROUGH: &str = "PassthroughCluster";
/// The same for those to the pod.
pub(crate) const INBOUND_PASSTHROUGH: &str = "InboundPassthroughCluster";
/// Istio's cluster for what may not be passed on, which has no endpoint.
pub(crate) const BLACK_HOLE: &str = "BlackHoleCluster";

/// Everything goes to its original destination, under the names that Istio has for that.
pub(super) fn listeners(detection_timeout: Duration) -> Listeners {
    listeners_to((PASSTHROUGH, INBOUND_PASSTHROUGH), detection_timeout)
}

/// Everything goes to a cluster: what leaves the pod to the first, what enters it to the second.
pub(super) fn listeners_to(
    (outbound, inbound): (&str, &str),
    detection_timeout: Duration,
) -> Listeners {
    let detection = Detection::Sniff(detection_timeout);
    let to_others = host("allow_any", outbound, true);
    let to_own = host("default", inbound, false);
    Listeners {
        outbound: Addresses::all(listener("virtualOutbound", outbound, to_others, detection)),
        inbound: Addresses::all(listener("virtualInbound", inbound, to_own, detection)),
        ..Listeners::default()
    }
}

/// The clusters that these cite.
pub(super) fn clusters() -> Clusters {
    let mut states = ClusterStates::default();
    let mut cluster = |name, source| {
        let mut settings = ClusterSettings::new(name);
        settings.source = source;
        states.build(settings, EndpointSource::OriginalDestination)
    };
    let outbound = cluster(PASSTHROUGH, Source::Any);
    let inbound = cluster(INBOUND_PASSTHROUGH, Source::Inbound);
    Clusters::from_iter([outbound, inbound])
}

/// A listener that sends everything to one cluster.
fn listener(name: &str, cluster: &str, host: VirtualHost, detection: Detection) -> Arc<Listener> {
    let mut hosts = Hosts::default();
    hosts.add("*", Arc::new(host));
    Arc::new(Listener {
        name: Arc::from(name),
        detection,
        http: Some(HttpListener::new(Arc::new(hosts))),
        tcp: TcpRoutes {
            routes: Vec::new(),
            default: Some(TcpRoute::to(cluster)),
        },
        tls: None,
    })
}

fn host(name: &str, cluster: &str, tells_attempt: bool) -> VirtualHost {
    let action = Action::Forward(Forward::to(cluster));
    VirtualHost {
        routes: vec![Arc::new(Route::new(name, RouteMatch::any(), action))],
        tells_attempt,
        is_stand_in: false,
    }
}
