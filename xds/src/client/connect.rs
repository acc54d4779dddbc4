//! Where a client connects to, and why it can't.

use std::{fmt, fs, io, io::Read as _, path::PathBuf, sync::Arc};

use thiserror::Error;

use super::error::ProtocolError;

/// Gives a text that may change, which is read anew for each connection.
pub type Provider = Arc<dyn Fn() -> io::Result<String> + Send + Sync>;

/// The most bytes of a file that [`file`] reads.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A provider that reads a file of up to 1 MiB.
#[must_use]
pub fn file(path: impl Into<PathBuf>) -> Provider {
    let path = path.into();
    Arc::new(move || {
        let at =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let (mut text, limit) = (String::new(), MAX_FILE_BYTES + 1);
        let opened = fs::File::open(&path).map_err(at)?;
        opened.take(limit).read_to_string(&mut text).map_err(at)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(at(io::Error::other("the file has more than 1 MiB")));
        }
        Ok(text)
    })
}

/// A server, and what it takes to connect to it.
#[derive(Clone)]
pub struct Connect {
    /// The server as `HOST:PORT`. With TLS, its certificate has to be for this host.
    pub address: String,
    /// The root certificates in PEM that the server's has to come from. Without them, there is
    /// no TLS.
    pub roots: Option<Provider>,
    /// The token that proves who the client is. It is sent over TLS only.
    pub token: Option<Provider>,
}

impl fmt::Debug for Connect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connect")
            .field("address", &self.address)
            .field("roots", &self.roots.is_some())
            .field("token", &self.token.is_some())
            .finish()
    }
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The address can't be read.
    #[error("the address is not HOST:PORT")]
    Address,
    /// There are no root certificates.
    #[error("the root certificates can't be read: {0}")]
    ReadRoots(io::Error),
    /// The root certificates are of no use.
    #[error("the root certificates are invalid: {0}")]
    Roots(pillion_certs::Error),
    /// There is no token.
    #[error("the token can't be read: {0}")]
    ReadToken(io::Error),
    /// The token is of no use.
    #[error("the token is empty, or has characters that no token has")]
    Token,
    /// Nobody accepts.
    #[error("can't connect: {0}")]
    Connect(io::Error),
    /// One of both does not believe the other.
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    /// The server chose another protocol, or none.
    #[error("the server does not speak HTTP/2")]
    Protocol,
    /// It takes too long.
    #[error("no connection within {0:?}")]
    Timeout(std::time::Duration),
    /// The server does not speak HTTP/2 as it should.
    #[error("the HTTP/2 handshake failed: {0}")]
    Http2(hyper::Error),
}

/// Why there is no stream, or no longer.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the server ended the stream")]
    Ended,
    #[error("the server ended the stream: {}: {}", .0.code(), crate::limits::shorten(.0.message(), 500))]
    Status(Box<tonic::Status>),
    #[error("the stream is renewed, to subscribe to everything again")]
    Renewed,
    #[error("no answer within {0:?}")]
    Silent(std::time::Duration),
    #[error(transparent)]
    Broken(#[from] ProtocolError),
}
