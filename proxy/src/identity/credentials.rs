//! What a workload proves itself with, and whom it believes.

use std::sync::Arc;

use pillion_certs::mesh::{Identity, Trust};

/// What handshakes use from now on. Those of before stay as they are.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// The certificate and its key, which never leaves the process.
    pub identity: Arc<Identity>,
    /// Whose certificates are accepted.
    pub trust: Arc<Trust>,
    /// Grows with each change of either: what is made of them is kept by it. The first is 1.
    pub generation: u64,
}
