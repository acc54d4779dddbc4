//! Handshakes with clients.

use std::{sync::Arc, time::Duration};

use pillion_certs::mesh::Peer;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{failure::TlsFailure, secured::Secured, worker::Transport};
use crate::{
    bounds::HEAD_TIME,
    net::{input::Input, read_ahead::ReadAhead, stream::Stream, tls::TlsStream},
    tables::{ClientHello, DownstreamTls},
};

/// How long a client may take to read why it was refused, and how much it may say meanwhile: a socket
/// that is closed with unread bytes resets the connection, and the client would not hear it.
const LAST_WORDS: Duration = Duration::from_secs(1);
const LAST_BYTES: usize = 64 * 1024;

/// Does the handshake with a client that has sent these bytes.
///
/// # Errors
///
/// When the client does not prove who it is, as `tls` wants it, or not in time.
pub(crate) async fn accept(
    transport: &Transport,
    tls: &Arc<DownstreamTls>,
    (stream, received): (TcpStream, Input),
    hello: ClientHello,
) -> Result<(Stream, Secured), TlsFailure> {
    let credentials = transport.credentials()?;
    // A client that offers none of the protocols is served all the same, as by Envoy.
    let is_offered = |own: &str| hello.protocols.iter().any(|it| **it == *own.as_bytes());
    let agrees = tls.alpn.iter().any(|own| is_offered(own));
    let config = transport.configs.server(&credentials, tls, agrees)?;
    let accepting = TlsAcceptor::from(config).accept(ReadAhead::new(stream, received));
    let accepted = match timeout(HEAD_TIME, accepting.into_fallible()).await {
        Ok(Ok(accepted)) => accepted,
        Ok(Err((error, stream))) => {
            let _ = timeout(LAST_WORDS, part(stream.into_tcp())).await;
            return Err(error.into());
        }
        Err(_) => return Err(TlsFailure::TimedOut(HEAD_TIME)),
    };
    let mut stream = TlsStream::with_client(accepted, &transport.configs.violations);
    let peer = match Peer::admit(stream.state(), OffsetDateTime::now_utc()) {
        Ok(peer) => peer,
        Err(fault) => {
            // Of a session that goes on, only the certificate has ended: there is no alert to send.
            let _ = timeout(LAST_WORDS, stream.shutdown()).await;
            return Err(fault.into());
        }
    };
    let secured = Secured::new(hello, peer, stream.state(), &credentials);
    Ok((Stream::Tls(Box::new(stream)), secured))
}

/// Ends a connection so that the client gets what was sent last.
async fn part(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut unread = [0; 1024];
    let mut left = LAST_BYTES;
    while let Ok(read) = stream.read(&mut unread).await {
        left = left.saturating_sub(read);
        if read == 0 || left == 0 {
            return;
        }
    }
}
