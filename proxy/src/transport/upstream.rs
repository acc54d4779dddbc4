//! Handshakes with servers.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pillion_certs::mesh::Peer;
use rustls::pki_types::ServerName;
use time::OffsetDateTime;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{failure::TlsFailure, worker::Transport};
use crate::{
    net::{input::Input, read_ahead::ReadAhead, stream::Stream, tls::TlsStream},
    records::Parties,
    tables::{Carried, UpstreamTls},
};

/// Does the handshake with an endpoint, and says who speaks to whom.
///
/// # Errors
///
/// When the server does not prove who it is, as `tls` wants it, or not in time. Whether it takes this
/// end's certificate shows with the first bytes that it sends.
pub(crate) async fn secure(
    transport: &Transport,
    tls: &UpstreamTls,
    (carried, to): (Carried, SocketAddr),
    stream: TcpStream,
    within: Duration,
) -> Result<(Stream, Arc<Parties>), TlsFailure> {
    let credentials = transport.credentials()?;
    let configs = transport.configs.client(&credentials, tls, carried)?;
    let config = configs.of(to, OffsetDateTime::now_utc());
    let stream = ReadAhead::new(stream, Input::default());
    let connecting = TlsConnector::from(config).connect(name(tls, to), stream);
    let connected = match timeout(within, connecting).await {
        Ok(connected) => connected?,
        Err(_) => return Err(TlsFailure::TimedOut(within)),
    };
    let stream = TlsStream::from(connected);
    let peer = Peer::admit(stream.state(), OffsetDateTime::now_utc())?;
    configs.admitted(to, peer.validity().not_after);
    let parties = Parties::new(credentials.identity.id().as_str(), peer.uri());
    Ok((Stream::Tls(Box::new(stream)), Arc::new(parties)))
}

/// The name that is asked for; an address is not sent.
fn name(tls: &UpstreamTls, to: SocketAddr) -> ServerName<'static> {
    let named = ServerName::try_from(tls.sni.to_string());
    named.unwrap_or_else(|_| ServerName::IpAddress(to.ip().into()))
}
