//! The fuzz target for messages of the control plane.

use pillion_cost::{Bound, Linear};
use pillion_envoy_api::{
    MAX_PATHS,
    envoy::{
        config::{
            cluster::v3::Cluster, core::v3::Metadata, endpoint::v3::ClusterLoadAssignment,
            listener::v3::Listener, route::v3::RouteConfiguration,
        },
        extensions::{
            filters::network::{
                http_connection_manager::v3::HttpConnectionManager, tcp_proxy::v3::TcpProxy,
            },
            transport_sockets::tls::v3::{DownstreamTlsContext, Secret, UpstreamTlsContext},
            upstreams::http::v3::HttpProtocolOptions,
        },
        service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    },
    to_json, unknown_fields,
};
use prost::Message;
use serde_json::Value;

use crate::{
    cursor::Cursor,
    units::{KIB, MILLISECOND},
};

/// Of one look: a value of two bytes has a place in a tree, and a name in its JSON.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(64 * KIB, 256),
    total: Linear::new(128 * KIB, 1024),
    time: Linear::new(5 * MILLISECOND, 2_000),
};

/// What a decoder has to say of bytes.
type Decodes = fn(&[u8]) -> bool;

/// The types, and what prost makes of them.
const TYPES: [(&str, Decodes); 14] = [
    ("envoy.config.listener.v3.Listener", decodes::<Listener>),
    ("envoy.config.cluster.v3.Cluster", decodes::<Cluster>),
    (
        "envoy.config.route.v3.RouteConfiguration",
        decodes::<RouteConfiguration>,
    ),
    (
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        decodes::<ClusterLoadAssignment>,
    ),
    ("envoy.config.core.v3.Metadata", decodes::<Metadata>),
    (
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        decodes::<HttpConnectionManager>,
    ),
    (
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        decodes::<TcpProxy>,
    ),
    (
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        decodes::<DownstreamTlsContext>,
    ),
    (
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        decodes::<UpstreamTlsContext>,
    ),
    (
        "envoy.extensions.transport_sockets.tls.v3.Secret",
        decodes::<Secret>,
    ),
    (
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        decodes::<HttpProtocolOptions>,
    ),
    (
        "envoy.service.discovery.v3.DeltaDiscoveryRequest",
        decodes::<DeltaDiscoveryRequest>,
    ),
    (
        "envoy.service.discovery.v3.DeltaDiscoveryResponse",
        decodes::<DeltaDiscoveryResponse>,
    ),
    ("google.protobuf.Any", decodes::<pillion_envoy_api::Any>),
];

fn decodes<M: Message + Default>(bytes: &[u8]) -> bool {
    M::decode(bytes).is_ok()
}

/// Reads a message: the first byte says which type it has, and how often the rest is repeated.
///
/// # Panics
///
/// Panics if a check fails.
pub fn messages(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let mode = usize::from(cursor.byte());
    let (name, decodes) = TYPES[mode % TYPES.len()];
    let message = cursor.rest().repeat(1 << (mode / TYPES.len() % 5));
    let url = format!("type.googleapis.com/{name}");
    let paths = BOUND.hold("unknown fields", message.len(), || {
        unknown_fields(&url, &message)
    });
    if let Ok(paths) = &paths {
        assert!(paths.len() <= MAX_PATHS, "{paths:?}");
        assert!(paths.iter().all(|path| !path.is_empty()), "{paths:?}");
    }
    let json = BOUND.hold("JSON", message.len(), || {
        let json = to_json(&url, &message)?;
        Ok::<_, pillion_envoy_api::Error>(serde_json::to_vec(&json))
    });
    // Inputs are too small for our limits.
    assert_eq!(json.is_ok(), decodes(&message), "{:?}", json.err());
    if let Ok(text) = json {
        let text = text.expect("JSON");
        let json: Value = serde_json::from_slice(&text).expect("JSON");
        let Value::Object(fields) = &json else {
            panic!("{json}");
        };
        let is_any = name.ends_with(".Any");
        assert_eq!(fields.contains_key("@type"), is_any, "{json}");
        if name.ends_with(".Secret") {
            check_secret(&json);
        }
    }
}

/// Checks that the key of a secret is not in its JSON.
fn check_secret(json: &Value) {
    let key = &json["tlsCertificate"]["privateKey"];
    assert!(key.is_null() || key == "[redacted]", "{json}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As large as they may be: what a dump holds at one time.
    #[test]
    fn the_worst_messages_take_some_tens_of_megabytes() {
        let url = |name: &str| format!("type.googleapis.com/{name}");
        for (name, element, values) in [
            // Thresholds with a priority.
            (
                "envoy.config.cluster.v3.CircuitBreakers",
                &b"\x0a\x02\x08\x01"[..],
                2,
            ),
            // Structs with an entry, in a list.
            ("google.protobuf.ListValue", b"\x0a\x04\x2a\x02\x0a\x00", 3),
            // Messages of any type, which is unknown.
            (
                "envoy.service.discovery.v3.DeltaDiscoveryResponse",
                b"\x12\x02\x12\x00",
                2,
            ),
        ] {
            let message = element.repeat((1 << 19) / values);
            let read = || to_json(&url(name), &message).map(drop);
            let (read, cost) = pillion_cost::measure(read);
            read.expect("a message");
            assert!(cost.peak < 80 * crate::units::MIB, "{name}: {}", cost.peak);
        }
    }

    /// A parser that refused everything would pass all checks.
    #[test]
    fn seeds_are_messages() {
        for (name, seed) in [
            (
                "listener",
                &include_bytes!("../seeds/messages/listener")[..],
            ),
            ("cluster", include_bytes!("../seeds/messages/cluster")),
            ("routes", include_bytes!("../seeds/messages/routes")),
            ("structs", include_bytes!("../seeds/messages/structs")),
            ("packed", include_bytes!("../seeds/messages/packed")),
        ] {
            let (mode, message) = seed.split_first().expect("a mode");
            let (of, _) = TYPES[usize::from(*mode) % TYPES.len()];
            let url = format!("type.googleapis.com/{of}");
            assert_eq!(unknown_fields(&url, message), Ok(Vec::new()), "{name}");
            let json = to_json(&url, message).expect("a message");
            let text = serde_json::to_string(&json).expect("JSON");
            assert!(text.len() > message.len() / 2, "{name}: {text}");
        }
    }
}
