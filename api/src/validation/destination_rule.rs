//! `DestinationRule`.

use std::collections::HashSet;

use super::{client_tls::client_tls, destination::port_selector, limits, names};
use crate::{
    ConnectionPoolSettings, DestinationRuleSpec, Duration, H2UpgradePolicy, Metadata,
    PortTrafficPolicy, TrafficPolicy, findings::Findings,
};

/// Validates a `DestinationRule`.
pub(crate) fn destination_rule(
    findings: &mut Findings,
    metadata: &Metadata,
    spec: &DestinationRuleSpec,
) {
    findings.at("host", |findings| names::host(findings, &spec.host));
    findings.some("trafficPolicy", spec.traffic_policy.as_ref(), policy);
    findings.at("subsets", |findings| {
        limits::count(findings, spec.subsets.len(), limits::SUBSETS);
    });
    let mut seen = HashSet::new();
    findings.each("subsets", &spec.subsets, |findings, subset| {
        findings.at("name", |findings| {
            names::label(findings, &subset.name);
            if !seen.insert(&subset.name) {
                findings.fault("another subset has this name already");
            }
        });
        names::labels(findings, "labels", &subset.labels);
        findings.some("trafficPolicy", subset.traffic_policy.as_ref(), policy);
    });
    names::export_to(findings, &metadata.namespace, &spec.export_to, false);
}

/// A policy of a rule or a subset.
fn policy(findings: &mut Findings, policy: &TrafficPolicy) {
    let TrafficPolicy {
        load_balancer,
        connection_pool,
        outlier_detection,
        tls,
        port_level_settings,
        tunnel,
        proxy_protocol,
        retry_budget,
    } = policy;
    let others = [outlier_detection, tunnel, proxy_protocol, retry_budget];
    let blocks = load_balancer.is_some()
        || connection_pool.is_some()
        || tls.is_some()
        || !port_level_settings.is_empty();
    if !blocks && others.iter().all(|block| block.is_none()) {
        findings.fault("is empty: set a field in it, or remove it");
    }
    findings.some("connectionPool", connection_pool.as_ref(), pool);
    findings.some("tls", tls.as_ref(), client_tls);
    findings.at("portLevelSettings", |findings| {
        limits::count(findings, port_level_settings.len(), limits::PORTS);
    });
    let mut seen = HashSet::new();
    findings.each(
        "portLevelSettings",
        port_level_settings,
        |findings, settings| {
            port_policy(findings, settings);
            if settings.port.is_some_and(|port| !seen.insert(port.number)) {
                findings.at("port", |findings| {
                    findings.fault("another element is for this port already");
                });
            }
        },
    );
}

/// A policy of one port.
fn port_policy(findings: &mut Findings, settings: &PortTrafficPolicy) {
    match &settings.port {
        None => findings.at("port", |findings| findings.fault("must be set")),
        Some(port) => findings.at("port", |findings| port_selector(findings, port)),
    }
    if settings.load_balancer.is_none()
        && settings.connection_pool.is_none()
        && settings.tls.is_none()
        && settings.outlier_detection.is_none()
    {
        findings.fault("is empty: set a field besides port, or remove it");
    }
    findings.some("connectionPool", settings.connection_pool.as_ref(), pool);
    findings.some("tls", settings.tls.as_ref(), client_tls);
}

/// Limits of connections and requests.
fn pool(findings: &mut Findings, pool: &ConnectionPoolSettings) {
    if pool.tcp.is_none() && pool.http.is_none() {
        findings.fault("is empty: set tcp or http in it, or remove it");
    }
    findings.some("tcp", pool.tcp.as_ref(), |findings, tcp| {
        findings.some(
            "connectTimeout",
            tcp.connect_timeout.as_ref(),
            names::duration,
        );
        // 0s is no limit.
        let idle = tcp
            .idle_timeout
            .filter(|timeout| *timeout != Duration::default());
        findings.some("idleTimeout", idle.as_ref(), names::duration);
    });
    findings.some("http", pool.http.as_ref(), |findings, http| {
        findings.some("idleTimeout", http.idle_timeout.as_ref(), names::duration);
        if http.use_client_protocol && http.h2_upgrade_policy == Some(H2UpgradePolicy::Upgrade) {
            findings.at("useClientProtocol", |findings| {
                findings.fault("contradicts h2UpgradePolicy: UPGRADE");
            });
        }
    });
}
