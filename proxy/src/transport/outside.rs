//! rustls' configurations for servers outside the mesh.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use pillion_certs::mesh::{
    EndpointConfig, EndpointConfigs, OutsideName, OutsideProof, OutsideRoots, outside_client_config,
};
use rustls::ClientConfig;
use time::OffsetDateTime;

use super::{failure::TlsFailure, root_files::RootFiles};
use crate::tables::{Carried, Outside, UpstreamTls};

/// Configurations that are kept.
const MAX_CONFIGS: usize = 1_024;
/// Endpoints whose sessions are kept, of all configurations together. A server outside the mesh may send tickets of up
/// to 64 KiB, four of which are kept: 32 MiB at most.
const MAX_ENDPOINTS: usize = 128;

/// What the workers of a process share.
#[derive(Debug)]
pub(super) struct OutsideConfigs {
    files: RootFiles,
    made: Mutex<HashMap<(Arc<UpstreamTls>, Carried), Made>>,
    /// The sessions with servers.
    endpoints: EndpointConfigs,
}

/// A configuration, and the roots that it is for.
#[derive(Debug)]
struct Made {
    roots: Option<Arc<OutsideRoots>>,
    config: Arc<ClientConfig>,
}

impl Default for OutsideConfigs {
    fn default() -> Self {
        Self {
            files: RootFiles::default(),
            made: Mutex::default(),
            endpoints: EndpointConfigs::new(MAX_ENDPOINTS),
        }
    }
}

impl OutsideConfigs {
    /// The configuration for connections to that endpoint of a cluster, with its sessions. Sessions of other roots
    /// are not resumed.
    pub async fn client(
        &self,
        tls: &Arc<UpstreamTls>,
        outside: &Outside,
        (carried, to): (Carried, SocketAddr),
    ) -> Result<Arc<EndpointConfig>, TlsFailure> {
        let checked = match outside {
            Outside::Unchecked => None,
            Outside::Checked { roots, names } => Some((self.files.of(roots).await?, &**names)),
        };
        let config = self.common(tls, carried, checked)?;
        Ok(self.endpoints.of(&config, to, OffsetDateTime::now_utc()))
    }

    /// The configuration for whoever has these roots behind its certificate and one of these names; without both,
    /// for anybody.
    fn common(
        &self,
        tls: &Arc<UpstreamTls>,
        carried: Carried,
        checked: Option<(Arc<OutsideRoots>, &[OutsideName])>,
    ) -> Result<Arc<ClientConfig>, TlsFailure> {
        let key = (Arc::clone(tls), carried);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let roots = checked.as_ref().map(|(roots, _)| Arc::clone(roots));
        let place = |roots: &Option<Arc<OutsideRoots>>| roots.as_ref().map(Arc::as_ptr);
        if let Some(known) = made.get(&key)
            && place(&known.roots) == place(&roots)
        {
            return Ok(Arc::clone(&known.config));
        }
        let proof = match checked {
            None => OutsideProof::None,
            Some((roots, names)) => {
                OutsideProof::Roots(OutsideRoots::clone(&roots), names.to_vec())
            }
        };
        let config = outside_client_config(proof, tls.offered(carried))?;
        if made.len() >= MAX_CONFIGS {
            made.clear();
        }
        let new = Made {
            roots,
            config: Arc::clone(&config),
        };
        made.insert(key, new);
        Ok(config)
    }
}
