//! The configuration, in Envoy's shapes: what the control plane has sent, and what is in force.

use std::{error::Error, fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{sync::oneshot, time::timeout};

use super::{
    in_turn::InTurn,
    json::{as_json, text_of_json},
    query::pairs,
};
use crate::{
    config::Dump,
    process::{discovery::Configuration, port_numbers},
    tables::{Cluster, Counted, Endpoints, Listener, Snapshot},
};

/// How long the thread that has the configuration may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// `/config_dump`: `?include_eds` has the endpoints in it. Envoy's other parameters choose
/// parts of it, and are refused.
pub(super) async fn dump(
    configuration: &Configuration,
    in_turn: &InTurn,
    query: Option<&str>,
) -> Response {
    let mut with_endpoints = false;
    for (name, _) in pairs(query) {
        match name {
            "include_eds" => with_endpoints = true,
            _ => {
                let text = format!("{name} is not supported; include_eds is\n");
                return (StatusCode::BAD_REQUEST, text).into_response();
            }
        }
    }
    let Some(dumps) = &configuration.dumps else {
        return as_json(&built_in());
    };
    let (reply, answer) = oneshot::channel::<Dump>();
    let asked = async {
        // Both ends live as long as the process.
        dumps.send(reply).await.ok()?;
        answer.await.ok()
    };
    let Ok(Some(dump)) = timeout(PATIENCE, asked).await else {
        let text = "the configuration is being compiled; ask again\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    match in_turn.run(move || dump.to_json(with_endpoints)).await {
        Ok(Ok(text)) => text_of_json(text),
        Ok(Err(error)) => not_shown(&error),
        Err(error) => not_shown(&error),
    }
}

fn not_shown(error: &dyn Error) -> Response {
    let text = format!("the configuration can't be shown: {error}\n");
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

/// Without a control plane, the listeners and clusters that the proxy has by itself.
fn built_in() -> Value {
    let cluster = |name: &str| {
        json!({"cluster": {
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": name,
            "type": "ORIGINAL_DST",
        }})
    };
    let listener = |name: &str, direction: &str, port: u16| {
        json!({"listener": {
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            "name": name,
            "address": socket_address(&(std::net::Ipv4Addr::UNSPECIFIED, port).into()),
            "use_original_dst": true,
            "traffic_direction": direction,
        }})
    };
    json!({"configs": [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
            "static_clusters": [
                cluster("InboundPassthroughCluster"),
                cluster("PassthroughCluster"),
            ],
        },
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
            "static_listeners": [
                listener("virtualOutbound", "OUTBOUND", port_numbers::OUTBOUND),
                listener("virtualInbound", "INBOUND", port_numbers::INBOUND),
            ],
        },
    ]})
}

/// `/clusters?format=json`.
pub(super) fn clusters(configuration: &Configuration) -> Value {
    let (tables, is_api) = (now(configuration), configuration.dumps.is_some());
    let statuses: Vec<_> = sorted(&tables)
        .into_iter()
        .map(|cluster| {
            let hosts: Vec<_> = endpoints(cluster).into_iter().map(host_status).collect();
            let mut status = json!({"name": cluster.name(), "added_via_api": is_api});
            if !hosts.is_empty() {
                status["host_statuses"] = json!(hosts);
            }
            status
        })
        .collect();
    json!({ "cluster_statuses": statuses })
}

fn host_status((address, active): (SocketAddr, u32)) -> Value {
    json!({
        "address": socket_address(&address),
        "stats": [{"name": "rq_active", "type": "GAUGE", "value": active.to_string()}],
        "health_status": {"eds_health_status": "HEALTHY"},
    })
}

/// The endpoints in use, each with the requests that it has.
fn endpoints(cluster: &Cluster) -> Vec<(SocketAddr, u32)> {
    match &cluster.endpoints {
        Endpoints::Set(set) => set.iter().collect(),
        Endpoints::OriginalDestination | Endpoints::Waiting => Vec::new(),
    }
}

/// `/clusters`.
pub(super) fn clusters_text(configuration: &Configuration) -> String {
    let (tables, is_api) = (now(configuration), configuration.dumps.is_some());
    let mut text = String::new();
    for cluster in sorted(&tables) {
        // A String takes every write.
        let _ = write_cluster(&mut text, cluster, is_api);
    }
    text
}

fn write_cluster(text: &mut String, cluster: &Cluster, is_api: bool) -> std::fmt::Result {
    let name = cluster.name();
    writeln!(text, "{name}::observability_name::{name}")?;
    let limits = &cluster.settings.limits;
    for (limit, most) in [
        ("max_connections", limits.connections),
        ("max_pending_requests", limits.pending),
        ("max_requests", limits.requests),
        ("max_retries", limits.retries),
    ] {
        writeln!(text, "{name}::default_priority::{limit}::{most}")?;
    }
    writeln!(text, "{name}::added_via_api::{is_api}")?;
    for (counter, counted) in [
        ("cx_active", Counted::Connections),
        ("rq_active", Counted::Requests),
    ] {
        writeln!(text, "{name}::{counter}::{}", cluster.state.count(counted))?;
    }
    for (address, active) in endpoints(cluster) {
        writeln!(text, "{name}::{address}::rq_active::{active}")?;
        writeln!(text, "{name}::{address}::health_flags::healthy")?;
    }
    Ok(())
}

/// `/listeners?format=json`.
pub(super) fn listeners(configuration: &Configuration) -> Value {
    let statuses: Vec<_> = addresses(&now(configuration))
        .into_iter()
        .map(|(name, address)| json!({"name": name, "local_address": socket_address(&address)}))
        .collect();
    json!({ "listener_statuses": statuses })
}

/// `/listeners`.
pub(super) fn listeners_text(configuration: &Configuration) -> String {
    let lines = addresses(&now(configuration)).into_iter();
    lines
        .map(|(name, address)| format!("{name}::{address}\n"))
        .collect()
}

fn now(configuration: &Configuration) -> Arc<Snapshot> {
    Arc::clone(&configuration.tables.borrow())
}

fn sorted(tables: &Snapshot) -> Vec<&Arc<Cluster>> {
    let mut clusters: Vec<_> = tables.clusters.iter().collect();
    clusters.sort_unstable_by_key(|cluster| cluster.name());
    clusters
}

/// The listeners by name, each with its address.
fn addresses(tables: &Snapshot) -> Vec<(String, SocketAddr)> {
    let any = |port: u16| SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, port));
    let name = |listener: &Arc<Listener>| listener.name.to_string();
    let (outbound, inbound) = (&tables.listeners.outbound, &tables.listeners.inbound);
    let defaults = [
        (&outbound.default, port_numbers::OUTBOUND),
        (&inbound.default, port_numbers::INBOUND),
    ];
    let defaults = defaults
        .into_iter()
        .filter_map(|(listener, port)| Some((name(listener.as_ref()?), any(port))));
    let exact = outbound
        .exact
        .iter()
        .map(|(address, listener)| (name(listener), *address));
    let ports = outbound
        .ports
        .iter()
        .map(|(port, listener)| (name(listener), any(*port)));
    let bound = tables.listeners.bound.iter();
    let bound = bound.map(|(port, listener)| (name(listener), any(*port)));
    let mut all: Vec<_> = defaults.chain(exact).chain(ports).chain(bound).collect();
    all.sort_unstable();
    all
}

fn socket_address(address: &SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
