//! How a cluster's endpoints are chosen.

use pillion_envoy_api::envoy::config::cluster::v3::cluster::{
    CommonLbConfig, DiscoveryType, LbConfig, LbPolicy, LeastRequestLbConfig, OriginalDstLbConfig,
    RoundRobinLbConfig, common_lb_config::LocalityConfigSpecifier,
};

use super::fault::{Fault, at, refuse_if};
use crate::tables::Balancer;

/// How endpoints are chosen.
pub(super) struct Balancing {
    pub balancer: Balancer,
    /// Whether localities have shares of their own.
    pub weighs_localities: bool,
}

pub(super) fn balancing(
    discovery: DiscoveryType,
    policy: i32,
    config: Option<LbConfig>,
    common: Option<CommonLbConfig>,
) -> Result<Balancing, Fault> {
    let weighs_localities = weighs_localities(common.unwrap_or_default());
    let weighs_localities = weighs_localities.map_err(at("common_lb_config"))?;
    let policy = LbPolicy::try_from(policy).map_err(|_| Fault::unsupported("lb_policy"))?;
    let is_original = discovery == DiscoveryType::OriginalDst;
    if is_original != (policy == LbPolicy::ClusterProvided) {
        let reason = "CLUSTER_PROVIDED and the type ORIGINAL_DST need each other";
        return Err(Fault::new("lb_policy", reason));
    }
    check_config(config)?;
    let balancer = match policy {
        LbPolicy::RoundRobin => Balancer::RoundRobin,
        LbPolicy::LeastRequest => Balancer::LeastRequest,
        // With an original destination there is nothing to choose.
        LbPolicy::Random | LbPolicy::ClusterProvided => Balancer::Random,
        other @ (LbPolicy::RingHash | LbPolicy::Maglev | LbPolicy::LoadBalancingPolicyConfig) => {
            let reason = format!("{} is not supported by this proxy", other.as_str_name());
            return Err(Fault::new("lb_policy", reason));
        }
    };
    Ok(Balancing {
        balancer,
        weighs_localities,
    })
}

fn check_config(config: Option<LbConfig>) -> Result<(), Fault> {
    match config {
        None => Ok(()),
        Some(LbConfig::RoundRobinLbConfig(RoundRobinLbConfig { slow_start_config })) => {
            let refused = refuse_if(slow_start_config.is_some(), "slow_start_config");
            refused.map_err(at("round_robin_lb_config"))
        }
        Some(LbConfig::LeastRequestLbConfig(config)) => {
            least_request(&config).map_err(at("least_request_lb_config"))
        }
        Some(LbConfig::OriginalDstLbConfig(config)) => {
            original_destination(&config).map_err(at("original_dst_lb_config"))
        }
        Some(LbConfig::RingHashLbConfig(_)) => Err(Fault::unsupported("ring_hash_lb_config")),
        Some(LbConfig::MaglevLbConfig(_)) => Err(Fault::unsupported("maglev_lb_config")),
    }
}

fn least_request(config: &LeastRequestLbConfig) -> Result<(), Fault> {
    let LeastRequestLbConfig {
        choice_count,
        active_request_bias,
        slow_start_config,
    } = config;
    if choice_count.is_some_and(|count| count != 2) {
        return Err(Fault::new("choice_count", "must be 2"));
    }
    refuse_if(active_request_bias.is_some(), "active_request_bias")?;
    refuse_if(slow_start_config.is_some(), "slow_start_config")
}

fn original_destination(config: &OriginalDstLbConfig) -> Result<(), Fault> {
    let OriginalDstLbConfig {
        use_http_header,
        // Of no effect without the one above.
        http_header_name: _,
        upstream_port_override,
    } = config;
    refuse_if(*use_http_header, "use_http_header")?;
    refuse_if(upstream_port_override.is_some(), "upstream_port_override")
}

fn weighs_localities(config: CommonLbConfig) -> Result<bool, Fault> {
    let CommonLbConfig {
        // There are no active health checks, and no endpoint is ejected. Endpoints that the
        // server calls unhealthy are not used.
        healthy_panic_threshold: _,
        locality_config_specifier,
        // Changes are merged where they are compiled.
        update_merge_window: _,
        ignore_new_hosts_until_first_hc,
        close_connections_on_host_set_change,
        override_host_status,
    } = config;
    refuse_if(
        ignore_new_hosts_until_first_hc,
        "ignore_new_hosts_until_first_hc",
    )?;
    refuse_if(
        close_connections_on_host_set_change,
        "close_connections_on_host_set_change",
    )?;
    refuse_if(override_host_status.is_some(), "override_host_status")?;
    match locality_config_specifier {
        None => Ok(false),
        // Of no effect where the proxy's own cluster is not named, which it never is.
        Some(LocalityConfigSpecifier::ZoneAwareLbConfig(_)) => Ok(false),
        Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(_)) => Ok(true),
    }
}
