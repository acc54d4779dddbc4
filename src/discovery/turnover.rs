//! What follows of the CA: proxies are told of the roots that they trust, and whoever issues
//! certificates of what they are signed with.

use std::sync::Arc;

use pillion_certs::Bundle;
use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};

use super::{metrics::Metrics, update::Update};
use crate::certificates::Issuing;

/// Follows the CA until nobody tells of it.
pub(super) async fn run(
    mut issuing: watch::Receiver<Option<Arc<Issuing>>>,
    updates: mpsc::Sender<Update>,
    metrics: Arc<Metrics>,
) {
    let mut roots = None;
    loop {
        let now = issuing.borrow_and_update().clone();
        if let Some(now) = now {
            let expires = now.signer.not_after().map(OffsetDateTime::unix_timestamp);
            metrics.ca_expires(expires.unwrap_or_default());
            let is_first = roots.is_none();
            if !tell(&updates, &mut roots, &now.roots).await {
                return;
            }
            if is_first {
                // Nothing is rendered before: a proxy would be told that there are no roots.
                let _ = updates.send(Update::Synced).await;
            }
        }
        if issuing.changed().await.is_err() {
            return;
        }
    }
}

/// Tells proxies of their roots, if these have changed. Returns whether anybody listens.
async fn tell(updates: &mpsc::Sender<Update>, before: &mut Option<Bundle>, now: &Bundle) -> bool {
    if before.as_ref() == Some(now) {
        return true;
    }
    *before = Some(now.clone());
    let update = Update::Roots(now.to_pem().into());
    updates.send(update).await.is_ok()
}
