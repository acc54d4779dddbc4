//! The tables of a proxy without a control plane.

use std::{sync::Arc, time::Duration};

use super::{
    Action, Cluster, Detection, Endpoints, Hosts, Listener, Listeners, PathMatch, Route,
    UpstreamProtocol, VirtualHost,
};

/// Envoy's `connect_timeout` in Istio.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything goes to its original destination, under the names that Istio has for that.
pub(super) fn listeners(detection_timeout: Duration) -> Listeners {
    Listeners {
        outbound: listener("PassthroughCluster", "allow_any", detection_timeout),
        inbound: listener("InboundPassthroughCluster", "default", detection_timeout),
    }
}

fn listener(cluster: &str, route: &str, detection_timeout: Duration) -> Listener {
    let cluster = Arc::new(Cluster {
        name: Arc::from(cluster),
        endpoints: Endpoints::OriginalDestination,
        protocol: UpstreamProtocol::Downstream,
        connect_timeout: CONNECT_TIMEOUT,
    });
    let routes = vec![Route {
        name: Arc::from(route),
        path: PathMatch::Prefix(String::new()),
        action: Action::Forward(Arc::clone(&cluster)),
    }];
    let mut hosts = Hosts::default();
    hosts.add("*", Arc::new(VirtualHost { routes }));
    Listener {
        detection: Detection::Sniff(detection_timeout),
        hosts,
        tcp: cluster,
    }
}
