//! Streams of gRPC for tests, without a connection.

use std::{convert::Infallible, marker::PhantomData};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use prost::Message;
use tokio::sync::mpsc;
use tonic::body::Body;

/// The messages of a request, which ends with the value.
pub(super) struct Messages(mpsc::UnboundedSender<Bytes>);

impl Messages {
    /// A request that has none yet.
    pub fn to(path: &str) -> (Self, Request<Body>) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let messages = stream::poll_fn(move |context| receiver.poll_recv(context));
        let frames = messages.map(|message| Ok::<_, Infallible>(Frame::data(message)));
        let body = Body::new(StreamBody::new(frames));
        (Self(sender), Request::post(path).body(body).unwrap())
    }

    /// One more.
    pub fn send(&self, message: &impl Message) {
        let length = u32::try_from(message.encoded_len()).unwrap();
        let mut framed = vec![0];
        framed.extend(length.to_be_bytes());
        framed.extend(message.encode_to_vec());
        // The other side may have ended the stream.
        let _ = self.0.send(framed.into());
    }
}

/// A request that has begun with a message.
pub(super) fn request(path: &str, message: &impl Message) -> (Messages, Request<Body>) {
    let (messages, request) = Messages::to(path);
    messages.send(message);
    (messages, request)
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
