//! An HTTP client for one destination: what the applications and tools here ask with.

use crate::http::{Body, whole};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version,
    body::Incoming,
    client::conn::{http1, http2},
    header::{HOST, HeaderValue},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{io, time::Duration};
use tokio::net::TcpStream;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{0:?} is not a URL such as http://HOST:PORT/PATH")]
    Url(String),
    #[error("{0}: only http is spoken here, for the sidecar adds TLS")]
    Scheme(String),
    #[error("can't resolve the host {host}: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("can't connect to {host}: {source}")]
    Connect { host: String, source: io::Error },
    #[error("no whole answer: {}", cause(.0))]
    Exchange(#[from] hyper::Error),
    #[error("an answer of more than {0} bytes")]
    TooLarge(usize),
    #[error("timed out after {} s", .0.as_secs_f64())]
    Timeout(Duration),
}

fn cause(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// Which HTTP is spoken. HTTP/2 is spoken with prior knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http10,
    Http11,
    Http2,
}

/// A parsed URL.
#[derive(Clone, Debug)]
pub struct Target {
    /// The whole URL; its path is never empty.
    pub uri: Uri,
    host: String,
    port: u16,
}

impl Target {
    /// Parses a URL; `http://` may be left out.
    pub fn parse(url: &str) -> Result<Self, ClientError> {
        let invalid = || ClientError::Url(url.to_owned());
        let full = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let uri: Uri = full.parse().map_err(|_| invalid())?;
        match uri.scheme_str() {
            Some("http") => {}
            _ => return Err(ClientError::Scheme(url.to_owned())),
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(invalid)?;
        let port = match without_user(&uri).strip_prefix(host) {
            Some("") => 80,
            Some(rest) => rest
                .strip_prefix(':')
                .and_then(|port| port.parse().ok())
                .ok_or_else(invalid)?,
            None => return Err(invalid()),
        };
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        Ok(Self { uri, host, port })
    }

    /// `HOST` or `HOST:PORT` as it was written, without a user's name.
    pub fn authority(&self) -> &str {
        without_user(&self.uri)
    }
}

fn without_user(uri: &Uri) -> &str {
    let all = uri.authority().map_or("", |authority| authority.as_str());
    all.rsplit_once('@').map_or(all, |(_, host)| host)
}

/// A connection, over which one request after the other is sent.
pub enum Connection {
    One(http1::SendRequest<Body>, Protocol),
    Two(http2::SendRequest<Body>),
}

impl Connection {
    /// Connects, to the first address that answers.
    pub async fn open(target: &Target, protocol: Protocol) -> Result<Self, ClientError> {
        let host = || format!("{}:{}", target.host, target.port);
        let addresses: Vec<_> = tokio::net::lookup_host((target.host.as_str(), target.port))
            .await
            .map_err(|source| ClientError::Resolve {
                host: target.host.clone(),
                source,
            })?
            .collect();
        let stream = TcpStream::connect(addresses.as_slice())
            .await
            .map_err(|source| ClientError::Connect {
                host: host(),
                source,
            })?;
        stream
            .set_nodelay(true)
            .map_err(|source| ClientError::Connect {
                host: host(),
                source,
            })?;
        let io = TokioIo::new(stream);
        if protocol == Protocol::Http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            return Ok(Self::Two(sender));
        }
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Self::One(sender, protocol))
    }

    /// Waits until another request may be sent; false says that the connection is closed.
    pub async fn ready(&mut self) -> bool {
        match self {
            Self::One(sender, _) => sender.ready().await.is_ok(),
            Self::Two(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Sends a request and waits for the head of its answer. A `Host` among `headers`
    /// takes the place of the target's.
    pub async fn send(
        &mut self,
        target: &Target,
        method: Method,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.headers_mut() = headers.clone();
        match self {
            Self::One(sender, protocol) => {
                if !headers.contains_key(HOST) {
                    let host = HeaderValue::from_str(target.authority());
                    request.headers_mut().insert(
                        HOST,
                        host.map_err(|_| ClientError::Url(target.uri.to_string()))?,
                    );
                }
                let path = target
                    .uri
                    .path_and_query()
                    .map_or("/", |path| path.as_str());
                *request.uri_mut() = path
                    .parse()
                    .map_err(|_| ClientError::Url(target.uri.to_string()))?;
                *request.version_mut() = if *protocol == Protocol::Http10 {
                    Version::HTTP_10
                } else {
                    Version::HTTP_11
                };
                Ok(sender.send_request(request).await?)
            }
            Self::Two(sender) => {
                let host = request.headers_mut().remove(HOST);
                let authority = host
                    .as_ref()
                    .and_then(|host| host.to_str().ok())
                    .unwrap_or_else(|| target.authority());
                let path = target
                    .uri
                    .path_and_query()
                    .map_or("/", |path| path.as_str());
                let uri = Uri::builder()
                    .scheme("http")
                    .authority(authority)
                    .path_and_query(path)
                    .build();
                *request.uri_mut() = uri.map_err(|_| ClientError::Url(target.uri.to_string()))?;
                *request.version_mut() = Version::HTTP_2;
                Ok(sender.send_request(request).await?)
            }
        }
    }
}

/// What an application asks of another one: a GET over a connection of its own, the
/// answer read whole.
pub async fn get(
    url: &str,
    headers: &HeaderMap,
    limit: usize,
    timeout: Duration,
) -> Result<(StatusCode, Bytes), ClientError> {
    let exchange = async {
        let target = Target::parse(url)?;
        let mut connection = Connection::open(&target, Protocol::Http11).await?;
        let response = connection
            .send(&target, Method::GET, headers, whole(Bytes::new()))
            .await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), limit)
            .collect()
            .await
            .map_err(|error| match error.downcast::<hyper::Error>() {
                Ok(error) => ClientError::Exchange(*error),
                Err(_) => ClientError::TooLarge(limit),
            })?;
        Ok((status, body.to_bytes()))
    };
    tokio::time::timeout(timeout, exchange)
        .await
        .unwrap_or(Err(ClientError::Timeout(timeout)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_urls_with_and_without_a_scheme() {
        let target = Target::parse("productpage:9080/productpage?u=a").unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.authority()),
            ("productpage", 9080, "productpage:9080")
        );
        assert_eq!(
            target.uri.path_and_query().unwrap().as_str(),
            "/productpage?u=a"
        );
        let target = Target::parse("http://user:secret@[::1]/").unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.authority()),
            ("::1", 80, "[::1]")
        );
        assert_eq!(Target::parse("http://web-svc").unwrap().uri.path(), "/");
    }

    #[test]
    fn rejects_what_is_not_a_url_that_it_can_fetch() {
        for url in ["", "http://", "http://a:70000/", "http:// a/", "a:x"] {
            assert!(
                matches!(Target::parse(url), Err(ClientError::Url(_))),
                "{url:?}"
            );
        }
        assert!(matches!(
            Target::parse("https://a/"),
            Err(ClientError::Scheme(_))
        ));
    }
}
