//! An answer with one message, as gRPC has it.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Response,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use prost::Message;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The message in its frame: uncompressed, with its length before it.
pub(super) fn frame(message: &impl Message) -> Bytes {
    let mut frame = vec![0; 5];
    // Appending to a vector can't fail.
    let _ = message.encode(&mut frame);
    let length = u32::try_from(frame.len() - 5).unwrap_or(u32::MAX);
    frame[1..5].copy_from_slice(&length.to_be_bytes());
    frame.into()
}

/// The answer that consists of a frame.
pub(super) fn response(frame: Bytes) -> Response<tonic::body::Body> {
    let trailers = HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]);
    let trailers = std::future::ready(Some(Ok::<_, Infallible>(trailers)));
    let body = Full::new(frame).with_trailers(trailers);
    let mut response = Response::new(tonic::body::Body::new(body));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, grpc);
    response
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::istio::v1::auth::IstioCertificateResponse;

    use super::*;

    #[tokio::test]
    async fn a_message_is_framed_and_ends_well() {
        let message = IstioCertificateResponse {
            cert_chain: vec!["leaf".to_owned(), "root".to_owned()],
        };
        let response = response(frame(&message));
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()[STATUS], "0");
        let bytes = collected.to_bytes();
        assert_eq!(bytes[..5], [0, 0, 0, 0, 12]);
        assert_eq!(
            IstioCertificateResponse::decode(&bytes[5..]).unwrap(),
            message
        );
    }
}
