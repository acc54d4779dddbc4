//! A connection to the server: TCP, TLS, HTTP/2.

use std::{
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pillion_envoy_api::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tonic::{body::Body, metadata::AsciiMetadataValue};

use super::connect::{Connect, Failure, Provider};
use crate::limits::MAX_RESPONSE_BYTES;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How often the server is asked for a sign of life, and how long that may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// The bytes that may be on their way.
const WINDOW: u32 = 1 << 20;

/// The most bytes of headers.
const MAX_HEADERS: u32 = 16 << 10;

/// Calls of the service on one connection.
pub(super) type Service = AggregatedDiscoveryServiceClient<Calls>;

/// A connection, which is closed when it is dropped.
pub(super) struct Connection {
    pub(super) service: Service,
    /// What each call has to show.
    pub(super) authorization: Option<AsciiMetadataValue>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects, with the roots and the token as they are now.
pub(super) async fn connect(connect: &Connect) -> Result<Connection, Failure> {
    timeout(CONNECT, attempt(connect))
        .await
        .map_err(|_| Failure::Timeout(CONNECT))?
}

async fn attempt(connect: &Connect) -> Result<Connection, Failure> {
    let address = &connect.address;
    let (host, _) = address.rsplit_once(':').ok_or(Failure::Address)?;
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let tls = match &connect.roots {
        Some(roots) => Some(tls(roots, host)?),
        None => None,
    };
    let authorization = match &connect.token {
        // Never without TLS.
        Some(token) if tls.is_some() => Some(authorization(token)?),
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let origin = format!("{scheme}://{address}")
        .parse()
        .map_err(|_| Failure::Address)?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(Failure::Connect)?;
    stream.set_nodelay(true).map_err(Failure::Connect)?;
    let (calls, task) = match tls {
        None => handshake(stream).await?,
        Some((connector, name)) => {
            let stream = connector
                .connect(name, stream)
                .await
                .map_err(Failure::Tls)?;
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(Failure::Protocol);
            }
            handshake(stream).await?
        }
    };
    let service = Service::with_origin(calls, origin);
    Ok(Connection {
        service: service.max_decoding_message_size(MAX_RESPONSE_BYTES),
        authorization,
        task,
    })
}

fn tls(roots: &Provider, host: String) -> Result<(TlsConnector, ServerName<'static>), Failure> {
    let roots = roots().map_err(Failure::ReadRoots)?;
    let config = pillion_certs::client_config(&roots, &[b"h2"]).map_err(Failure::Roots)?;
    let name = ServerName::try_from(host).map_err(|_| Failure::Address)?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn authorization(token: &Provider) -> Result<AsciiMetadataValue, Failure> {
    let token = token().map_err(Failure::ReadToken)?;
    let token = token.trim();
    if token.is_empty() {
        return Err(Failure::Token);
    }
    let mut value: AsciiMetadataValue = format!("Bearer {token}")
        .parse()
        .map_err(|_| Failure::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn handshake<S>(stream: S) -> Result<(Calls, JoinHandle<()>), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .keep_alive_interval(KEEPALIVE.0)
        .keep_alive_timeout(KEEPALIVE.1)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Failure::Http2)?;
    let task = tokio::spawn(async move {
        // Its end is what the stream ends with.
        let _ = connection.await;
    });
    Ok((Calls(sender), task))
}

/// Sends requests over one connection.
pub(super) struct Calls(SendRequest<Body>);

impl tower::Service<http::Request<Body>> for Calls {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
