//! Probes by gRPC's health protocol (`grpc.health.v1.Health/Check`).

use std::{net::SocketAddr, pin::pin};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

const PATH: &str = "/grpc.health.v1.Health/Check";
/// The longest message that is read: a few bytes are expected.
const MAX_MESSAGE: usize = 4096;
/// `grpc-status`: the method does not exist.
const UNIMPLEMENTED: u32 = 12;
/// `HealthCheckResponse.ServingStatus`.
const SERVING: u64 = 1;

/// Why a server is not healthy.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no proper answer by HTTP/2: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request can't be written: {0}")]
    Request(#[from] axum::http::Error),
    #[error("it answers with HTTP's {0} instead of gRPC")]
    Status(StatusCode),
    #[error("it does not implement grpc.health.v1.Health")]
    Unimplemented,
    #[error("it answers with gRPC status {code}: {message}")]
    Grpc { code: u32, message: String },
    #[error("its answer is not a HealthCheckResponse")]
    Message,
    #[error("it is not SERVING, its status is {0}")]
    NotServing(u64),
}

/// Asks a server whether a service is serving; an empty name means the server itself.
pub(super) async fn check(
    stream: TcpStream,
    address: SocketAddr,
    service: &str,
    agent: Option<&HeaderValue>,
) -> Result<(), Failure> {
    let executor = TokioExecutor::new();
    let mut builder = http2::Builder::new(executor);
    builder.max_header_list_size(16 * 1024);
    let (mut sender, connection) = builder
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await?;
    let mut request = Request::post(format!("http://{address}{PATH}"))
        .version(Version::HTTP_2)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::from(encode(service)))?;
    if let Some(agent) = agent {
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, agent.clone());
    }
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        if head.status != StatusCode::OK {
            return Err(Failure::Status(head.status));
        }
        let (message, trailers) = read(body).await?;
        // A server without a message sends its trailers alone, as the head.
        check_status(trailers.as_ref().unwrap_or(&head.headers))?;
        match decode(&message).ok_or(Failure::Message)? {
            SERVING => Ok(()),
            other => Err(Failure::NotServing(other)),
        }
    };
    let mut answer = pin!(answer);
    tokio::select! {
        answer = answer.as_mut() => return answer,
        // Whatever ended it, the answer says so.
        _ = connection => {}
    }
    answer.await
}

async fn read(mut body: Incoming) -> Result<(Vec<u8>, Option<HeaderMap>), Failure> {
    let mut message = Vec::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) if message.len() + data.len() > MAX_MESSAGE => return Err(Failure::Message),
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((message, trailers))
}

fn check_status(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let code = text("grpc-status").and_then(|code| code.parse().ok());
    match code.ok_or(Failure::Message)? {
        0 => Ok(()),
        UNIMPLEMENTED => Err(Failure::Unimplemented),
        code => Err(Failure::Grpc {
            code,
            message: text("grpc-message").unwrap_or_default().to_owned(),
        }),
    }
}

/// A `HealthCheckRequest` (`string service = 1`) in gRPC's frame.
fn encode(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    // The environment, of which the name is part, is smaller than 4 GiB.
    framed.extend_from_slice(
        &u32::try_from(message.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
    );
    framed.append(&mut message);
    framed
}

/// The status of a `HealthCheckResponse` (`enum status = 1`) in gRPC's frame.
fn decode(framed: &[u8]) -> Option<u64> {
    let (head, mut message) = framed.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().ok()?);
    if head[0] != 0 || usize::try_from(length) != Ok(message.len()) {
        return None;
    }
    let mut status = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = varint(&mut message)?,
            // Fields of later versions.
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_the_name_of_the_service() {
        assert_eq!(encode(""), [0, 0, 0, 0, 0]);
        assert_eq!(encode("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = encode(&"a".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
    }

    #[test]
    fn reads_the_status_among_fields_it_does_not_know() {
        let decode = |message: &[u8]| {
            let mut framed = vec![0, 0, 0, 0, message.len() as u8];
            framed.extend_from_slice(message);
            decode(&framed)
        };
        assert_eq!(decode(&[]), Some(0));
        assert_eq!(decode(&[0x08, 1]), Some(1));
        assert_eq!(decode(&[0x12, 2, 9, 9, 0x08, 2, 0x1d, 0, 0, 0, 0]), Some(2));
        for bad in [&[0x08][..], &[0x12, 9, 0], &[0x0b], &[0xff; 11]] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn rejects_a_frame_that_is_cut_or_compressed() {
        for bad in [&[0, 0, 0, 0][..], &[0, 0, 0, 0, 2, 8], &[1, 0, 0, 0, 0]] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
