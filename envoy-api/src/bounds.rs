//! How much a message may hold, which is checked before it is decoded: an empty message has
//! two bytes on the wire and may have hundreds in memory.

use prost_reflect::{Kind, MessageDescriptor};

use crate::{
    descriptors::MAX_DEPTH,
    wire::{Fields, Malformed, Value},
};

/// The most messages, strings and byte strings in one message, at all depths.
pub const MAX_ELEMENTS: usize = 1 << 19;

/// Why a message is not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("messages are nested more than {MAX_DEPTH} deep")]
    Depth,
    #[error("it holds more than {MAX_ELEMENTS} messages and strings")]
    Elements,
}

/// Checks that a message is well-formed and no larger in memory than this crate allows. What is
/// inside of an `Any` stays bytes, and is not examined.
pub(crate) fn check(descriptor: &MessageDescriptor, message: &[u8]) -> Result<(), Exceeded> {
    let mut elements = Elements::default();
    elements.message(descriptor, message, 0)
}

/// How many elements were met.
#[derive(Debug, Default)]
pub(crate) struct Elements(usize);

impl Elements {
    /// Counts one more.
    pub(crate) fn count(&mut self) -> Result<(), Exceeded> {
        self.0 += 1;
        if self.0 > MAX_ELEMENTS {
            return Err(Exceeded::Elements);
        }
        Ok(())
    }

    fn message(
        &mut self,
        descriptor: &MessageDescriptor,
        message: &[u8],
        depth: usize,
    ) -> Result<(), Exceeded> {
        if depth > MAX_DEPTH {
            return Err(Exceeded::Depth);
        }
        for field in Fields::of(message) {
            let (number, Value::Bytes(bytes)) = field? else {
                continue;
            };
            self.count()?;
            let kind = descriptor.get_field(number).map(|field| field.kind());
            if let Some(Kind::Message(inner)) = kind {
                self.message(&inner, bytes, depth + 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::{
        descriptors::descriptor,
        envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource},
    };

    fn checked(name: &str, message: &[u8]) -> Result<(), Exceeded> {
        let url = format!("/envoy.service.discovery.v3.{name}");
        check(&descriptor(&url).unwrap(), message)
    }

    #[test]
    fn lets_a_large_message_through() {
        let response = DeltaDiscoveryResponse {
            resources: vec![Resource::default(); 50_000],
            ..DeltaDiscoveryResponse::default()
        };
        checked("DeltaDiscoveryResponse", &response.encode_to_vec()).unwrap();
    }

    #[test]
    fn refuses_a_flood_of_empty_messages() {
        // Field 2, resources, of length 0.
        let flood = [0x12, 0].repeat(MAX_ELEMENTS + 1);
        assert_eq!(
            checked("DeltaDiscoveryResponse", &flood),
            Err(Exceeded::Elements)
        );
    }

    #[test]
    fn counts_what_is_inside() {
        // Field 1, node, with as many client_features (10) of length 0.
        let features = [0x52, 0].repeat(MAX_ELEMENTS);
        let mut flood = vec![0x0a];
        prost::encoding::encode_varint(features.len() as u64, &mut flood);
        flood.extend(features);
        assert_eq!(
            checked("DeltaDiscoveryRequest", &flood),
            Err(Exceeded::Elements)
        );
        checked(
            "DeltaDiscoveryRequest",
            &DeltaDiscoveryRequest::default().encode_to_vec(),
        )
        .unwrap();
    }

    #[test]
    fn refuses_half_a_message() {
        assert!(matches!(
            checked("DeltaDiscoveryResponse", &[0x12, 5, 0x0a]),
            Err(Exceeded::Malformed(_))
        ));
    }
}
