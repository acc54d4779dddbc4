//! What a workload proves itself with, and whom it believes.

use std::{fmt, sync::Arc};

use pillion_certs::mesh::{Identity, Trust, WorkloadKey};

/// What handshakes use from now on. Those of before stay as they are.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// The certificate and its key, which never leaves the process.
    pub identity: Arc<Identity>,
    /// The same key, where the agent runs an Envoy that uses it.
    pub for_envoy: Option<EnvoyKey>,
    /// Whose certificates are accepted.
    pub trust: Arc<Trust>,
    /// Grows with each change of either: what is made of them is kept by it. The first is 1.
    pub generation: u64,
}

/// A private key in PEM, which an Envoy beside this process is given.
#[derive(Clone)]
pub(crate) struct EnvoyKey(Arc<str>);

impl fmt::Debug for EnvoyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvoyKey")
    }
}

impl EnvoyKey {
    /// That key.
    pub fn new(key: &WorkloadKey) -> Self {
        Self(key.to_pem_for_envoy().into())
    }

    /// The text, for the answer to Envoy.
    pub fn pem(&self) -> &str {
        &self.0
    }
}
