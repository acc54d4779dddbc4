//! What connections share.

use tokio_util::sync::CancellationToken;

use super::limits::Limits;
use crate::metrics::Http2;

/// What connections share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// The bounds of each.
    pub limits: Limits,
    /// Once it is cancelled, connections from clients take no new requests and end with the last
    /// one.
    pub drain: CancellationToken,
    /// What no request tells of.
    pub metrics: Http2,
}
