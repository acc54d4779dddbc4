//! The endpoints of clusters.

use pillion_envoy_api::envoy::config::{
    core::v3::Locality,
    endpoint::v3::{
        ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
        lb_endpoint::HostIdentifier,
    },
};

use super::{
    common::{address, named_address},
    tls,
};
use crate::model::{self, Address, EndpointGroup};

/// The endpoints of a cluster that takes them from the stream.
pub(in crate::discovery) fn load_assignment(
    cluster: &str,
    groups: &[EndpointGroup],
) -> ClusterLoadAssignment {
    assignment(cluster, groups)
}

/// Endpoints by locality.
pub(super) fn assignment(cluster: &str, groups: &[EndpointGroup]) -> ClusterLoadAssignment {
    ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: groups.iter().map(group).collect(),
        ..ClusterLoadAssignment::default()
    }
}

fn group(group: &EndpointGroup) -> LocalityLbEndpoints {
    let weights = group.endpoints.iter().map(|endpoint| endpoint.weight);
    let sum = weights.fold(0, u32::saturating_add);
    LocalityLbEndpoints {
        locality: Some(Locality {
            region: group.locality.region.to_string(),
            zone: group.locality.zone.to_string(),
            sub_zone: group.locality.sub_zone.to_string(),
        }),
        lb_endpoints: group.endpoints.iter().map(endpoint).collect(),
        load_balancing_weight: Some(sum.max(1)),
        ..LocalityLbEndpoints::default()
    }
}

fn endpoint(endpoint: &model::Endpoint) -> LbEndpoint {
    let address = match &endpoint.address {
        Address::Ip(ip) => address(*ip, endpoint.port),
        Address::Name(name) => named_address(name, endpoint.port),
    };
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(address),
            ..Endpoint::default()
        })),
        load_balancing_weight: Some(endpoint.weight),
        metadata: endpoint.mutual_tls.then(tls::speaks_it),
        ..LbEndpoint::default()
    }
}
