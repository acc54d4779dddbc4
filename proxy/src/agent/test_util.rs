//! Streams of gRPC for tests, without a connection.

use std::{convert::Infallible, marker::PhantomData};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use prost::Message;
use tonic::body::Body;

/// A request that begins with a message, and goes on.
pub(super) fn request(path: &str, message: &impl Message) -> Request<Body> {
    let length = u32::try_from(message.encoded_len()).unwrap();
    let mut framed = vec![0];
    framed.extend(length.to_be_bytes());
    framed.extend(message.encode_to_vec());
    let first = [Ok::<_, Infallible>(Frame::data(Bytes::from(framed)))];
    let body = StreamBody::new(stream::iter(first).chain(stream::pending()));
    Request::post(path).body(Body::new(body)).unwrap()
}

/// The messages of an answer.
pub(super) struct Replies<M> {
    body: Body,
    bytes: Vec<u8>,
    message: PhantomData<M>,
}

impl<M: Message + Default> Replies<M> {
    pub fn of(answer: Response<Body>) -> Self {
        Self {
            body: answer.into_body(),
            bytes: Vec::new(),
            message: PhantomData,
        }
    }

    /// The next one.
    pub async fn next(&mut self) -> M {
        loop {
            if let Some(length) = self.bytes.get(1..5) {
                let length = u32::from_be_bytes(length.try_into().unwrap());
                let end = 5 + usize::try_from(length).unwrap();
                if self.bytes.len() >= end {
                    let rest = self.bytes.split_off(end);
                    let framed = std::mem::replace(&mut self.bytes, rest);
                    return M::decode(&framed[5..]).unwrap();
                }
            }
            let frame = self.body.frame().await.expect("the stream goes on");
            let data = frame.unwrap().into_data();
            self.bytes.extend(data.expect("the stream goes on"));
        }
    }
}
