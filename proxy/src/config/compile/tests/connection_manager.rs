//! HTTP connection managers.

use pillion_envoy_api::{
    Any,
    envoy::{
        config::listener::v3::{FilterChainMatch, Listener},
        extensions::filters::network::http_connection_manager::v3::{
            HttpConnectionManager,
            http_connection_manager::{
                CodecType, PathWithEscapedSlashesAction, RouteSpecifier,
                ServerHeaderTransformation, UpgradeConfig,
            },
        },
    },
};
use prost::Message as _;

use crate::config::test_util::{
    action, address, host, http_chain, http_filter, manager, route, router, seconds, table,
};
use crate::{
    config::compile::{Faults, Routes, listener},
    kind::Kind,
    tables::{Lookup, Patterns},
};

const PATH: &str = "filter_chains[0].filters[0].typed_config.";

fn compiled(kind: Kind, manager: &HttpConnectionManager) -> Result<Routes, Faults> {
    let message = Listener {
        name: "l".to_owned(),
        address: address("0.0.0.0", 8080),
        filter_chains: vec![http_chain(FilterChainMatch::default(), manager)],
        bind_to_port: Some(kind == Kind::Gateway),
        ..Listener::default()
    };
    let listener = listener(kind, &Patterns::default(), "l", &message.encode_to_vec()).unwrap();
    match listener.faults.is_empty() {
        true => Ok(listener.rest.routes.unwrap()),
        false => Err(listener.faults),
    }
}

fn fault(manager: &HttpConnectionManager) -> String {
    let fault = compiled(Kind::Sidecar, manager).unwrap_err().to_string();
    fault.strip_prefix(PATH).unwrap_or(&fault).to_owned()
}

fn extension(name: &str, value: &'static [u8]) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{name}"),
        value: value.into(),
    }
}

#[test]
fn routes_are_named_or_inline() {
    let named = compiled(Kind::Sidecar, &manager("9080")).unwrap();
    assert!(matches!(named, Routes::Named(name) if &*name == "9080"));
    let mut inline = manager("");
    let table = table(vec![host(&["*"], vec![route(action("a"))])]);
    inline.route_specifier = Some(RouteSpecifier::RouteConfig(table));
    let Ok(Routes::Inline(hosts)) = compiled(Kind::Sidecar, &inline) else {
        panic!("they are named");
    };
    assert!(matches!(hosts.find(b"any"), Lookup::Found(_)));
}

#[test]
fn takes_what_istio_sends() {
    let mut message = manager("9080");
    message.stream_idle_timeout = seconds(0);
    message.normalize_path = Some(true);
    message.server_name = "istio-envoy".to_owned();
    message.use_remote_address = Some(false);
    message.path_with_escaped_slashes_action = PathWithEscapedSlashesAction::KeepUnchanged.into();
    message.upgrade_configs = vec![UpgradeConfig {
        upgrade_type: "websocket".to_owned(),
        ..UpgradeConfig::default()
    }];
    message.http_filters = vec![
        http_filter(extension("io.istio.http.peer_metadata.Config", b"\x0a\x00")),
        http_filter(extension(
            "envoy.extensions.filters.http.fault.v3.HTTPFault",
            b"",
        )),
        http_filter(extension("envoy.extensions.filters.http.cors.v3.Cors", b"")),
        http_filter(extension("stats.PluginConfig", b"")),
        router(),
    ];
    compiled(Kind::Sidecar, &message).unwrap();
}

#[test]
fn only_gateways_take_the_client_s_address_from_the_connection() {
    let mut message = manager("http.8080");
    let edge = compiled(Kind::Gateway, &message).unwrap_err().to_string();
    assert!(
        edge.contains("use_remote_address: must be true at a gateway"),
        "{edge}"
    );
    message.use_remote_address = Some(true);
    message.xff_num_trusted_hops = 2;
    compiled(Kind::Gateway, &message).unwrap();
    assert!(fault(&message).starts_with("use_remote_address: must be false at a sidecar"));
}

#[test]
fn refuses_filters_that_it_does_not_know() {
    for name in [
        "envoy.extensions.filters.http.lua.v3.Lua",
        "envoy.extensions.filters.http.wasm.v3.Wasm",
        "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
    ] {
        let mut message = manager("9080");
        message.http_filters = vec![http_filter(extension(name, b"")), router()];
        let expected = format!("http_filters[0].typed_config: {name} is not supported");
        assert!(
            fault(&message).starts_with(&expected),
            "{}",
            fault(&message)
        );
    }
    let mut message = manager("9080");
    let fault_filter = extension(
        "envoy.extensions.filters.http.fault.v3.HTTPFault",
        b"\x0a\x00",
    );
    message.http_filters.insert(0, http_filter(fault_filter));
    assert!(fault(&message).starts_with("http_filters[0].typed_config: "));
    message.http_filters.clear();
    assert_eq!(fault(&message), "http_filters: has no router");
}

#[test]
fn refuses_what_it_does_not_do() {
    type Change = fn(&mut HttpConnectionManager);
    let changes: [(Change, &str); 9] = [
        (|m| m.codec_type = CodecType::Http3.into(), "codec_type: "),
        (
            |m| m.stream_idle_timeout = seconds(300),
            "stream_idle_timeout: must be 0",
        ),
        (|m| m.merge_slashes = true, "merge_slashes: "),
        (
            |m| m.server_name = "nginx".to_owned(),
            "server_name: must be istio-envoy",
        ),
        (
            |m| {
                m.server_header_transformation = ServerHeaderTransformation::PassThrough.into();
            },
            "server_header_transformation: ",
        ),
        (
            |m| m.max_request_headers_kb = Some(96),
            "max_request_headers_kb: must be 60",
        ),
        (|m| m.route_specifier = None, "route_specifier: is missing"),
        (
            |m| {
                m.upgrade_configs = vec![UpgradeConfig {
                    upgrade_type: "CONNECT".to_owned(),
                    ..UpgradeConfig::default()
                }];
            },
            "upgrade_configs[0].upgrade_type: CONNECT",
        ),
        (
            |m| {
                m.upgrade_configs = vec![UpgradeConfig {
                    upgrade_type: "spdy/3.1".to_owned(),
                    ..UpgradeConfig::default()
                }];
            },
            "upgrade_configs[0].upgrade_type: only WebSocket",
        ),
    ];
    for (change, expected) in changes {
        let mut message = manager("9080");
        change(&mut message);
        assert!(fault(&message).starts_with(expected), "{}", fault(&message));
    }
}
