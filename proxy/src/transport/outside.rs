//! rustls' configurations for servers outside the mesh.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use pillion_certs::{
    Pair,
    mesh::{
        EndpointConfig, EndpointConfigs, OutsideName, OutsideProof, OutsideRoots,
        outside_client_config,
    },
};
use rustls::ClientConfig;
use time::OffsetDateTime;

use super::{certificate_files::PairFiles, failure::TlsFailure, root_files::RootFiles};
use crate::tables::{Carried, Outside, Proof, UpstreamTls};

/// Configurations that are kept.
const MAX_CONFIGS: usize = 1_024;
/// Endpoints whose sessions are kept, of all configurations together. A server outside the mesh may send tickets of up
/// to 64 KiB, four of which are kept: 32 MiB at most.
const MAX_ENDPOINTS: usize = 128;

/// What the workers of a process share.
#[derive(Debug)]
pub(super) struct OutsideConfigs {
    roots: RootFiles,
    pairs: PairFiles,
    made: Mutex<HashMap<(Arc<UpstreamTls>, Carried), Made>>,
    /// The sessions with servers.
    endpoints: EndpointConfigs,
}

/// A configuration, and the roots and the certificate that it is for.
#[derive(Debug)]
struct Made {
    roots: Option<Arc<OutsideRoots>>,
    shown: Option<Arc<Pair>>,
    config: Arc<ClientConfig>,
}

/// The roots behind a server's certificate, and the names that it may have.
type Checked<'a> = (Arc<OutsideRoots>, &'a [OutsideName]);

impl Default for OutsideConfigs {
    fn default() -> Self {
        Self {
            roots: RootFiles::default(),
            pairs: PairFiles::default(),
            made: Mutex::default(),
            endpoints: EndpointConfigs::new(MAX_ENDPOINTS),
        }
    }
}

impl OutsideConfigs {
    /// The configuration for connections to that endpoint of a cluster, with its sessions. Sessions of other
    /// roots, and of another certificate of this end, are not resumed.
    pub async fn client(
        &self,
        tls: &Arc<UpstreamTls>,
        outside: &Outside,
        (carried, to): (Carried, SocketAddr),
    ) -> Result<Arc<EndpointConfig>, TlsFailure> {
        let checked = match &outside.proof {
            Proof::Unchecked => None,
            Proof::Checked { roots, names } => Some((self.roots.of(roots).await?, &**names)),
        };
        let shown = match &outside.shown {
            None => None,
            Some(files) => Some(self.pairs.of(files).await?),
        };
        let config = self.common(tls, carried, (checked, shown))?;
        Ok(self.endpoints.of(&config, to, OffsetDateTime::now_utc()))
    }

    /// The configuration for whoever has these roots behind its certificate and one of these names; without both,
    /// for anybody. They are shown this certificate, if there is one.
    fn common(
        &self,
        tls: &Arc<UpstreamTls>,
        carried: Carried,
        (checked, shown): (Option<Checked<'_>>, Option<Arc<Pair>>),
    ) -> Result<Arc<ClientConfig>, TlsFailure> {
        let key = (Arc::clone(tls), carried);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let roots = checked.as_ref().map(|(roots, _)| Arc::clone(roots));
        if let Some(known) = made.get(&key)
            && is_same(known.roots.as_ref(), roots.as_ref())
            && is_same(known.shown.as_ref(), shown.as_ref())
        {
            return Ok(Arc::clone(&known.config));
        }
        let proof = match checked {
            None => OutsideProof::None,
            Some((roots, names)) => {
                OutsideProof::Roots(OutsideRoots::clone(&roots), names.to_vec())
            }
        };
        let config = outside_client_config(proof, shown.as_deref(), tls.offered(carried))?;
        if made.len() >= MAX_CONFIGS {
            made.clear();
        }
        let new = Made {
            roots,
            shown,
            config: Arc::clone(&config),
        };
        made.insert(key, new);
        Ok(config)
    }
}

/// Whether both are the same state of a file, or there is none.
fn is_same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}
