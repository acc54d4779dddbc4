//! Bytes from outside, whatever they are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use pillion_envoy_api::{
    MAX_PATHS, any,
    envoy::config::{
        core::v3::{Metadata, TransportSocket, transport_socket},
        listener::v3::{Filter, FilterChain, Listener, filter},
        route::v3::{Route, RouteConfiguration, RouteMatch, VirtualHost},
    },
    to_json, type_url, unknown_fields,
};
use proptest::prelude::{ProptestConfig, Strategy, prop, proptest};
use prost::Message as _;

/// Reads bytes as a type, in every way.
fn read(type_url: &str, bytes: &[u8]) {
    if let Ok(paths) = unknown_fields(type_url, bytes) {
        assert!(paths.len() <= MAX_PATHS, "{paths:?}");
    }
    if let Ok(json) = to_json(type_url, bytes) {
        let text = serde_json::to_string(&json).unwrap();
        assert!(text.starts_with('{'), "{text}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
}

fn index() -> impl Strategy<Value = prop::sample::Index> {
    prop::arbitrary::any::<prop::sample::Index>()
}

/// A listener and a route table, encoded.
fn samples() -> [Vec<u8>; 2] {
    let socket = TransportSocket {
        name: "tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(any(
            type_url::TCP_PROXY,
            &Metadata::default(),
        ))),
    };
    let filter = Filter {
        name: "filter".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(any(
            type_url::HTTP_CONNECTION_MANAGER,
            &Metadata::default(),
        ))),
    };
    let chain = FilterChain {
        filters: vec![filter; 2],
        transport_socket: Some(socket),
        ..FilterChain::default()
    };
    let listener = Listener {
        name: "0.0.0.0_80".to_owned(),
        filter_chains: vec![chain; 2],
        ..Listener::default()
    };
    let route = Route {
        r#match: Some(RouteMatch::default()),
        ..Route::default()
    };
    let host = VirtualHost {
        name: "a".to_owned(),
        domains: vec!["a".to_owned(), "a.b".to_owned()],
        routes: vec![route; 2],
        ..VirtualHost::default()
    };
    let table = RouteConfiguration {
        virtual_hosts: vec![host; 2],
        ..RouteConfiguration::default()
    };
    [listener.encode_to_vec(), table.encode_to_vec()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(prop::num::u8::ANY, 0..300)) {
        for type_url in type_url::ALL {
            read(type_url, &bytes);
        }
    }

    #[test]
    fn a_message_that_was_changed_is_read_or_refused(
        changes in prop::collection::vec((index(), prop::num::u8::ANY), 1..8)
    ) {
        let types = [type_url::LISTENER, type_url::ROUTE_CONFIGURATION];
        for (type_url, mut bytes) in types.into_iter().zip(samples()) {
            for (index, byte) in &changes {
                let index = index.index(bytes.len());
                bytes[index] = *byte;
            }
            read(type_url, &bytes);
        }
    }
}
