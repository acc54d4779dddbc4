//! The statuses that discovery writes.

use std::time::Duration;

use kube::api::ListParams;

use crate::{
    cluster::{Cluster, within},
    names::{NAMESPACES, namespace},
};

/// How long all statuses may take: discovery writes about ten in a second.
const PATIENCE: Duration = Duration::from_mins(15);
/// All rules are listed each time.
const PAUSE: Duration = Duration::from_secs(2);

/// Waits until all rules have a status. Writing them is no part of what idleness costs.
pub(crate) async fn written(cluster: &Cluster) -> anyhow::Result<()> {
    let all = async || -> anyhow::Result<_> { Ok(are_written(cluster).await?.then_some(())) };
    within(PATIENCE, PAUSE, "a status of each rule", all).await
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
