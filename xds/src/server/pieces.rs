//! A response as gRPC sends it, piece by piece: the bytes of a large resource are shared by all streams, and
//! what is not sent yet is not encoded.

use std::{collections::VecDeque, mem, vec};

use bytes::{BufMut as _, Bytes, BytesMut};
use pillion_envoy_api::{
    Any,
    envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse, Resource},
};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};
use tonic::Status;

use crate::limits::MAX_RESPONSE_BYTES;

/// About the bytes of a piece, as of a frame of HTTP/2. The bytes of a larger resource are a piece of their own.
const PIECE: usize = 16 << 10;

/// The number of `resources` in the responses of both variants, of `resource` in a `Resource`, and of `value` in
/// an `Any`.
const FIELD: u32 = 2;

/// A response of one of the two variants.
pub trait Response: Message {
    /// Takes out its resources.
    fn take_resources(&mut self) -> Vec<Item>;
}

/// A resource in a response.
#[derive(Debug)]
pub struct Item {
    /// The message that has the body, without it.
    outer: Option<Resource>,
    body: Option<Any>,
}

impl Response for DeltaDiscoveryResponse {
    fn take_resources(&mut self) -> Vec<Item> {
        let resources = mem::take(&mut self.resources).into_iter();
        let items = resources.map(|mut resource| Item {
            body: resource.resource.take(),
            outer: Some(resource),
        });
        items.collect()
    }
}

impl Response for DiscoveryResponse {
    fn take_resources(&mut self) -> Vec<Item> {
        let resources = mem::take(&mut self.resources).into_iter();
        let items = resources.map(|body| Item {
            outer: None,
            body: Some(body),
        });
        items.collect()
    }
}

impl Item {
    /// Encodes it. What is returned comes next.
    fn encode(self, buffer: &mut BytesMut) -> Option<Bytes> {
        let inner = self.body.as_ref().map(Message::encoded_len);
        if let Some(outer) = self.outer {
            // As long as if the body were in it.
            let mut of_inner = BytesMut::new();
            if let Some(inner) = inner {
                begin(inner, &mut of_inner);
            }
            let inner = of_inner.len() + inner.unwrap_or_default();
            begin(outer.encoded_len() + inner, buffer);
            put(&outer, buffer);
            buffer.put(of_inner);
        } else if let Some(inner) = inner {
            begin(inner, buffer);
        }
        let mut body = self.body?;
        let value = mem::take(&mut body.value);
        put(&body, buffer);
        if value.is_empty() {
            return None;
        }
        begin(value.len(), buffer);
        if value.len() >= PIECE {
            return Some(value);
        }
        buffer.put(value);
        None
    }
}

/// Begins a field of this many bytes.
fn begin(length: usize, buffer: &mut BytesMut) {
    encode_key(FIELD, WireType::LengthDelimited, buffer);
    encode_varint(length as u64, buffer);
}

fn put(message: &impl Message, buffer: &mut BytesMut) {
    // The buffer grows as it needs to.
    let _ = message.encode(buffer);
}

/// What is left of a response.
#[derive(Debug)]
pub(super) struct Pieces {
    encoded: BytesMut,
    /// What comes before that.
    ready: VecDeque<Bytes>,
    items: vec::IntoIter<Item>,
}

impl Pieces {
    /// A response of which nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Returns a status if it is larger than clients have to accept.
    pub fn new(mut response: impl Response) -> Result<Self, Status> {
        let length = response.encoded_len();
        let length = u32::try_from(length)
            .ok()
            .filter(|_| length <= MAX_RESPONSE_BYTES);
        let Some(length) = length else {
            return Err(Status::out_of_range("a response is too large"));
        };
        let items = response.take_resources();
        let mut encoded = BytesMut::new();
        // Not compressed.
        encoded.put_u8(0);
        encoded.put_u32(length);
        put(&response, &mut encoded);
        Ok(Self {
            encoded,
            ready: VecDeque::new(),
            items: items.into_iter(),
        })
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            let Some(item) = self.items.next() else {
                let last = mem::take(&mut self.encoded);
                return (!last.is_empty()).then(|| last.freeze());
            };
            let large = item.encode(&mut self.encoded);
            if large.is_some() || self.encoded.len() >= PIECE {
                self.ready.push_back(mem::take(&mut self.encoded).freeze());
                self.ready.extend(large);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf as _;

    use super::*;

    fn any(bytes: usize) -> Any {
        Any {
            type_url: "type".to_owned(),
            value: vec![7; bytes].into(),
        }
    }

    /// All pieces together, without the prefix that says how long they are.
    fn joined(response: impl Response) -> Bytes {
        let pieces: Vec<Bytes> = Pieces::new(response).unwrap().collect();
        let mut all: Bytes = pieces.concat().into();
        assert_eq!(all.get_u8(), 0);
        assert_eq!(all.get_u32() as usize, all.len());
        all
    }

    #[test]
    fn the_pieces_are_the_response() {
        let mut delta = DeltaDiscoveryResponse {
            type_url: "type".to_owned(),
            nonce: "1".to_owned(),
            removed_resources: vec!["gone".to_owned()],
            ..DeltaDiscoveryResponse::default()
        };
        let mut sotw = DiscoveryResponse {
            version_info: "1".to_owned(),
            ..DiscoveryResponse::default()
        };
        for bytes in [0, 1, 127, 128, PIECE - 1, PIECE, 3 * PIECE] {
            delta.resources.push(Resource {
                name: bytes.to_string(),
                version: "1".to_owned(),
                resource: Some(any(bytes)),
                ..Resource::default()
            });
            sotw.resources.push(any(bytes));
        }
        delta.resources.push(Resource::default());
        assert_eq!(
            DeltaDiscoveryResponse::decode(joined(delta.clone())),
            Ok(delta)
        );
        assert_eq!(DiscoveryResponse::decode(joined(sotw.clone())), Ok(sotw));
    }

    #[test]
    fn the_bytes_of_a_large_resource_are_shared() {
        let large = any(PIECE);
        let response = DiscoveryResponse {
            resources: vec![any(1), large.clone(), any(1)],
            ..DiscoveryResponse::default()
        };
        let pieces: Vec<Bytes> = Pieces::new(response).unwrap().collect();
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[1].as_ptr(), large.value.as_ptr());
    }

    #[test]
    fn small_resources_are_encoded_when_they_are_needed() {
        let response = DiscoveryResponse {
            resources: vec![any(1_000); 100],
            ..DiscoveryResponse::default()
        };
        let mut pieces = Pieces::new(response).unwrap();
        assert!(pieces.next().unwrap().len() < PIECE + 1_100);
        assert_eq!(pieces.items.len(), 100 - 17);
    }

    #[test]
    fn what_clients_do_not_take_is_not_sent() {
        let response = DiscoveryResponse {
            resources: vec![any(MAX_RESPONSE_BYTES)],
            ..DiscoveryResponse::default()
        };
        let status = Pieces::new(response).unwrap_err();
        assert_eq!(status.code(), tonic::Code::OutOfRange);
    }
}
