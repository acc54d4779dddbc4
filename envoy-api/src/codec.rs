//! How the discovery service's messages are encoded and decoded: as gRPC does, within bounds.

use std::marker::PhantomData;

use prost::{Message, Name};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use bytes::Buf as _;

use crate::{bounds, types};

/// Encodes `T`, and decodes `U` within the bounds of this crate: a message that would be large
/// in memory is refused before it is decoded. The size on the wire is tonic's to limit.
#[derive(Debug)]
pub(crate) struct BoundedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + 'static,
    U: Message + Name + Default + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = MessageEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        MessageEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder::default()
    }
}

#[derive(Debug)]
pub(crate) struct MessageEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for MessageEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message
            .encode(buffer)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

/// Decodes messages within the bounds of this crate.
#[derive(Debug)]
pub struct MessageDecoder<U>(PhantomData<U>);

impl<U> Default for MessageDecoder<U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<U: Message + Name + Default> Decoder for MessageDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        let malformed =
            |reason: String| Status::invalid_argument(format!("not a {}: {reason}", U::NAME));
        let schema = types::message(&U::type_url())
            .ok_or_else(|| Status::internal(format!("{} is unknown", U::NAME)))?;
        bounds::check(schema, &message).map_err(|error| malformed(error.to_string()))?;
        U::decode(message)
            .map(Some)
            .map_err(|error| malformed(error.to_string()))
    }
}
