//! Callers: proper ones, and raw streams for the others.

use std::{convert::Infallible, io, net::Ipv4Addr, sync::Arc};

use futures::stream::BoxStream;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    client::conn::{http1, http2},
    header::{CONTENT_TYPE, HeaderMap},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, SupportedProtocolVersion,
    pki_types::{IpAddr, ServerName},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::server::{Server, soon};

pub const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

/// A body that comes in pieces.
pub type LateBody = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The message of an HTTP error, after a look at its form.
    pub fn message(&self) -> String {
        let status = self.json();
        assert_eq!(status["kind"], "Status");
        assert_eq!(status["code"], self.status.as_u16());
        status["message"].as_str().unwrap().to_owned()
    }

    /// That this is a review's answer which lets the pod pass with a patch.
    pub fn assert_injected(&self) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let response = &self.json()["response"];
        assert_eq!(response["allowed"], true, "{response}");
        assert_eq!(response["patchType"], "JSONPatch", "{response}");
    }
}

/// A TLS connection that offers these protocols and versions.
pub async fn tls(
    server: &Server,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    tls_over(stream, server, alpn, versions).await
}

async fn tls_over(
    stream: TcpStream,
    server: &Server,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> TlsStream<TcpStream> {
    soon("the handshake", handshake(stream, server, alpn, versions))
        .await
        .unwrap()
}

/// HTTP/1.1 over a stream, where the server does not end it before.
pub async fn tls_from(stream: TcpStream, server: &Server) -> io::Result<TlsStream<TcpStream>> {
    handshake(stream, server, &["http/1.1"], BOTH).await
}

async fn handshake(
    stream: TcpStream,
    server: &Server,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(server.roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::IpAddress(IpAddr::try_from("127.0.0.1").unwrap());
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// One connection of a proper caller.
pub enum Caller {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Caller {
    pub async fn http1(server: &Server) -> Self {
        let stream = TokioIo::new(tls(server, &["http/1.1"], BOTH).await);
        let (caller, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(caller)
    }

    pub async fn http2(server: &Server) -> Self {
        Self::Http2(http2_with(server, |http2| http2).await)
    }

    /// A connection whose caller lets no answer's body come.
    pub async fn http2_without_window(server: &Server) -> http2::SendRequest<Full<Bytes>> {
        http2_with(server, |http2| http2.initial_stream_window_size(0)).await
    }

    /// A connection whose caller sends bodies when it likes.
    pub async fn http2_with_late_bodies(server: &Server) -> http2::SendRequest<LateBody> {
        http2_with(server, |http2| http2).await
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Answer {
        let response = match self {
            Self::Http1(caller) => soon("an answer", caller.send_request(request)).await,
            Self::Http2(caller) => soon("an answer", caller.send_request(request)).await,
        };
        read(response.unwrap()).await
    }

    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(post(path, "application/json", body)).await
    }
}

async fn http2_with<B>(
    server: &Server,
    set_up: fn(&mut http2::Builder<TokioExecutor>) -> &mut http2::Builder<TokioExecutor>,
) -> http2::SendRequest<B>
where
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    let stream = TokioIo::new(tls(server, &["h2"], BOTH).await);
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    let (caller, connection) = set_up(&mut http2).handshake(stream).await.unwrap();
    tokio::spawn(connection);
    caller
}

/// A POST of its own connection, over HTTP/1.1.
pub async fn ask(server: &Server, path: &str, body: impl Into<Bytes>) -> Answer {
    Caller::http1(server).await.post(path, body).await
}

/// The same, from another address of this machine.
pub async fn ask_from(
    address: &str,
    server: &Server,
    path: &str,
    body: impl Into<Bytes>,
) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind((address.parse::<Ipv4Addr>().unwrap(), 0).into())
        .unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let stream = TokioIo::new(tls_over(stream, server, &["http/1.1"], BOTH).await);
    let (caller, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    Caller::Http1(caller).post(path, body).await
}

pub fn post(path: &str, content_type: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(format!("https://127.0.0.1{path}"))
        .header(CONTENT_TYPE, content_type)
        .body(Full::new(body.into()))
        .unwrap()
}

pub async fn read(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = soon("an answer's body", body.collect()).await.unwrap();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.to_bytes(),
    }
}

/// A caller that writes what it likes, in HTTP/1.1's form or none.
pub struct Raw(pub TlsStream<TcpStream>);

impl Raw {
    pub async fn open(server: &Server) -> Self {
        Self(tls(server, &["http/1.1"], BOTH).await)
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    /// The same to a server that may have closed the connection.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.write_all(bytes.as_ref()).await?;
        self.0.flush().await
    }

    /// The head of a review's request, that promises so many bytes.
    pub async fn send_head(&mut self, length: usize) {
        let head = format!(
            "POST /inject HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        self.send(head).await;
    }

    /// The answer's head and body, as text.
    pub async fn answer(&mut self) -> String {
        let mut text = Vec::new();
        soon("an answer", async {
            while !is_whole(&text) {
                let read = self.0.read_buf(&mut text).await.unwrap();
                assert!(
                    read > 0,
                    "closed after {:?}",
                    String::from_utf8_lossy(&text)
                );
            }
        })
        .await;
        String::from_utf8(text).unwrap()
    }

    /// Waits until the server has closed the connection; what it sent before.
    pub async fn closed(mut self) -> String {
        let mut text = Vec::new();
        // An end without TLS's farewell is an end, too.
        let _ = soon("the connection's end", self.0.read_to_end(&mut text)).await;
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0);
    body.len() >= length
}
