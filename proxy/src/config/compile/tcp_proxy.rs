//! TcpProxy: connections whose bytes are passed on.

use std::time::Duration;

use pillion_envoy_api::envoy::extensions::filters::network::tcp_proxy::v3::{
    TcpProxy,
    tcp_proxy::{
        ClusterSpecifier, WeightedCluster as WeightedClusterMessage,
        weighted_cluster::ClusterWeight,
    },
};

use super::{
    fault::{Fault, at, each, refuse_if},
    scope::Scope,
    values::{duration, limit},
    weighted_clusters::MAX_CLUSTERS,
};
use crate::tables::{ClusterChoice, TcpForward, WeightedCluster, WeightedClusters};

/// Envoy's default.
const IDLE: Duration = Duration::from_secs(3600);
/// As good as no limit.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Where a filter chain's connections go, whichever ones these are.
pub(super) fn tcp_proxy(scope: &Scope<'_>, message: TcpProxy) -> Result<TcpForward, Fault> {
    let TcpProxy {
        // For Envoy's own statistics.
        stat_prefix: _,
        cluster_specifier,
        metadata_match,
        idle_timeout,
        downstream_idle_timeout,
        upstream_idle_timeout,
        // The proxy's log is the mesh's, by its environment.
        access_log: _,
        max_connect_attempts,
        max_downstream_connection_duration,
    } = message;
    refuse_if(metadata_match.is_some(), "metadata_match")?;
    refuse_if(downstream_idle_timeout.is_some(), "downstream_idle_timeout")?;
    refuse_if(upstream_idle_timeout.is_some(), "upstream_idle_timeout")?;
    let tries_again = max_connect_attempts.is_some_and(|attempts| attempts > 1);
    refuse_if(tries_again, "max_connect_attempts")?;
    let longest = limit(
        "max_downstream_connection_duration",
        max_downstream_connection_duration,
    )?;
    refuse_if(longest.is_some(), "max_downstream_connection_duration")?;
    let clusters = match cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => {
            ClusterChoice::One(scope.cluster("cluster", &name)?)
        }
        Some(ClusterSpecifier::WeightedClusters(clusters)) => {
            let clusters = weighted(scope, clusters).map_err(at("weighted_clusters"))?;
            ClusterChoice::Weighted(clusters)
        }
        None => return Err(Fault::new("cluster_specifier", "is missing")),
    };
    let idle = duration("idle_timeout", idle_timeout)?.unwrap_or(IDLE);
    Ok(TcpForward {
        clusters,
        idle_timeout: if idle.is_zero() { FOR_EVER } else { idle },
    })
}

fn weighted(scope: &Scope<'_>, message: WeightedClusterMessage) -> Result<WeightedClusters, Fault> {
    let WeightedClusterMessage { clusters } = message;
    let clusters = each("clusters", MAX_CLUSTERS, clusters, |message| {
        let ClusterWeight {
            name,
            weight,
            metadata_match,
        } = message;
        refuse_if(metadata_match.is_some(), "metadata_match")?;
        Ok(WeightedCluster {
            name: scope.cluster("name", &name)?,
            ..WeightedCluster::new("", weight)
        })
    })?;
    let clusters = WeightedClusters::new(clusters);
    clusters.ok_or_else(|| Fault::new("clusters", "must have a weight greater than 0 among them"))
}
