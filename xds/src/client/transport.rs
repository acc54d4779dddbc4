//! A connection to the server: TCP, TLS, HTTP/2.

use std::{
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use http::Uri;
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pillion_certs::mesh::{self, Identity};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tonic::{Request, body::Body, metadata::AsciiMetadataValue};

use super::connect::{Connect, ConnectError, Provider};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How often the server is asked for a sign of life, and how long that may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// The bytes that may be on their way.
const WINDOW: u32 = 1 << 20;

/// The most bytes of headers.
const MAX_HEADERS: u32 = 16 << 10;

/// A connection, which is closed when it is dropped.
#[derive(Debug)]
pub struct Connection {
    calls: Calls,
    origin: Uri,
    /// What each call has to show.
    authorization: Option<AsciiMetadataValue>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Connects, with the roots and the token as they are now.
    ///
    /// # Errors
    ///
    /// Returns why there is no connection, after 10 s at the latest.
    pub async fn open(server: &Connect) -> Result<Self, ConnectError> {
        Self::open_as(server, None).await
    }

    /// The same, with a certificate that the server may ask for.
    ///
    /// # Errors
    ///
    /// See [`open`](Self::open).
    pub async fn open_as(
        server: &Connect,
        identity: Option<&Identity>,
    ) -> Result<Self, ConnectError> {
        timeout(CONNECT, attempt(server, identity))
            .await
            .map_err(|_| ConnectError::Timeout(CONNECT))?
    }

    /// What a service's client sends its requests by.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// What requests are addressed to.
    #[must_use]
    pub fn origin(&self) -> Uri {
        self.origin.clone()
    }

    /// A request that shows the token, if there is one.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", authorization.clone());
        }
        request
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn attempt(
    connect: &Connect,
    identity: Option<&Identity>,
) -> Result<Connection, ConnectError> {
    let address = &connect.address;
    let (host, _) = address.rsplit_once(':').ok_or(ConnectError::Address)?;
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let tls = match &connect.roots {
        Some(roots) => Some(tls(roots, host, identity)?),
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
        .map_err(|_| ConnectError::Address)?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(ConnectError::Connect)?;
    stream.set_nodelay(true).map_err(ConnectError::Connect)?;
    let (calls, task) = match tls {
        None => handshake(stream).await?,
        Some((connector, name)) => {
            let stream = connector
                .connect(name, stream)
                .await
                .map_err(ConnectError::Tls)?;
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return Err(ConnectError::Protocol);
            }
            handshake(stream).await?
        }
    };
    Ok(Connection {
        calls,
        origin,
        authorization,
        task,
    })
}

fn tls(
    roots: &Provider,
    host: String,
    identity: Option<&Identity>,
) -> Result<(TlsConnector, ServerName<'static>), ConnectError> {
    let roots = roots().map_err(ConnectError::ReadRoots)?;
    let config = match identity {
        None => pillion_certs::client_config(&roots, &[b"h2"]),
        Some(identity) => mesh::control_plane_config(identity, &roots, &[b"h2"]),
    };
    let config = config.map_err(ConnectError::Roots)?;
    let name = ServerName::try_from(host).map_err(|_| ConnectError::Address)?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn authorization(token: &Provider) -> Result<AsciiMetadataValue, ConnectError> {
    let token = token().map_err(ConnectError::ReadToken)?;
    let token = token.trim();
    if token.is_empty() {
        return Err(ConnectError::Token);
    }
    let mut value: AsciiMetadataValue = format!("Bearer {token}")
        .parse()
        .map_err(|_| ConnectError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn handshake<S>(stream: S) -> Result<(Calls, JoinHandle<()>), ConnectError>
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
        .map_err(ConnectError::Http2)?;
    let task = tokio::spawn(async move {
        // Its end is what the stream ends with.
        let _ = connection.await;
    });
    Ok((Calls(sender), task))
}

/// Sends requests over one connection.
#[derive(Debug, Clone)]
pub struct Calls(SendRequest<Body>);

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
