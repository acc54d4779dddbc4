//! Where a request goes, and how.

use std::time::Duration;

use pillion_envoy_api::envoy::config::{
    core::v3::RoutingPriority,
    route::v3::{
        RouteAction,
        route_action::{
            ClusterNotFoundResponseCode, ClusterSpecifier, HostRewriteSpecifier, MaxStreamDuration,
            UpgradeConfig,
        },
    },
};

use super::{
    fault::{Fault, at, at_index, refuse_if},
    redirect::written,
    retry::retry_policy,
    scope::Scope,
    text::path_rewrite,
    upgrades::check_upgrade,
    values::{duration, limit},
    weighted_clusters::weighted_clusters,
};
use crate::tables::{ClusterChoice, Forward, GrpcTimeout, PathRewrite, RetryPolicy};

/// Envoy's default. Istio always says how long, or 0 for no limit.
const TIMEOUT: Duration = Duration::from_secs(15);

/// `host_retry` is the virtual host's policy, for routes without one.
pub(super) fn route_action(
    scope: &Scope<'_>,
    message: RouteAction,
    host_retry: Option<&RetryPolicy>,
) -> Result<Forward, Fault> {
    let RouteAction {
        cluster_specifier,
        cluster_not_found_response_code,
        metadata_match,
        prefix_rewrite,
        regex_rewrite,
        host_rewrite_specifier,
        append_x_forwarded_host,
        timeout,
        idle_timeout,
        flush_timeout,
        retry_policy: retry,
        request_mirror_policies,
        priority,
        // For balancers that clusters are refused for.
        hash_policy: _,
        max_grpc_timeout,
        grpc_timeout_offset,
        upgrade_configs,
        internal_redirect_policy,
        hedge_policy,
        max_stream_duration,
    } = message;
    let unavailable = i32::from(ClusterNotFoundResponseCode::ServiceUnavailable);
    let answers_otherwise = cluster_not_found_response_code != unavailable;
    refuse_if(answers_otherwise, "cluster_not_found_response_code")?;
    refuse_if(metadata_match.is_some(), "metadata_match")?;
    refuse_if(append_x_forwarded_host, "append_x_forwarded_host")?;
    refuse_if(
        limit("idle_timeout", idle_timeout)?.is_some(),
        "idle_timeout",
    )?;
    refuse_if(
        limit("flush_timeout", flush_timeout)?.is_some(),
        "flush_timeout",
    )?;
    refuse_if(
        !request_mirror_policies.is_empty(),
        "request_mirror_policies",
    )?;
    refuse_if(priority != i32::from(RoutingPriority::Default), "priority")?;
    refuse_if(
        limit("grpc_timeout_offset", grpc_timeout_offset)?.is_some(),
        "grpc_timeout_offset",
    )?;
    refuse_if(
        internal_redirect_policy.is_some(),
        "internal_redirect_policy",
    )?;
    refuse_if(hedge_policy.is_some(), "hedge_policy")?;
    for (index, message) in upgrade_configs.into_iter().enumerate() {
        upgrade(message).map_err(at_index("upgrade_configs", index))?;
    }
    let timeout = duration("timeout", timeout)?.unwrap_or(TIMEOUT);
    let max_grpc_timeout = duration("max_grpc_timeout", max_grpc_timeout)?;
    let stream = stream_duration(max_stream_duration.unwrap_or_default());
    let max_grpc_timeout = stream
        .map_err(at("max_stream_duration"))?
        .or(max_grpc_timeout);
    Ok(Forward {
        clusters: clusters(scope, cluster_specifier)?,
        timeout: (!timeout.is_zero()).then_some(timeout),
        grpc_timeout: match max_grpc_timeout {
            None => GrpcTimeout::Ignored,
            Some(limit) if limit.is_zero() => GrpcTimeout::Honored,
            Some(limit) => GrpcTimeout::Capped(limit),
        },
        retry: match retry {
            Some(policy) => retry_policy(policy).map_err(at("retry_policy"))?,
            None => host_retry.cloned(),
        },
        path_rewrite: match (prefix_rewrite.as_str(), regex_rewrite) {
            ("", None) => None,
            ("", Some(regex)) => Some(path_rewrite(scope, "regex_rewrite", regex)?),
            (prefix, None) => Some(PathRewrite::Matched(written("prefix_rewrite", prefix)?)),
            (_, Some(_)) => {
                let reason = "can't be there together with prefix_rewrite";
                return Err(Fault::new("regex_rewrite", reason));
            }
        },
        host_rewrite: host_rewrite(host_rewrite_specifier)?,
    })
}

fn clusters(
    scope: &Scope<'_>,
    specifier: Option<ClusterSpecifier>,
) -> Result<ClusterChoice, Fault> {
    match specifier {
        Some(ClusterSpecifier::Cluster(name)) => {
            Ok(ClusterChoice::One(scope.cluster("cluster", &name)?))
        }
        Some(ClusterSpecifier::WeightedClusters(clusters)) => {
            let clusters = weighted_clusters(scope, clusters);
            Ok(ClusterChoice::Weighted(
                clusters.map_err(at("weighted_clusters"))?,
            ))
        }
        Some(ClusterSpecifier::ClusterHeader(_)) => Err(Fault::unsupported("cluster_header")),
        None => Err(Fault::new("cluster_specifier", "is missing")),
    }
}

fn host_rewrite(specifier: Option<HostRewriteSpecifier>) -> Result<Option<Box<[u8]>>, Fault> {
    match specifier {
        None | Some(HostRewriteSpecifier::AutoHostRewrite(false)) => Ok(None),
        Some(HostRewriteSpecifier::HostRewriteLiteral(host)) => {
            let host = written("host_rewrite_literal", &host)?;
            Ok((!host.is_empty()).then_some(host))
        }
        Some(HostRewriteSpecifier::AutoHostRewrite(true)) => {
            Err(Fault::unsupported("auto_host_rewrite"))
        }
        Some(HostRewriteSpecifier::HostRewriteHeader(_)) => {
            Err(Fault::unsupported("host_rewrite_header"))
        }
        Some(HostRewriteSpecifier::HostRewritePathRegex(_)) => {
            Err(Fault::unsupported("host_rewrite_path_regex"))
        }
    }
}

fn upgrade(message: UpgradeConfig) -> Result<(), Fault> {
    let UpgradeConfig {
        upgrade_type,
        enabled,
        connect_config,
    } = message;
    refuse_if(connect_config.is_some(), "connect_config")?;
    check_upgrade(&upgrade_type, enabled)
}

/// The longest `grpc-timeout`, 0 for any.
fn stream_duration(message: MaxStreamDuration) -> Result<Option<Duration>, Fault> {
    let MaxStreamDuration {
        max_stream_duration,
        grpc_timeout_header_max,
        grpc_timeout_header_offset,
    } = message;
    let has_end = limit("max_stream_duration", max_stream_duration)?.is_some();
    refuse_if(has_end, "max_stream_duration")?;
    let has_offset = limit("grpc_timeout_header_offset", grpc_timeout_header_offset)?.is_some();
    refuse_if(has_offset, "grpc_timeout_header_offset")?;
    duration("grpc_timeout_header_max", grpc_timeout_header_max)
}
