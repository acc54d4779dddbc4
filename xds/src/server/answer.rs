//! The responses of a stream as gRPC's answer to its request.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use hyper::body::{Body, Frame};
use tonic::Status;

use super::pieces::{Pieces, Response};

/// The answer to a request whose stream has these responses, and at last perhaps a status that is not OK.
///
/// Responses are taken one by one, and encoded as the client reads them. A large resource is not copied for
/// each stream.
pub fn answer<R, S>(responses: S) -> http::Response<tonic::body::Body>
where
    R: Response + Send + 'static,
    S: Stream<Item = Result<R, Status>> + Send + Unpin + 'static,
{
    let body = Answer {
        responses,
        pieces: None,
        is_over: false,
    };
    let mut answer = http::Response::new(tonic::body::Body::new(body));
    let grpc = HeaderValue::from_static("application/grpc");
    answer.headers_mut().insert(CONTENT_TYPE, grpc);
    answer
}

/// The body.
struct Answer<S> {
    responses: S,
    /// What is left of the last one.
    pieces: Option<Pieces>,
    is_over: bool,
}

impl<R, S> Body for Answer<S>
where
    R: Response,
    S: Stream<Item = Result<R, Status>> + Unpin,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(piece) = self.pieces.as_mut().and_then(Iterator::next) {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            self.pieces = None;
            if self.is_over {
                return Poll::Ready(None);
            }
            let response = ready!(self.responses.poll_next_unpin(context));
            let end = match response.map(|response| response.and_then(Pieces::new)) {
                Some(Ok(pieces)) => {
                    self.pieces = Some(pieces);
                    continue;
                }
                Some(Err(status)) => status,
                None => Status::ok(""),
            };
            self.is_over = true;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers(&end)))));
        }
    }
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if let Err(unsuitable) = status.add_header(&mut trailers) {
        trailers.clear();
        // It has no more than a code and a text of ours.
        let _ = unsuitable.add_header(&mut trailers);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::BodyExt as _;
    use pillion_envoy_api::envoy::service::discovery::v3::DiscoveryResponse;
    use prost::Message as _;
    use tonic::Code;

    use super::*;

    /// The bytes of an answer, and the status at its end.
    async fn read(responses: Vec<Result<DiscoveryResponse, Status>>) -> (Bytes, Status) {
        let answer = answer(stream::iter(responses));
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/grpc");
        let all = answer.into_body().collect().await.unwrap();
        let status = Status::from_header_map(all.trailers().unwrap()).unwrap();
        (all.to_bytes(), status)
    }

    fn response(nonce: &str) -> DiscoveryResponse {
        DiscoveryResponse {
            nonce: nonce.to_owned(),
            ..DiscoveryResponse::default()
        }
    }

    #[tokio::test]
    async fn has_all_responses_and_a_status() {
        let all = [response("1"), response("2")];
        let expected: Vec<u8> = all
            .iter()
            .flat_map(|one| {
                let length = u8::try_from(one.encoded_len()).unwrap();
                [vec![0, 0, 0, 0, length], one.encode_to_vec()].concat()
            })
            .collect();
        let (bytes, status) = read(all.map(Ok).into()).await;
        assert_eq!(bytes, expected);
        assert_eq!(status.code(), Code::Ok);
    }

    #[tokio::test]
    async fn ends_with_the_last_status() {
        let over = Status::unavailable("stopping");
        let (bytes, status) = read(vec![Err(over), Ok(response("1"))]).await;
        assert!(bytes.is_empty());
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unavailable, "stopping")
        );
    }
}
