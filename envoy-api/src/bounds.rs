//! How much a message may hold, which is checked before it is decoded: an empty message has
//! two bytes on the wire and may have hundreds in memory.

use crate::{
    schema::{Field, Message},
    wire::{Fields, MAX_DEPTH, Malformed, Value},
};

/// The most messages, strings and byte strings in one message, at all depths.
pub const MAX_ELEMENTS: usize = 1 << 19;

/// The most of them within what a client says about itself and its refusals. Each value of its metadata
/// takes a node of a map, hundreds of bytes for six on the wire; a proxy has some hundreds of values.
pub const MAX_SMALL_ELEMENTS: usize = 1 << 12;

/// What a client says about itself, and about why it refuses something: small messages, from anybody.
const SMALL: [&str; 2] = ["envoy.config.core.v3.Node", "google.rpc.Status"];

/// Why a message is not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("it holds more than {MAX_ELEMENTS} messages and strings")]
    Elements,
    #[error("its node and error_detail hold more than {MAX_SMALL_ELEMENTS} messages and strings")]
    Small,
}

/// Checks that a message is well-formed and no larger in memory than this crate allows. What is
/// inside of an `Any` stays bytes, and is not examined.
pub(crate) fn check(schema: &Message, message: &[u8]) -> Result<(), Exceeded> {
    let mut elements = Elements::default();
    elements.message(schema, message, 0)
}

/// How many elements were met.
#[derive(Debug, Default)]
pub(crate) struct Elements {
    all: usize,
    /// Those within small messages: if a message has several nodes, they are merged.
    of_small: usize,
}

impl Elements {
    /// Counts one more.
    pub(crate) fn count(&mut self) -> Result<(), Exceeded> {
        self.all += 1;
        if self.all > MAX_ELEMENTS {
            return Err(Exceeded::Elements);
        }
        Ok(())
    }

    fn small(&mut self, schema: &Message, message: &[u8], depth: usize) -> Result<(), Exceeded> {
        let before = self.all;
        self.message(schema, message, depth)?;
        self.of_small += self.all - before;
        if self.of_small > MAX_SMALL_ELEMENTS {
            return Err(Exceeded::Small);
        }
        Ok(())
    }

    fn message(&mut self, schema: &Message, message: &[u8], depth: usize) -> Result<(), Exceeded> {
        if depth > MAX_DEPTH {
            return Err(Malformed::Depth.into());
        }
        for field in Fields::of(message) {
            let (number, Value::Bytes(bytes)) = field? else {
                continue;
            };
            self.count()?;
            let Some(inner) = schema.field(number).and_then(Field::message) else {
                continue;
            };
            if SMALL.contains(&inner.name) {
                self.small(inner, bytes, depth + 1)?;
            } else {
                self.message(inner, bytes, depth + 1)?;
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
        envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource},
        types,
    };

    fn checked(name: &str, message: &[u8]) -> Result<(), Exceeded> {
        let url = format!("/envoy.service.discovery.v3.{name}");
        check(types::message(&url).unwrap(), message)
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

    /// 700,000 such values, 4 MiB on the wire, took 480 MB.
    #[test]
    fn refuses_a_node_whose_metadata_unfolds() {
        let nested = |tag: u8, inner: &[u8]| {
            let mut field = vec![tag];
            prost::encoding::encode_varint(inner.len() as u64, &mut field);
            field.extend(inner);
            field
        };
        // A list's value: a struct with one field without a name.
        let value = [0x0a, 4, 0x2a, 2, 0x0a, 0];
        let node = |values: usize| {
            let list = nested(0x32, &value.repeat(values));
            let entry = nested(0x12, &list);
            let metadata = nested(0x0a, &entry);
            nested(0x1a, &metadata)
        };
        let request = |nodes: &[Vec<u8>]| -> Vec<u8> {
            nodes.iter().flat_map(|node| nested(0x0a, node)).collect()
        };
        let decoded = DeltaDiscoveryRequest::decode(&*request(&[node(3)])).unwrap();
        let metadata = decoded.node.and_then(|node| node.metadata).unwrap();
        assert_eq!(metadata.fields.len(), 1);
        checked("DeltaDiscoveryRequest", &request(&[node(1_000)])).unwrap();
        for request in [
            request(&[node(100_000)]),
            request(&[node(1_000), node(1_000)]),
        ] {
            assert_eq!(
                checked("DeltaDiscoveryRequest", &request),
                Err(Exceeded::Small)
            );
        }
    }

    #[test]
    fn refuses_a_refusal_with_many_details() {
        let details = [0x1a, 0].repeat(MAX_SMALL_ELEMENTS + 1);
        let mut flood = vec![0x3a];
        prost::encoding::encode_varint(details.len() as u64, &mut flood);
        flood.extend(details);
        assert_eq!(
            checked("DeltaDiscoveryRequest", &flood),
            Err(Exceeded::Small)
        );
    }

    #[test]
    fn counts_what_is_inside() {
        // Field 7, error_detail, with as many details (3) of length 0.
        let details = [0x1a, 0].repeat(MAX_ELEMENTS);
        let mut flood = vec![0x3a];
        prost::encoding::encode_varint(details.len() as u64, &mut flood);
        flood.extend(details);
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
