//! What certificates are signed with.

use pillion_certs::{Bundle, Issuer};

/// The CA that signs now, and whom workloads trust. A change replaces all of it at once.
#[derive(Debug)]
pub(in crate::discovery) struct Signing {
    /// The CA with its key.
    pub issuer: Issuer,
    /// All roots that are trusted, also those that sign no more, or not yet.
    pub roots: Bundle,
    /// The trust domain of the identities that are issued.
    pub trust_domain: String,
}
