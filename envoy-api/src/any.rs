//! `google.protobuf.Any` with shared bytes.

use bytes::Bytes;
use prost::Message;

use crate::Error;

/// A message of some type, encoded. A clone shares the bytes.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Any {
    /// The type: `type.googleapis.com/` and the full name of the message.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// Encodes a message, whose type the caller gives.
#[must_use]
pub fn any<M: Message>(type_url: &str, message: &M) -> Any {
    Any {
        type_url: type_url.to_owned(),
        value: message.encode_to_vec().into(),
    }
}

impl Any {
    /// Decodes the message, if it has this type. Fields that `M` lacks are dropped:
    /// [`crate::unknown_fields`] names them.
    ///
    /// # Errors
    ///
    /// Returns an error if it has another type or can't be decoded.
    pub fn unpack<M: Message + Default>(&self, type_url: &'static str) -> Result<M, Error> {
        if self.type_url != type_url {
            return Err(Error::OtherType {
                expected: type_url,
                found: shorten(&self.type_url),
            });
        }
        M::decode(self.value.clone()).map_err(|error| Error::Malformed {
            type_url: type_url.to_owned(),
            reason: error.to_string(),
        })
    }
}

/// A type as errors show it: it came from outside and has any length.
pub(crate) fn shorten(type_url: &str) -> String {
    type_url.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{envoy::config::core::v3::Metadata, type_url};

    #[test]
    fn unpacks_what_was_packed() {
        let packed = any(type_url::CLUSTER, &Metadata::default());
        assert_eq!(
            packed.unpack::<Metadata>(type_url::CLUSTER).unwrap(),
            Metadata::default()
        );
    }

    #[test]
    fn refuses_another_type() {
        let packed = any(type_url::CLUSTER, &Metadata::default());
        let error = packed.unpack::<Metadata>(type_url::LISTENER).unwrap_err();
        assert!(matches!(error, Error::OtherType { .. }), "{error}");
    }

    #[test]
    fn is_encoded_as_googles_own() {
        let ours = Any {
            type_url: "type.googleapis.com/a.B".to_owned(),
            value: Bytes::from_static(b"\x0a\x01x"),
        };
        let googles = prost_types::Any {
            type_url: ours.type_url.clone(),
            value: ours.value.to_vec(),
        };
        assert_eq!(ours.encode_to_vec(), googles.encode_to_vec());
    }

    #[test]
    fn shares_the_bytes_that_it_was_decoded_from() {
        let message = any(type_url::CLUSTER, &Metadata::default());
        let bytes = Bytes::from(
            Any {
                value: Bytes::from_static(&[7; 100]),
                ..message
            }
            .encode_to_vec(),
        );
        let decoded = Any::decode(bytes.clone()).unwrap();
        assert!(bytes.as_ptr_range().contains(&decoded.value.as_ptr()));
    }
}
