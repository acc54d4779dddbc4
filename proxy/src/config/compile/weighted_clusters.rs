//! Several clusters that share the requests of a route.

use pillion_envoy_api::envoy::config::route::v3::{
    WeightedCluster as WeightedClusterMessage,
    weighted_cluster::{ClusterWeight, cluster_weight::HostRewriteSpecifier},
};

use super::{
    fault::{Fault, each, refuse_if},
    filters::check_filter_configs,
    headers::EditFields,
    redirect::written,
    scope::Scope,
};
use crate::tables::{HeaderLevels, WeightedCluster, WeightedClusters};

/// Clusters of one route.
pub(super) const MAX_CLUSTERS: usize = 1_024;

pub(super) fn weighted_clusters(
    scope: &Scope<'_>,
    message: WeightedClusterMessage,
) -> Result<WeightedClusters, Fault> {
    let WeightedClusterMessage {
        clusters,
        // As in Envoy, the sum of the weights counts.
        total_weight: _,
        runtime_key_prefix,
        random_value_specifier,
    } = message;
    refuse_if(!runtime_key_prefix.is_empty(), "runtime_key_prefix")?;
    refuse_if(random_value_specifier.is_some(), "random_value_specifier")?;
    let clusters = each("clusters", MAX_CLUSTERS, clusters, |cluster| {
        cluster_weight(scope, cluster)
    })?;
    let clusters = WeightedClusters::new(clusters);
    clusters.ok_or_else(|| Fault::new("clusters", "must have a weight greater than 0 among them"))
}

fn cluster_weight(scope: &Scope<'_>, message: ClusterWeight) -> Result<WeightedCluster, Fault> {
    let ClusterWeight {
        name,
        cluster_header,
        weight,
        metadata_match,
        request_headers_to_add,
        request_headers_to_remove,
        response_headers_to_add,
        response_headers_to_remove,
        typed_per_filter_config,
        host_rewrite_specifier,
    } = message;
    refuse_if(!cluster_header.is_empty(), "cluster_header")?;
    refuse_if(metadata_match.is_some(), "metadata_match")?;
    check_filter_configs(&typed_per_filter_config)?;
    let request = EditFields::request(request_headers_to_add, request_headers_to_remove);
    let response = EditFields::response(response_headers_to_add, response_headers_to_remove);
    let host_rewrite = match host_rewrite_specifier {
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) if !host.is_empty() => {
            Some(written("host_rewrite_literal", &host)?)
        }
        _ => None,
    };
    Ok(WeightedCluster {
        name: scope.cluster("name", &name)?,
        weight: weight.unwrap_or(0),
        request_headers: HeaderLevels::new([request.compile()?]),
        response_headers: HeaderLevels::new([response.compile()?]),
        host_rewrite,
    })
}
