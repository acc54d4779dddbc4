//! A connection to a collector.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pillion_certs::mesh::Trust;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
    time::Instant,
};

use super::{
    answer::{Answer, MAX_BODY},
    failure::Failure,
};
use crate::{
    net::socket::connect,
    tables::{Carried, SpanProtocol, UpstreamTls},
    transport::ClientTransport,
};

/// The largest head of an answer by HTTP/1.1.
const MAX_HEAD: usize = 16 * 1024;
/// The same by HTTP/2.
const MAX_HEADER_LIST: u32 = 16 * 1024;

/// A connection, which is closed when it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    pub address: SocketAddr,
    /// How its server has proved who it is, if it had to.
    pub secured: Option<Secured>,
    sender: Sender,
    task: JoinHandle<()>,
}

/// How a server has proved who it is.
#[derive(Debug)]
pub(super) struct Secured {
    pub tls: Arc<UpstreamTls>,
    /// By whose word, if it is one of the mesh.
    pub trust: Option<Arc<Trust>>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Connects, by TLS if the server has to prove who it is.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not accept in time, does not prove who it is, or speaks another version of
    /// HTTP.
    pub async fn open(
        address: SocketAddr,
        protocol: SpanProtocol,
        within: Duration,
        (transport, tls): (&ClientTransport, Option<&Arc<UpstreamTls>>),
    ) -> Result<Self, Failure> {
        let began = Instant::now();
        let stream = connect(address, None, within).await;
        let stream = stream.map_err(|source| Failure::Connect { address, source })?;
        let Some(tls) = tls else {
            return Self::over(stream, address, protocol, None).await;
        };
        let carried = match protocol {
            SpanProtocol::Zipkin | SpanProtocol::OtlpHttp => Carried::Http1,
            SpanProtocol::OtlpGrpc => Carried::Http2,
        };
        let (inside, time) = ((carried, address), (began, within));
        let secured = transport.secure(tls, inside, stream, time).await;
        let (stream, trust) = secured.map_err(|source| Failure::Tls { address, source })?;
        let tls = Arc::clone(tls);
        Self::over(stream, address, protocol, Some(Secured { tls, trust })).await
    }

    async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        stream: S,
        address: SocketAddr,
        protocol: SpanProtocol,
        secured: Option<Secured>,
    ) -> Result<Self, Failure> {
        let stream = TokioIo::new(stream);
        let broken = |source| Failure::Broken { address, source };
        let (sender, task) = match protocol {
            SpanProtocol::Zipkin | SpanProtocol::OtlpHttp => {
                let mut builder = http1::Builder::new();
                builder.max_buf_size(MAX_HEAD);
                let (sender, driver) = builder.handshake(stream).await.map_err(broken)?;
                (Sender::Http1(sender), tokio::spawn(drive(driver)))
            }
            SpanProtocol::OtlpGrpc => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.max_header_list_size(MAX_HEADER_LIST);
                let (sender, driver) = builder.handshake(stream).await.map_err(broken)?;
                (Sender::Http2(sender), tokio::spawn(drive(driver)))
            }
        };
        Ok(Self {
            address,
            secured,
            sender,
            task,
        })
    }

    /// Whether it may take another request.
    pub fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => !sender.is_closed(),
            Sender::Http2(sender) => !sender.is_closed(),
        }
    }

    /// Sends a request and reads the whole answer. After an error, the connection is of no use.
    ///
    /// # Errors
    ///
    /// When there is no proper answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let address = self.address;
        let broken = |source| Failure::Broken { address, source };
        let answered = match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await.map_err(broken)?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await.map_err(broken)?;
                sender.send_request(request).await
            }
        };
        let (head, mut incoming) = answered.map_err(broken)?.into_parts();
        let (mut body, mut trailers) = (BytesMut::new(), None);
        while let Some(frame) = incoming.frame().await {
            match frame.map_err(broken)?.into_data() {
                Ok(data) if body.len() + data.len() > MAX_BODY => {
                    return Err(Failure::TooLong(MAX_BODY));
                }
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        Ok(Answer {
            head,
            body: body.freeze(),
            trailers,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries a connection until its end, which whoever uses it next notices.
async fn drive(connection: impl Future<Output = hyper::Result<()>>) {
    let _ = connection.await;
}
