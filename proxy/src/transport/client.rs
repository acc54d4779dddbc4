//! TLS handshakes outside of the workers, such as those of the exporter of spans.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pillion_certs::mesh::Trust;
use tokio::{net::TcpStream, sync::watch, time::Instant};

use super::{
    configs::Configs,
    failure::TlsFailure,
    upstream::{leave_mesh, shake_hands},
    worker::valid,
};
use crate::{
    identity::Credentials,
    net::tls::TlsStream,
    tables::{Carried, UpstreamTls},
};

/// What handshakes with servers use on any thread. It shares sessions with the workers.
#[derive(Debug, Clone)]
pub(crate) struct ClientTransport {
    configs: Arc<Configs>,
    credentials: watch::Receiver<Option<Arc<Credentials>>>,
}

impl ClientTransport {
    /// Each handshake uses the newest credentials that the channel has at that time.
    pub fn new(
        configs: &Arc<Configs>,
        credentials: &watch::Receiver<Option<Arc<Credentials>>>,
    ) -> Self {
        Self {
            configs: Arc::clone(configs),
            credentials: credentials.clone(),
        }
    }

    /// Does the handshake with a server, within the time that there has been for it since its connection was
    /// begun, and says by whose word it is believed, if it is one of the mesh.
    ///
    /// # Errors
    ///
    /// When the server does not prove who it is, as `tls` wants it, or not in time.
    pub async fn secure(
        &self,
        tls: &Arc<UpstreamTls>,
        inside: (Carried, SocketAddr),
        stream: TcpStream,
        time: (Instant, Duration),
    ) -> Result<(TlsStream, Option<Arc<Trust>>), TlsFailure> {
        if let Some(outside) = &tls.outside {
            let tls = (tls, outside);
            let stream = leave_mesh(&self.configs, tls, inside, stream, time).await?;
            return Ok((stream, None));
        }
        let credentials = valid(self.credentials.borrow().as_ref())?;
        let with = (&*self.configs, &*credentials);
        let (stream, _) = shake_hands(with, tls, inside, stream, time).await?;
        Ok((stream, Some(Arc::clone(&credentials.trust))))
    }

    /// Whether these are the roots that are trusted now.
    pub fn trusts(&self, trust: &Trust) -> bool {
        let newest = self.credentials.borrow();
        newest
            .as_ref()
            .is_some_and(|newest| *newest.trust == *trust)
    }
}
