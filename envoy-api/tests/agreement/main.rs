//! What is read by our tables is what prost-reflect reads by the descriptors of `proto/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod json;
#[path = "../generated/protos.rs"]
mod protos;
mod samples;
mod unknown;

use std::sync::LazyLock;

use pillion_envoy_api::{MAX_PATHS, is_known, to_json, type_url, unknown_fields};
use proptest::prelude::{ProptestConfig, Strategy, prop, proptest};
use prost_reflect::{DescriptorPool, MessageDescriptor};
use serde_json::Value;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| protos::compiled().descriptor_pool());

/// The message that a type URL means.
fn by_url(type_url: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(type_url.rsplit_once('/')?.1)
}

fn all() -> Vec<MessageDescriptor> {
    POOL.all_messages().collect()
}

/// The JSON of ours, without the reasons for which messages inside of `Any`s can't be read.
fn shown(type_url: &str, bytes: &[u8]) -> Option<Value> {
    let json = to_json(type_url, bytes).ok()?;
    let mut json = serde_json::to_value(json).unwrap();
    drop_reasons(&mut json);
    Some(json)
}

fn drop_reasons(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            if fields.contains_key("@type") && fields.contains_key("length") {
                assert!(fields.remove("error").is_some(), "{fields:?}");
            }
            fields.values_mut().for_each(drop_reasons);
        }
        Value::Array(values) => values.iter_mut().for_each(drop_reasons),
        _ => {}
    }
}

/// Asserts that bytes are the same to both.
fn compare(message: &MessageDescriptor, bytes: &[u8]) {
    let url = format!("type.googleapis.com/{}", message.full_name());
    let (ours, theirs) = (shown(&url, bytes), json::of(message, bytes));
    assert_eq!(ours, theirs, "{url} {bytes:02x?}");
    let (ours, theirs) = (unknown_fields(&url, bytes), unknown::of(message, bytes));
    assert_eq!(ours.ok(), theirs, "{url} {bytes:02x?}");
}

fn entropy() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop::num::u32::ANY, 0..400)
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    let index = prop::arbitrary::any::<prop::sample::Index>();
    prop::collection::vec((index, prop::num::u8::ANY), 1..8)
}

#[test]
fn the_same_types_are_known() {
    assert!(all().len() > 100);
    for message in all() {
        let name = message.full_name();
        assert!(is_known(&format!("a/{name}")), "{name}");
        assert!(!is_known(&format!("a/{name}X")), "{name}");
    }
    for url in type_url::ALL {
        assert!(by_url(url).is_some(), "{url}");
    }
}

/// Its name, kind, and what it has when it is absent, given, and given twice.
#[test]
fn each_field_of_each_message_is_read_alike() {
    for message in all() {
        compare(&message, b"");
        for field in message.fields() {
            for value in samples::of_field(&field) {
                compare(&message, &value);
                compare(&message, &value.repeat(2));
            }
        }
    }
}

/// What the samples are for: that most are messages, and have something that is unknown.
#[test]
fn samples_are_worth_comparing() {
    let (mut valid, mut long, mut unknown) = (0, 0, 0);
    for (message, first) in all().iter().zip((0..).step_by(20)) {
        for seed in first..first + 20 {
            let bytes = samples::of_message(message, &samples::choices(seed));
            let url = format!("a/{}", message.full_name());
            valid += usize::from(to_json(&url, &bytes).is_ok());
            long +=
                usize::from(shown(&url, &bytes).is_some_and(|json| json.to_string().len() > 300));
            let paths = unknown_fields(&url, &bytes).unwrap_or_default();
            unknown += usize::from(paths.iter().any(|path| path.contains('.')));
        }
    }

    assert!(valid > 2_500, "{valid} are valid");
    assert!(long > 150, "{long} have much in them");
    assert!(unknown > 1_000, "{unknown} have something unknown inside");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn messages_are_read_alike(
        message in prop::sample::select(all()),
        entropy in entropy(),
    ) {
        compare(&message, &samples::of_message(&message, &entropy));
    }

    #[test]
    fn messages_that_were_changed_are_read_alike(
        message in prop::sample::select(all()),
        entropy in entropy(),
        changes in changes(),
    ) {
        let mut bytes = samples::of_message(&message, &entropy);
        for (index, byte) in changes.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
            let index = index.index(bytes.len());
            bytes[index] = *byte;
        }
        compare(&message, &bytes);
    }

    #[test]
    fn any_bytes_are_read_alike(
        message in prop::sample::select(all()),
        bytes in prop::collection::vec(prop::num::u8::ANY, 0..100),
    ) {
        compare(&message, &bytes);
    }
}

/// A map whose entry has the wire type of a number, and what follows is malformed then.
#[test]
fn a_number_is_no_entry_whatever_follows() {
    let name = "envoy.service.discovery.v3.DeltaDiscoveryRequest";
    let message = POOL.get_message_by_name(name).unwrap();
    for bytes in [&b"\x2d\x04\x0a\x02ab"[..], b"\x2d\x04\x0a\x02a"] {
        compare(&message, bytes);
    }
}

#[test]
fn both_stop_at_as_many_paths() {
    let listener = by_url(type_url::LISTENER).unwrap();
    let mut bytes = Vec::new();
    for number in 900..1_000_u32 {
        prost::encoding::uint32::encode(number, &1, &mut bytes);
    }
    compare(&listener, &bytes);
    assert_eq!(unknown::of(&listener, &bytes).unwrap().len(), MAX_PATHS);
}
