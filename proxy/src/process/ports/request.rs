//! Requests that the proxy itself sends to the application: one for each connection.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{Request, response},
};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::net::socket::connect;

/// The largest head of an answer.
const MAX_HEAD: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("can't connect to {address}: {source}")]
    Connect {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("the TLS handshake with {address} failed: {source}")]
    Handshake {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("no proper HTTP answer: {0}")]
    Http(#[from] hyper::Error),
}

/// An answer, and as much of its body as was asked for.
#[derive(Debug)]
pub(super) struct Answer {
    pub head: response::Parts,
    pub body: Vec<u8>,
    /// Whether that is the whole body.
    pub is_whole: bool,
}

/// Connects from an address that is not captured, if one is given. The caller bounds the
/// time of all it does; `within` is the longest that makes sense.
pub(super) async fn open(
    address: SocketAddr,
    from: Option<IpAddr>,
    within: Duration,
) -> Result<TcpStream, RequestError> {
    let connected = connect(address, from, within).await;
    connected.map_err(|source| RequestError::Connect { address, source })
}

/// Speaks TLS on a connection.
pub(super) async fn secure(
    stream: TcpStream,
    address: SocketAddr,
    tls: &TlsConnector,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, RequestError> {
    let name = ServerName::IpAddress(address.ip().into());
    let connected = tls.connect(name, stream).await;
    connected.map_err(|source| RequestError::Handshake { address, source })
}

/// Sends a request by HTTP/1.1, and reads at most `limit` bytes of the answer's body.
pub(super) async fn exchange<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
    limit: usize,
) -> Result<Answer, RequestError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let (body, is_whole) = read(body, limit).await?;
        Ok(Answer {
            head,
            body,
            is_whole,
        })
    };
    let mut answer = pin!(answer);
    tokio::select! {
        answer = answer.as_mut() => return answer,
        // Whatever ended it, the answer says so.
        _ = connection => {}
    }
    answer.await
}

async fn read(mut body: Incoming, limit: usize) -> Result<(Vec<u8>, bool), hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let room = limit - bytes.len();
        bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() > room {
            return Ok((bytes, false));
        }
    }
    Ok((bytes, true))
}
