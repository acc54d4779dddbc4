use prost::Message as _;

use super::*;
use crate::{
    Any, any,
    envoy::config::{
        core::v3::Address,
        listener::v3::{Filter, FilterChain, Listener, filter::ConfigType},
    },
    envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy,
    type_url,
};

/// Field 999 with the value 1.
const FIELD_999: &[u8] = &[0xb8, 0x3e, 0x01];

fn with_unknown(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend_from_slice(FIELD_999);
    bytes
}

fn listener(typed_config: Any) -> Listener {
    let filter = Filter {
        name: "tcp".to_owned(),
        config_type: Some(ConfigType::TypedConfig(typed_config)),
    };
    Listener {
        filter_chains: vec![
            FilterChain::default(),
            FilterChain {
                filters: vec![filter],
                ..FilterChain::default()
            },
        ],
        address: Some(Address::default()),
        ..Listener::default()
    }
}

#[test]
fn finds_nothing_in_what_it_knows() {
    let listener = listener(any(type_url::TCP_PROXY, &TcpProxy::default()));
    let found = unknown_fields(type_url::LISTENER, &listener.encode_to_vec()).unwrap();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn names_a_field_of_the_message_itself() {
    let bytes = with_unknown(listener(Any::default()).encode_to_vec());
    assert_eq!(
        unknown_fields(type_url::LISTENER, &bytes).unwrap(),
        ["#999"]
    );
}

#[test]
fn names_the_path_into_a_nested_any() {
    let proxy = Any {
        type_url: type_url::TCP_PROXY.to_owned(),
        value: with_unknown(TcpProxy::default().encode_to_vec()).into(),
    };
    let bytes = listener(proxy).encode_to_vec();
    assert_eq!(
        unknown_fields(type_url::LISTENER, &bytes).unwrap(),
        ["filter_chains[1].filters[0].typed_config.#999"]
    );
}

#[test]
fn leaves_an_unknown_any_alone() {
    let foreign = Any {
        type_url: "type.googleapis.com/some.Filter".to_owned(),
        value: b"anything"[..].into(),
    };
    let bytes = listener(foreign).encode_to_vec();
    assert!(
        unknown_fields(type_url::LISTENER, &bytes)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn names_an_enum_that_it_lacks() {
    let listener = Listener {
        traffic_direction: 77,
        ..Listener::default()
    };
    assert_eq!(
        unknown_fields(type_url::LISTENER, &listener.encode_to_vec()).unwrap(),
        ["traffic_direction=77"]
    );
}

#[test]
fn names_the_enums_that_it_lacks_among_packed_ones() {
    let url = "type.googleapis.com/envoy.config.core.v3.HealthStatusSet";
    let found = unknown_fields(url, &[0x0a, 4, 1, 77, 2, 78, 0x08, 79]).unwrap();
    assert_eq!(found, ["statuses=77", "statuses=78", "statuses=79"]);
    let cut = unknown_fields(url, &[0x0a, 1, 0x80]).unwrap_err();
    assert!(cut.to_string().contains("within a field"), "{cut}");
}

#[test]
fn compares_only_so_many_paths() {
    let mut bytes = FIELD_999.repeat(MAX_REPORTS);
    prost::encoding::uint32::encode(1_000, &1, &mut bytes);
    let found = unknown_fields(type_url::LISTENER, &bytes).unwrap();
    assert_eq!(found, ["#999"]);
    let found = unknown_fields(type_url::LISTENER, &bytes[FIELD_999.len()..]).unwrap();
    assert_eq!(found, ["#999", "#1000"]);
}

#[test]
fn returns_the_first_paths_only() {
    let listener = Listener {
        filter_chains: vec![FilterChain::default(); 1_000],
        ..Listener::default()
    };
    let mut bytes = listener.encode_to_vec();
    for number in 900..1_000_u32 {
        prost::encoding::uint32::encode(number, &1, &mut bytes);
    }
    let found = unknown_fields(type_url::LISTENER, &bytes).unwrap();
    assert_eq!(found.len(), MAX_PATHS);
}

#[test]
fn refuses_endless_nesting() {
    // ListenerFilterChainMatchPredicate.not_match is one in one in one.
    let mut bytes = Vec::new();
    for _ in 0..200 {
        let mut outer = vec![0x1a];
        prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
        outer.append(&mut bytes);
        bytes = outer;
    }
    let url = "type.googleapis.com/envoy.config.listener.v3.ListenerFilterChainMatchPredicate";
    let error = unknown_fields(url, &bytes).unwrap_err();
    assert!(error.to_string().contains("nested"), "{error}");
}

#[test]
fn refuses_garbage_and_unknown_types() {
    assert!(matches!(
        unknown_fields(type_url::LISTENER, b"\x12\xff"),
        Err(Error::Malformed { .. })
    ));
    assert!(matches!(
        unknown_fields("type.googleapis.com/some.Filter", b""),
        Err(Error::UnknownType(_))
    ));
}
