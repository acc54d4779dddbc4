//! RouteConfiguration.

use std::{collections::HashSet, sync::Arc};

use pillion_envoy_api::{
    envoy::config::route::v3::{RouteConfiguration, VirtualHost as VirtualHostMessage},
    type_url,
};

use super::{
    any::message,
    citations::Citations,
    fault::{Fault, Faults, at_index, at_most, refuse_if},
    filters::check_filter_configs,
    headers::EditFields,
    scope::Scope,
    virtual_host::{TableHeaders, virtual_host},
};
use crate::tables::{Hosts, Patterns, VirtualHost};

/// Hosts of one table.
const MAX_HOSTS: usize = 65_536;
/// Their domains together. A service of Kubernetes has about ten.
const MAX_DOMAINS: usize = 1_048_576;
/// The longest domain: a name of DNS and a port.
const MAX_DOMAIN: usize = 260;

/// A table of virtual hosts.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    pub hosts: Arc<Hosts>,
    pub cites: Citations,
    /// Of hosts in whose place others stand: the last good one of each domain, or one that
    /// says why it can't be used.
    pub faults: Faults,
}

/// Compiles a resource of that name. `last` is the table that it takes the place of.
///
/// # Errors
///
/// When the table as a whole can't be used.
pub(crate) fn route_table(
    patterns: &Patterns,
    name: &str,
    bytes: &[u8],
    last: Option<&Hosts>,
) -> Result<RouteTable, Fault> {
    let message: RouteConfiguration = message(type_url::ROUTE_CONFIGURATION, bytes)?;
    if message.name != name {
        return Err(Fault::new(
            "name",
            format!("is {:?} in the resource {name:?}", message.name),
        ));
    }
    let scope = Scope::new(patterns);
    let hosts = hosts(&scope, message, last)?;
    let (cites, faults) = scope.finish();
    Ok(RouteTable {
        hosts: Arc::new(hosts),
        cites,
        faults,
    })
}

/// Compiles a table, wherever it stands.
pub(super) fn hosts(
    scope: &Scope<'_>,
    message: RouteConfiguration,
    last: Option<&Hosts>,
) -> Result<Hosts, Fault> {
    let RouteConfiguration {
        name,
        virtual_hosts,
        vhds,
        internal_only_headers,
        response_headers_to_add,
        response_headers_to_remove,
        request_headers_to_add,
        request_headers_to_remove,
        most_specific_header_mutations_wins,
        // Routes wait for their clusters, and answer 503 where there is none.
        validate_clusters: _,
        // There is a bound of our own.
        max_direct_response_body_size_bytes: _,
        request_mirror_policies,
        ignore_port_in_host_matching,
        vhost_header,
        ignore_path_parameters_in_path_matching,
        typed_per_filter_config,
        // For filters that there are none of.
        metadata: _,
    } = message;
    refuse_if(vhds.is_some(), "vhds")?;
    refuse_if(!internal_only_headers.is_empty(), "internal_only_headers")?;
    refuse_if(
        most_specific_header_mutations_wins,
        "most_specific_header_mutations_wins",
    )?;
    refuse_if(
        !request_mirror_policies.is_empty(),
        "request_mirror_policies",
    )?;
    refuse_if(!vhost_header.is_empty(), "vhost_header")?;
    refuse_if(
        ignore_path_parameters_in_path_matching,
        "ignore_path_parameters_in_path_matching",
    )?;
    check_filter_configs(&typed_per_filter_config)?;
    let has_names = virtual_hosts
        .iter()
        .flat_map(|host| &host.domains)
        .any(|name| name != "*");
    if has_names && !ignore_port_in_host_matching {
        return Err(Fault::new(
            "ignore_port_in_host_matching",
            "must be true, as in Istio",
        ));
    }
    at_most("virtual_hosts", MAX_HOSTS, virtual_hosts.len())?;
    let domains = virtual_hosts.iter().map(|host| host.domains.len()).sum();
    at_most("virtual_hosts.domains", MAX_DOMAINS, domains)?;
    let table = TableHeaders {
        request: EditFields::request(request_headers_to_add, request_headers_to_remove)
            .compile()?,
        response: EditFields::response(response_headers_to_add, response_headers_to_remove)
            .compile()?,
    };
    let mut hosts = Hosts::default();
    let mut taken = HashSet::new();
    for (index, mut message) in virtual_hosts.into_iter().enumerate() {
        let outer = at_index("virtual_hosts", index);
        let domains = domains_of(scope, &outer, &mut message, &mut taken);
        let host_name = message.name.clone();
        match scope.part(|| virtual_host(scope, message, &table)) {
            Ok(host) => domains
                .iter()
                .for_each(|domain| hosts.add(domain, Arc::clone(&host))),
            Err(fault) => {
                let fault = outer(fault);
                let refusing = Arc::new(refusing(&name, &host_name, &fault));
                for domain in domains {
                    let host = match last.and_then(|last| last_good(last, &domain)) {
                        Some(host) => {
                            scope.virtual_host(host);
                            host
                        }
                        None => &refusing,
                    };
                    hosts.add(&domain, Arc::clone(host));
                }
                scope.fault(fault);
            }
        }
    }
    Ok(hosts)
}

/// What stands in the place of a host that can't be used, and that was never good: no request
/// goes where it should not.
fn refusing(table: &str, name: &str, fault: &Fault) -> VirtualHost {
    let text = format!(
        "this proxy can't use the virtual host {name:?} of the route table {table:?}: {fault}"
    );
    VirtualHost::refusing(&text)
}

/// The host that had the domain in the table before, and could be used. Its name does not count: a
/// client asks for the domain, and a rule that is renamed is no other one to it.
fn last_good<'a>(last: &'a Hosts, domain: &str) -> Option<&'a Arc<VirtualHost>> {
    last.get(domain).filter(|host| !host.is_stand_in)
}

/// The domains of a host, in lower case; each belongs to one host only. Those that can't be
/// are left out.
fn domains_of(
    scope: &Scope<'_>,
    outer: &impl Fn(Fault) -> Fault,
    message: &mut VirtualHostMessage,
    taken: &mut HashSet<String>,
) -> Vec<String> {
    let domains = std::mem::take(&mut message.domains);
    if domains.is_empty() {
        scope.fault(outer(Fault::new("domains", "is empty")));
    }
    let domains = domains
        .into_iter()
        .enumerate()
        .filter_map(|(index, domain)| {
            let domain = domain.to_ascii_lowercase();
            let stars = domain.matches('*').count();
            let is_wildcard = domain.starts_with('*') || domain.ends_with('*');
            let reason = if domain.is_empty() || domain.len() > MAX_DOMAIN {
                format!("must have 1 to {MAX_DOMAIN} characters")
            } else if stars > 1 || (stars == 1 && !is_wildcard) {
                format!("{domain:?} must have its star at the beginning or at the end")
            } else if !taken.insert(domain.clone()) {
                format!("{domain:?} belongs to another virtual host already")
            } else {
                return Some(domain);
            };
            scope.fault(outer(at_index("domains", index)(Fault::new("", reason))));
            None
        });
    domains.collect()
}
