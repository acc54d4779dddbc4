//! The built-in configuration, in Envoy's shape: without a control plane there is no other.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::sidecar::port_numbers;

/// Istio's names for what is built in, and how each finds its endpoints.
const CLUSTERS: [(&str, &str); 3] = [
    ("BlackHoleCluster", "STATIC"),
    ("InboundPassthroughCluster", "ORIGINAL_DST"),
    ("PassthroughCluster", "ORIGINAL_DST"),
];

/// Istio's names of the listeners, with their ports.
const LISTENERS: [(&str, &str, u16); 2] = [
    ("virtualOutbound", "OUTBOUND", port_numbers::OUTBOUND),
    ("virtualInbound", "INBOUND", port_numbers::INBOUND),
];

pub(super) fn dump() -> Value {
    let clusters = CLUSTERS.map(|(name, kind)| {
        json!({"cluster": {
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": name,
            "type": kind,
        }})
    });
    let listeners = LISTENERS.map(|(name, direction, port)| {
        json!({"listener": {
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            "name": name,
            "address": address(port),
            "use_original_dst": true,
            "traffic_direction": direction,
        }})
    });
    json!({"configs": [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
            "static_clusters": clusters,
        },
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
            "static_listeners": listeners,
        },
    ]})
}

pub(super) fn clusters() -> Value {
    let statuses = CLUSTERS.map(|(name, _)| json!({"name": name, "added_via_api": false}));
    json!({ "cluster_statuses": statuses })
}

pub(super) fn clusters_text() -> String {
    let mut text = String::new();
    for (name, _) in CLUSTERS {
        // A String takes every write.
        let _ = writeln!(text, "{name}::observability_name::{name}");
        let _ = writeln!(text, "{name}::added_via_api::false");
    }
    text
}

pub(super) fn listeners() -> Value {
    let statuses =
        LISTENERS.map(|(name, _, port)| json!({"name": name, "local_address": address(port)}));
    json!({ "listener_statuses": statuses })
}

pub(super) fn listeners_text() -> String {
    let lines = LISTENERS.map(|(name, _, port)| format!("{name}::0.0.0.0:{port}\n"));
    lines.concat()
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "0.0.0.0", "port_value": port}})
}
