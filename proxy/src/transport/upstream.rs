//! Handshakes with servers.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pillion_certs::mesh::Peer;
use rustls::{ClientConfig, pki_types::ServerName};
use time::OffsetDateTime;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{configs::Configs, failure::TlsFailure, worker::Transport};
use crate::{
    identity::Credentials,
    net::{input::Input, read_ahead::ReadAhead, stream::Stream, tls::TlsStream},
    records::Parties,
    tables::{Carried, Outside, Proof, UpstreamTls},
};

/// Does the handshake with an endpoint, within the time that there has been for it since its connection was
/// begun, and says who speaks to whom, if both prove it.
///
/// # Errors
///
/// When the server does not prove who it is, as `tls` wants it, or not in time. Whether it takes this
/// end's certificate shows with the first bytes that it sends.
pub(crate) async fn secure(
    transport: &Transport,
    tls: &Arc<UpstreamTls>,
    inside: (Carried, SocketAddr),
    stream: TcpStream,
    time: (Instant, Duration),
) -> Result<(Stream, Option<Arc<Parties>>), TlsFailure> {
    let configs = &transport.configs;
    if let Some(outside) = &tls.outside {
        let stream = leave_mesh(configs, (tls, outside), inside, stream, time).await?;
        return Ok((Stream::Tls(Box::new(stream)), None));
    }
    let credentials = transport.credentials()?;
    let with = (&**configs, &*credentials);
    let (stream, peer) = shake_hands(with, tls, inside, stream, time).await?;
    let parties = Parties::new(credentials.identity.id().as_str(), peer.uri());
    Ok((Stream::Tls(Box::new(stream)), Some(Arc::new(parties))))
}

/// The same with these credentials, and with whom.
pub(super) async fn shake_hands(
    (configs, credentials): (&Configs, &Credentials),
    tls: &Arc<UpstreamTls>,
    (carried, to): (Carried, SocketAddr),
    stream: TcpStream,
    time: (Instant, Duration),
) -> Result<(TlsStream, Peer), TlsFailure> {
    let endpoint = configs.client(credentials, tls, (carried, to))?;
    let stream = connect(endpoint.config(), name(tls, to), stream, time).await?;
    let peer = Peer::admit(stream.state(), OffsetDateTime::now_utc())?;
    endpoint.admitted(peer.validity().not_after);
    Ok((stream, peer))
}

/// The same with a server outside the mesh, which is shown nothing of the mesh.
pub(super) async fn leave_mesh(
    configs: &Configs,
    (tls, outside): (&Arc<UpstreamTls>, &Outside),
    (carried, to): (Carried, SocketAddr),
    stream: TcpStream,
    (began, within): (Instant, Duration),
) -> Result<TlsStream, TlsFailure> {
    let preparing = configs.outside.client(tls, outside, (carried, to));
    let endpoint = match timeout_at(began + within, preparing).await {
        Ok(endpoint) => endpoint?,
        Err(_) => return Err(TlsFailure::TimedOut(within)),
    };
    let stream = connect(endpoint.config(), name(tls, to), stream, (began, within)).await?;
    if let Proof::Checked { .. } = outside.proof {
        let peer = Peer::admit(stream.state(), OffsetDateTime::now_utc())?;
        endpoint.admitted(peer.validity().not_after);
    }
    Ok(stream)
}

async fn connect(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: TcpStream,
    (began, within): (Instant, Duration),
) -> Result<TlsStream, TlsFailure> {
    let stream = ReadAhead::new(stream, Input::default());
    let connecting = TlsConnector::from(config).connect(name, stream);
    match timeout_at(began + within, connecting).await {
        Ok(connected) => Ok(TlsStream::from(connected?)),
        Err(_) => Err(TlsFailure::TimedOut(within)),
    }
}

/// The name that is asked for; an address is not sent.
fn name(tls: &UpstreamTls, to: SocketAddr) -> ServerName<'static> {
    let named = ServerName::try_from(tls.sni.to_string());
    named.unwrap_or_else(|_| ServerName::IpAddress(to.ip().into()))
}
