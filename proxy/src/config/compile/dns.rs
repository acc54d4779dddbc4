//! Clusters whose endpoints DNS names.

use std::time::Duration;

use pillion_envoy_api::envoy::config::{
    cluster::v3::cluster::DnsLookupFamily, endpoint::v3::ClusterLoadAssignment,
};

use super::{
    fault::{Fault, at, refuse_if},
    load_assignment::{LoadAssignment, load_assignment},
    values::duration,
};

/// Which addresses of a name are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Family {
    V4,
    V6,
    /// IPv4, and IPv6 where there is none.
    V4First,
    /// IPv6, and IPv4 where there is none.
    V6First,
    All,
}

/// The endpoints, some by name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dns {
    pub endpoints: LoadAssignment,
    pub family: Family,
    /// How long an answer holds; `None` for as long as it says itself.
    pub refresh: Option<Duration>,
    /// Of a name's addresses, one is used (`LOGICAL_DNS`).
    pub is_logical: bool,
}

/// The fields of a cluster that say it.
pub(super) struct DnsFields {
    pub load_assignment: ClusterLoadAssignment,
    pub dns_refresh_rate: Option<prost_types::Duration>,
    pub dns_jitter: Option<prost_types::Duration>,
    pub respect_dns_ttl: bool,
    pub dns_lookup_family: i32,
}

/// Envoy's default.
const REFRESH: Duration = Duration::from_secs(5);
/// More often than that helps nobody.
const MIN_REFRESH: Duration = Duration::from_secs(1);

pub(super) fn dns(fields: DnsFields, is_logical: bool) -> Result<Dns, Fault> {
    let DnsFields {
        load_assignment,
        dns_refresh_rate,
        dns_jitter,
        respect_dns_ttl,
        dns_lookup_family,
    } = fields;
    refuse_if(dns_jitter.is_some(), "dns_jitter")?;
    let endpoints = self::load_assignment(load_assignment).map_err(at("load_assignment"))?;
    if is_logical && endpoints.endpoints().count() != 1 {
        return Err(Fault::new(
            "load_assignment",
            "must have one endpoint in LOGICAL_DNS",
        ));
    }
    let family = match DnsLookupFamily::try_from(dns_lookup_family) {
        Ok(DnsLookupFamily::Auto) => Family::V6First,
        Ok(DnsLookupFamily::V4Only) => Family::V4,
        Ok(DnsLookupFamily::V6Only) => Family::V6,
        Ok(DnsLookupFamily::V4Preferred) => Family::V4First,
        Ok(DnsLookupFamily::All) => Family::All,
        Err(_) => return Err(Fault::unsupported("dns_lookup_family")),
    };
    let refresh = duration("dns_refresh_rate", dns_refresh_rate)?.unwrap_or(REFRESH);
    Ok(Dns {
        endpoints,
        family,
        is_logical,
        refresh: (!respect_dns_ttl).then_some(refresh.max(MIN_REFRESH)),
    })
}
