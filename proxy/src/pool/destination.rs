//! What connections have to have in common to be shared.

use std::net::{IpAddr, SocketAddr};

/// Where a connection goes, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    pub address: SocketAddr,
    /// The local address that it is bound to, if any.
    pub source: Option<IpAddr>,
    /// The number of its cluster's mark: clusters don't use each other's connections, nor
    /// those that were made under other settings.
    pub mark: u64,
    /// Where the server has to prove who it is: the number of those who are trusted. `None` for
    /// plaintext.
    pub secured: Option<u64>,
}
