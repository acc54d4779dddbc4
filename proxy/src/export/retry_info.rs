//! Whether a collector says when to come again, in the details of gRPC's status.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::HeaderMap;
use pillion_envoy_api::google::rpc::Status;
use prost::Message as _;

/// Google's message for it. That it is there is what counts: how long to wait is decided here.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// gRPC's values in binary may or may not be padded.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Whether the fields that have the status say it.
pub(super) fn is_in(fields: &HeaderMap) -> bool {
    let details = fields.get("grpc-status-details-bin");
    let details = details.and_then(|value| BASE64.decode(value).ok());
    let status = details.and_then(|details| Status::decode(&details[..]).ok());
    let details = status.map(|status| status.details).unwrap_or_default();
    details.iter().any(|detail| detail.type_url == RETRY_INFO)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use pillion_envoy_api::Any;

    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zg", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYmFy", "foobar"),
            ("fn4+Pz8v", "~~>??/"),
        ] {
            assert_eq!(BASE64.decode(text).unwrap(), bytes.as_bytes());
        }
        assert!(BASE64.decode("Zg ==").is_err());
    }

    #[test]
    fn is_found_among_other_details() {
        let with = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            HeaderMap::from_iter([("grpc-status-details-bin".parse().unwrap(), value)])
        };
        // A status with code 8, and details of those types.
        let text = |types: &[&str]| {
            let detail = |it: &&str| Any {
                type_url: (*it).to_owned(),
                ..Any::default()
            };
            let status = Status {
                code: 8,
                details: types.iter().map(detail).collect(),
                ..Status::default()
            };
            BASE64.encode(status.encode_to_vec())
        };
        let other = "type.googleapis.com/google.rpc.QuotaFailure";
        assert!(is_in(&with(&text(&[other, RETRY_INFO]))));
        for value in [text(&[other]), String::new(), "%".into(), "AAAA".into()] {
            assert!(!is_in(&with(&value)), "{value}");
        }
        assert!(!is_in(&HeaderMap::new()));
    }
}
