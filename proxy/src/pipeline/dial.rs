//! A new connection to a server, by TLS where that is for it.

use std::{io, sync::Arc};

use tokio::time::Instant;

use super::worker::Worker;
use crate::{
    net::stream::{Stream, connect},
    pool::Destination,
    records::Parties,
    tables::{Carried, Cluster},
    transport::{TlsFailure, secure},
};

/// Why there is no connection.
pub(crate) enum Undialled {
    /// The server could not be reached.
    Connect(io::Error),
    /// It has not proved who it is. The log says so.
    Tls(TlsFailure),
}

/// Connects to a server of a cluster, within the time that the cluster has for it, and says who speaks to
/// whom, if both have proved it.
pub(crate) async fn dial(
    worker: &Worker,
    cluster: &Cluster,
    to: Destination,
    carried: Carried,
) -> Result<(Stream, Option<Arc<Parties>>), Undialled> {
    let settings = &cluster.settings;
    let (within, began) = (settings.connect_timeout, Instant::now());
    let connected = connect(to.address, to.source, within).await;
    let stream = connected.map_err(Undialled::Connect)?;
    let (tls, stream) = match (to.secured.and(settings.tls.as_ref()), stream) {
        (Some(tls), Stream::Tcp(stream)) => (tls, stream),
        (_, stream) => return Ok((stream, None)),
    };
    let (inside, time) = ((carried, to.address), (began, within));
    // Few connections are being made, and all others need not have room for it.
    let done = Box::pin(secure(&worker.transport, tls, inside, stream, time)).await;
    match done {
        Ok(secured) => Ok(secured),
        Err(failure) => {
            worker.warn_of_server(to.address, &settings.name, &failure);
            Err(Undialled::Tls(failure))
        }
    }
}
