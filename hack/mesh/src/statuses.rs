//! The statuses that discovery writes.

use std::time::Duration;

use kube::api::ListParams;
use tokio::time::{Instant, sleep};

use crate::{
    cluster::Cluster,
    names::{NAMESPACES, namespace},
};

/// How long all statuses may take: discovery writes about ten in a second.
const PATIENCE: Duration = Duration::from_mins(15);

/// Waits until all rules have a status. Writing them is no part of what idleness costs.
pub(crate) async fn written(cluster: &Cluster) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !are_written(cluster).await? {
        anyhow::ensure!(
            Instant::now() < deadline,
            "not all rules have a status in time"
        );
        sleep(Duration::from_secs(2)).await;
    }
    Ok(())
}

async fn are_written(cluster: &Cluster) -> anyhow::Result<bool> {
    for number in 0..NAMESPACES {
        for kind in ["VirtualService", "DestinationRule"] {
            let rules = cluster.rules(kind, &namespace(number));
            let all = rules.list(&ListParams::default()).await?;
            if all.iter().any(|rule| rule.data.get("status").is_none()) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
