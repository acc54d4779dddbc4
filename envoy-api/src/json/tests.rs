use prost::Message as _;
use prost_types::{Duration, Struct, Value as StructValue, value::Kind as StructKind};
use serde_json::{Value as JsonValue, json};

use super::*;
use crate::{
    Any, any,
    envoy::config::{
        cluster::v3::{Cluster, cluster::ClusterDiscoveryType},
        core::v3::{DataSource, Metadata, TransportSocket, data_source, transport_socket},
    },
    envoy::extensions::transport_sockets::tls::v3::{
        Secret, TlsCertificate, UpstreamTlsContext, secret,
    },
    type_url,
};

fn cluster() -> Cluster {
    Cluster {
        name: "a".to_owned(),
        connect_timeout: Some(Duration {
            seconds: 1,
            nanos: 500_000_000,
        }),
        per_connection_buffer_limit_bytes: Some(32_768),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(3)),
        ..Cluster::default()
    }
}

/// The JSON, read back.
fn shown(type_url: &str, bytes: &[u8]) -> JsonValue {
    let text = serde_json::to_string(&to_json(type_url, bytes).unwrap()).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn json(cluster: &Cluster) -> JsonValue {
    shown(type_url::CLUSTER, &cluster.encode_to_vec())
}

#[test]
fn writes_durations_wrappers_and_enums_as_protobuf_does() {
    assert_eq!(
        json(&cluster()),
        json!({
            "name": "a",
            "connectTimeout": "1.5s",
            "perConnectionBufferLimitBytes": 32_768,
            "type": "EDS",
        })
    );
}

#[test]
fn writes_structs_as_plain_json() {
    let value = StructValue {
        kind: Some(StructKind::StringValue("s".to_owned())),
    };
    let fields = Struct {
        fields: [("host".to_owned(), value)].into(),
    };
    let metadata = Metadata {
        filter_metadata: [("istio".to_owned(), fields)].into(),
        ..Metadata::default()
    };
    let cluster = Cluster {
        metadata: Some(metadata),
        ..Cluster::default()
    };
    assert_eq!(
        json(&cluster),
        json!({"metadata": {"filterMetadata": {"istio": {"host": "s"}}}})
    );
}

#[test]
fn decodes_a_known_any_and_shows_the_bytes_of_another() {
    let socket = |typed_config| Cluster {
        transport_socket: Some(TransportSocket {
            name: "t".to_owned(),
            config_type: Some(transport_socket::ConfigType::TypedConfig(typed_config)),
        }),
        ..Cluster::default()
    };
    let tls = UpstreamTlsContext {
        sni: "host".to_owned(),
        ..UpstreamTlsContext::default()
    };
    assert_eq!(
        json(&socket(any(type_url::UPSTREAM_TLS_CONTEXT, &tls)))["transportSocket"],
        json!({
            "name": "t",
            "typedConfig": {"@type": type_url::UPSTREAM_TLS_CONTEXT, "sni": "host"},
        })
    );
    let foreign = Any {
        type_url: "type.googleapis.com/some.Socket".to_owned(),
        value: b"abc"[..].into(),
    };
    assert_eq!(
        json(&socket(foreign))["transportSocket"]["typedConfig"],
        json!({"@type": "type.googleapis.com/some.Socket", "value": "YWJj"})
    );
}

#[test]
fn never_shows_a_private_key() {
    let key = DataSource {
        specifier: Some(data_source::Specifier::InlineString("key!".to_owned())),
    };
    let certificate = TlsCertificate {
        private_key: Some(key),
        ..TlsCertificate::default()
    };
    let secret = Secret {
        name: "s".to_owned(),
        r#type: Some(secret::Type::TlsCertificate(certificate)),
    };
    let json = shown(type_url::SECRET, &secret.encode_to_vec());
    assert_eq!(
        json,
        json!({"name": "s", "tlsCertificate": {"privateKey": "[redacted]"}})
    );
}

/// One that is cut has most of its key.
#[test]
fn never_shows_a_private_key_that_it_can_not_read() {
    let key = DataSource {
        specifier: Some(data_source::Specifier::InlineString("key!".to_owned())),
    };
    let certificate = TlsCertificate {
        private_key: Some(key),
        ..TlsCertificate::default()
    };
    let mut bytes = certificate.encode_to_vec();
    bytes.push(0x0a);
    let url = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.TlsCertificate";
    let json = shown(SOCKET, &socket(url, bytes.clone()));
    assert_eq!(
        json["typedConfig"],
        json!({"@type": url, "error": "it ends within a field", "length": bytes.len()})
    );
}

/// By their types: a struct is an object, too, and may have fields with these names.
#[test]
fn writes_the_value_of_what_has_a_form_of_its_own_beside_its_type() {
    let of = |name: &str, bytes: &[u8]| {
        let url = format!("type.googleapis.com/google.protobuf.{name}");
        let json = shown(SOCKET, &socket(&url, bytes.to_vec()));
        let config = &json["typedConfig"];
        assert_eq!(config["@type"], *url);
        assert_eq!(config.as_object().unwrap().len(), 2, "{config}");
        config["value"].clone()
    };
    assert_eq!(of("Struct", b""), json!({}));
    assert_eq!(
        of("Struct", b"\x0a\x0c\x0a\x05@type\x12\x03\x1a\x01s"),
        json!({"@type": "s"})
    );
    assert_eq!(of("ListValue", b""), json!([]));
    assert_eq!(of("Value", b"\x2a\x00"), json!({}));
    assert_eq!(of("Duration", b"\x08\x01"), "1s");
    assert_eq!(of("UInt32Value", b"\x08\x01"), 1);
    assert_eq!(of("BoolValue", b""), false);
    assert_eq!(
        of("Any", b"\x0a\x03a/b"),
        json!({"@type": "a/b", "value": ""})
    );
}

#[test]
fn refuses_garbage() {
    for (bytes, wanted) in [
        (&b"\x12\xff"[..], "it ends within a field"),
        (b"\x0a\x01\xff", "name is not UTF-8"),
        (b"\x08\x01", "name has a value of another kind"),
    ] {
        let error = to_json(type_url::CLUSTER, bytes).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
        assert!(error.to_string().ends_with(wanted), "{error}");
    }
}

const PREDICATE: &str =
    "type.googleapis.com/envoy.config.listener.v3.ListenerFilterChainMatchPredicate";

/// Its `not_match` is one in one in one.
fn predicates(times: usize) -> Vec<u8> {
    (0..times).fold(Vec::new(), |inner, _| {
        let mut outer = vec![0x1a];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    })
}

#[test]
fn refuses_endless_nesting() {
    to_json(PREDICATE, &predicates(100)).unwrap();
    for times in [101, 10_000] {
        let error = to_json(PREDICATE, &predicates(times)).unwrap_err();
        assert!(error.to_string().contains("nested"), "{error}");
    }
}

const SOCKET: &str = "type.googleapis.com/envoy.config.core.v3.TransportSocket";

fn socket(type_url: &str, value: Vec<u8>) -> Vec<u8> {
    let any = Any {
        type_url: type_url.to_owned(),
        value: value.into(),
    };
    let socket = TransportSocket {
        name: String::new(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(any)),
    };
    socket.encode_to_vec()
}

#[test]
fn shows_no_bytes_of_what_is_inside_of_too_many_anys() {
    let sockets = (0..1_000).fold(Vec::new(), |inner, _| socket(SOCKET, inner));
    let mut json = &shown(SOCKET, &sockets);
    let mut decoded = 0;
    while let Some(inner) = json["typedConfig"].get("typedConfig") {
        assert!(inner.is_object());
        json = &json["typedConfig"];
        decoded += 1;
    }
    assert_eq!(decoded, 16);
    let config = &json["typedConfig"];
    assert_eq!(
        config["error"],
        "it is inside of more than 16 messages of any type"
    );
    assert!(config["length"].is_u64(), "{config}");
}

/// A chain of Anys must not be deeper than any message may be.
#[test]
fn shows_no_bytes_of_what_is_too_deep_inside_of_an_any() {
    for (times, is_decoded) in [(98, true), (99, false)] {
        let json = shown(SOCKET, &socket(PREDICATE, predicates(times)));
        let config = &json["typedConfig"];
        assert_eq!(config.get("notMatch").is_some(), is_decoded);
        assert_eq!(config.get("error").is_some(), !is_decoded);
        assert!(config.get("value").is_none(), "{config}");
    }
}

#[test]
fn takes_what_comes_more_than_once_as_decoders_do() {
    let timeout = |duration: &[u8]| [&[0x22, duration.len() as u8][..], duration].concat();
    let bytes = [
        &b"\x0a\x01a\x0a\x01b"[..],
        &timeout(&[0x08, 7]),
        &timeout(&[0x10, 5]),
        &timeout(&[0x08, 8]),
    ]
    .concat();
    assert_eq!(
        shown(type_url::CLUSTER, &bytes),
        json!({"name": "b", "connectTimeout": "8.000000005s"})
    );
}
