use prost::Message as _;
use prost_types::{Struct, Value as StructValue, value::Kind as StructKind};

use super::{super::tree::MAX_VALUES, *};
use crate::{Any as PackedAny, schema::message, unknown_fields};

fn nested(tag: u8, inner: &[u8]) -> Vec<u8> {
    let mut field = vec![tag];
    prost::encoding::encode_varint(inner.len() as u64, &mut field);
    field.extend(inner);
    field
}

fn read_as(name: &str, bytes: &[u8]) -> Result<(), Broken> {
    read(message(name).unwrap(), bytes).map(drop)
}

/// Values that are read in bulk, and within a limit of memory.
#[test]
fn values_are_small() {
    assert!(size_of::<Value<'_>>() <= 40);
}

#[test]
fn refuses_more_values_than_a_message_may_have() {
    // Each of these thresholds has a priority.
    let thresholds = |count: usize| [0x0a, 2, 8, 1].repeat(count);
    let breakers = "envoy.config.cluster.v3.CircuitBreakers";
    assert_eq!(read_as(breakers, &thresholds(MAX_VALUES / 2)), Ok(()));
    let flood = thresholds(MAX_VALUES / 2 + 1);
    assert_eq!(read_as(breakers, &flood), Err(Broken::Values));
    // Values of one field, of which the last one counts.
    let names = [0x0a, 0].repeat(MAX_VALUES + 1);
    let cluster = "envoy.config.cluster.v3.Cluster";
    assert_eq!(read_as(cluster, &names), Err(Broken::Values));
    // Ports, packed and not.
    let chain = "envoy.config.listener.v3.FilterChainMatch";
    let packed = nested(0x3a, &[1].repeat(MAX_VALUES));
    assert_eq!(read_as(chain, &packed), Err(Broken::Values));
    let plain = [0x38, 1].repeat(MAX_VALUES + 1);
    assert_eq!(read_as(chain, &plain), Err(Broken::Values));
    // Entries of a map, of which all have the same key.
    let entries = [0x0a, 0].repeat(MAX_VALUES + 1);
    let metadata = "envoy.config.core.v3.Metadata";
    assert_eq!(read_as(metadata, &entries), Err(Broken::Values));
}

#[test]
fn counts_what_is_inside_of_anys() {
    let any = |count: usize| PackedAny {
        type_url: "a/envoy.config.cluster.v3.CircuitBreakers".to_owned(),
        value: [0x0a, 2, 8, 1].repeat(count).into(),
    };
    let config = |count| nested(0x22, &any(count).encode_to_vec());
    // Two filters, whose configurations count together.
    let chain = |count: usize| nested(0x1a, &config(count)).repeat(2);
    let filter_chain = "envoy.config.listener.v3.FilterChain";
    assert_eq!(read_as(filter_chain, &chain(MAX_VALUES / 5)), Ok(()));
    let flood = chain(MAX_VALUES / 4);
    assert_eq!(read_as(filter_chain, &flood), Err(Broken::Values));
}

/// Each is three levels deeper than the one that it is in: there is an entry and a value between them.
#[test]
fn structs_are_as_deep_as_decoders_have_it() {
    let url = "type.googleapis.com/google.protobuf.Struct";
    let structs = |count: usize| {
        let text = StructValue {
            kind: Some(StructKind::StringValue("s".to_owned())),
        };
        let of = |value| Struct {
            fields: [("a".to_owned(), value)].into(),
        };
        let innermost = of(text);
        let outer = (1..count).fold(innermost, |inner, _| {
            of(StructValue {
                kind: Some(StructKind::StructValue(inner)),
            })
        });
        outer.encode_to_vec()
    };
    for (count, is_read) in [(33, true), (34, false)] {
        let bytes = structs(count);
        assert_eq!(Struct::decode(&*bytes).is_ok(), is_read);
        assert_eq!(read_as("google.protobuf.Struct", &bytes).is_ok(), is_read);
        assert_eq!(unknown_fields(url, &bytes).is_ok(), is_read);
    }
}

#[test]
fn of_the_entries_of_a_map_the_last_one_of_a_key_counts() {
    let entry = |key: &[u8], text: &[u8]| {
        let entry = [nested(0x0a, key), nested(0x12, &nested(0x1a, text))].concat();
        nested(0x0a, &entry)
    };
    let bytes = [entry(b"b", b"1"), entry(b"a", b"2"), entry(b"b", b"3")].concat();
    let root = read(message("google.protobuf.Struct").unwrap(), &bytes).unwrap();
    let json = serde_json::to_string(&root).unwrap();
    assert_eq!(json, r#"{"a":"2","b":"3"}"#);
}
