//! A filter chain: which connections it is for, and what is done with them.

use std::sync::Arc;

use pillion_envoy_api::{
    Any,
    envoy::config::listener::v3::{
        Filter, FilterChain as FilterChainMessage, FilterChainMatch, filter,
        filter_chain_match::ConnectionSourceType,
    },
    type_url,
};

use super::{
    any::{Extension, extension, message_of},
    connection_manager::{Requests, Routes, connection_manager},
    fault::{Fault, at, at_index, at_most, each, refuse_if},
    scope::Scope,
    service::policy,
    tcp_proxy::tcp_proxy,
    transport_socket::{downstream, protocol},
    values::{address_range, port},
};
use crate::{
    kind::Kind,
    tables::{
        AddressRange, ClientCert, DownstreamTls, Hosts, ServerName, TcpAction, TcpRefusal, TcpRoute,
    },
};

/// Filters of one chain.
const MAX_FILTERS: usize = 64;
/// Addresses and names that one chain is for.
const MAX_MATCHES: usize = 4_096;
/// Protocols that one chain is for.
const MAX_PROTOCOLS: usize = 64;

/// What is done with the connections of a chain.
#[derive(Debug, Clone)]
pub(super) enum Chain {
    /// In plaintext.
    Http {
        requests: Requests,
        /// It is for what looks like HTTP; otherwise, it is for everything.
        is_sniffed: bool,
    },
    Tcp {
        route: TcpRoute,
        /// It is not for TLS.
        is_plaintext: bool,
    },
    Tls(TlsMatch),
}

/// A chain for TLS that is told from everything else.
#[derive(Debug, Clone)]
pub(super) struct TlsMatch {
    pub server_names: Vec<ServerName>,
    pub protocols: Vec<Box<str>>,
    /// How the handshake is done, if it is done here.
    pub ends: Option<Arc<DownstreamTls>>,
    pub action: TlsAction,
    /// The object that has it so, where the configuration says.
    pub policy: Option<Arc<str>>,
}

/// What is inside of a connection of TLS.
#[derive(Debug, Clone)]
pub(super) enum TlsAction {
    Http(Requests),
    Tcp(TcpAction),
}

/// The protocols that an inspector recognises in plaintext.
const HTTP: [&str; 3] = ["http/1.0", "http/1.1", "h2c"];

/// A chain, and the destination port that it is for, if it is for one. A chain whose filters
/// can't be used refuses its connections; the fault is noted.
///
/// # Errors
///
/// When it can't be told which connections the chain is for.
pub(super) fn filter_chain(
    kind: Kind,
    scope: &Scope<'_>,
    message: FilterChainMessage,
) -> Result<(Option<u16>, Chain), Fault> {
    let FilterChainMessage {
        filter_chain_match,
        filters,
        metadata,
        transport_socket,
        // Handshakes have a limit of their own.
        transport_socket_connect_timeout: _,
        // For logs.
        name: _,
    } = message;
    let matches = matches(filter_chain_match.unwrap_or_default());
    let matches = matches.map_err(at("filter_chain_match"))?;
    let speaks_http = !matches.protocols.is_empty() || filters.iter().any(is_http);
    let socket = transport_socket.as_ref().map_or(Ok(None), downstream);
    let refuse = |fault: Fault, speaks_http| {
        let refusal = match speaks_http {
            true => TlsAction::Http(Requests::refusing(&fault)),
            false => TlsAction::Tcp(TcpAction::Refuse(TcpRefusal::Unusable)),
        };
        scope.refuse_chain(fault);
        refusal
    };
    let (ends, action) = match socket.map_err(at("transport_socket")) {
        Ok(ends) => {
            let action = action(kind, scope, filters);
            (
                ends,
                action.unwrap_or_else(|fault| refuse(fault, speaks_http)),
            )
        }
        // Without a handshake, nobody can be told why.
        Err(fault) => (None, refuse(fault, speaks_http && !matches.is_tls())),
    };
    let port = matches.destination_port;
    let policy = policy(metadata.as_ref());
    let chain = matches.chain(ends, action, policy);
    Ok((port, chain.map_err(at("filter_chain_match"))?))
}

fn action(kind: Kind, scope: &Scope<'_>, filters: Vec<Filter>) -> Result<TlsAction, Fault> {
    let inside =
        |index: usize| move |fault: Fault| at_index("filters", index)(at("typed_config")(fault));
    match network_filter(filters)? {
        Network::Http(index, config) => {
            let requests = scope.within(inside(index), || {
                let message = message_of(type_url::HTTP_CONNECTION_MANAGER, &config)?;
                connection_manager(kind, scope, message)
            });
            Ok(TlsAction::Http(requests?))
        }
        Network::Tcp(index, config) => {
            let forward = message_of(type_url::TCP_PROXY, &config)
                .and_then(|message| tcp_proxy(scope, message));
            let forward = forward.map_err(inside(index))?;
            Ok(TlsAction::Tcp(TcpAction::Forward(forward)))
        }
    }
}

impl Requests {
    /// Those of a chain that can't be used.
    fn refusing(fault: &Fault) -> Self {
        Self {
            routes: refusing(fault),
            tracing: None,
            client_cert: ClientCert::default(),
        }
    }
}

/// The routes of a chain that can't be used.
pub(super) fn refusing(fault: &Fault) -> Routes {
    let text = format!("this proxy can't use the filter chain of this connection: {fault}");
    Routes::Inline(Arc::new(Hosts::refusing(&text)))
}

fn is_http(filter: &Filter) -> bool {
    let Some(filter::ConfigType::TypedConfig(config)) = &filter.config_type else {
        return false;
    };
    config.type_url == type_url::HTTP_CONNECTION_MANAGER
}

/// The filter that decides, and its place among all of them.
enum Network {
    Http(usize, Any),
    Tcp(usize, Any),
}

fn network_filter(filters: Vec<Filter>) -> Result<Network, Fault> {
    at_most("filters", MAX_FILTERS, filters.len())?;
    let last = filters.len().saturating_sub(1);
    for (
        index,
        Filter {
            name: _,
            config_type,
        },
    ) in filters.into_iter().enumerate()
    {
        let config = config_type.map(|filter::ConfigType::TypedConfig(config)| config);
        let found = extension(config.as_ref()).map_err(at("typed_config"));
        let Extension::Known(known) = found.map_err(at_index("filters", index))? else {
            continue;
        };
        if index < last {
            let reason = "there are filters after the one that ends the chain";
            return Err(Fault::new("filters", reason));
        }
        return match known.type_url.as_str() {
            type_url::HTTP_CONNECTION_MANAGER => Ok(Network::Http(index, known.clone())),
            type_url::TCP_PROXY => Ok(Network::Tcp(index, known.clone())),
            other => {
                let reason = format!("{other} is not a network filter of this proxy");
                Err(at_index("filters", index)(Fault::new(
                    "typed_config",
                    reason,
                )))
            }
        };
    }
    Err(Fault::new(
        "filters",
        "has neither an HTTP connection manager nor a TCP proxy",
    ))
}

/// Which connections a chain is for.
struct Matches {
    destination_port: Option<u16>,
    destinations: Vec<AddressRange>,
    server_names: Vec<ServerName>,
    transport: String,
    protocols: Vec<Box<str>>,
}

fn matches(message: FilterChainMatch) -> Result<Matches, Fault> {
    let FilterChainMatch {
        destination_port,
        prefix_ranges,
        address_suffix,
        suffix_len,
        direct_source_prefix_ranges,
        source_type,
        source_prefix_ranges,
        source_ports,
        server_names,
        transport_protocol,
        application_protocols,
    } = message;
    refuse_if(!address_suffix.is_empty(), "address_suffix")?;
    refuse_if(suffix_len.is_some(), "suffix_len")?;
    refuse_if(
        !direct_source_prefix_ranges.is_empty(),
        "direct_source_prefix_ranges",
    )?;
    refuse_if(
        source_type != i32::from(ConnectionSourceType::Any),
        "source_type",
    )?;
    refuse_if(!source_prefix_ranges.is_empty(), "source_prefix_ranges")?;
    refuse_if(!source_ports.is_empty(), "source_ports")?;
    let destination_port = destination_port.map(|number| port("destination_port", number));
    Ok(Matches {
        destination_port: destination_port.transpose()?,
        destinations: each("prefix_ranges", MAX_MATCHES, prefix_ranges, address_range)?,
        server_names: each("server_names", MAX_MATCHES, server_names, |name| {
            // `*-eu.example.com` is a host of Istio's, too.
            let rest = name.strip_prefix('*').unwrap_or(&name);
            match rest.is_empty() || rest.contains('*') {
                true => Err(Fault::new(
                    "",
                    format!("{name:?} must be a name, *.NAME or *-NAME"),
                )),
                false => Ok(ServerName::new(&name)),
            }
        })?,
        transport: transport_protocol,
        protocols: each(
            "application_protocols",
            MAX_PROTOCOLS,
            application_protocols,
            protocol,
        )?,
    })
}

impl Matches {
    /// Whether the chain is for TLS alone.
    fn is_tls(&self) -> bool {
        self.transport == "tls"
    }

    fn chain(
        self,
        ends: Option<Arc<DownstreamTls>>,
        action: TlsAction,
        policy: Option<Arc<str>>,
    ) -> Result<Chain, Fault> {
        if !["", "tls", "raw_buffer"].contains(&self.transport.as_str()) {
            let reason = "must be tls or raw_buffer";
            return Err(Fault::new("transport_protocol", reason));
        }
        let passes_by_name =
            ends.is_none() && self.protocols.is_empty() && !self.server_names.is_empty();
        if ends.is_none() && !self.is_tls() || passes_by_name {
            return self.untold(action);
        }
        self.tls(ends, action, policy)
    }

    /// A chain for connections of TLS, which are told from others and by their protocols.
    fn tls(
        self,
        ends: Option<Arc<DownstreamTls>>,
        action: TlsAction,
        policy: Option<Arc<str>>,
    ) -> Result<Chain, Fault> {
        refuse_if(!self.destinations.is_empty(), "prefix_ranges")?;
        if self.transport == "raw_buffer" {
            let reason = "must be tls where the chain has a transport_socket of TLS";
            return Err(Fault::new("transport_protocol", reason));
        }
        if ends.is_none() && matches!(action, TlsAction::Http(_)) {
            let reason = "must not be tls where the chain has no transport_socket of TLS";
            return Err(Fault::new("transport_protocol", reason));
        }
        Ok(Chain::Tls(TlsMatch {
            server_names: self.server_names,
            protocols: self.protocols,
            ends,
            action,
            policy,
        }))
    }

    /// A chain for plaintext, or for connections of TLS that are told by their names at most.
    fn untold(self, action: TlsAction) -> Result<Chain, Fault> {
        match action {
            TlsAction::Http(requests) => Ok(Chain::Http {
                is_sniffed: self.for_http()?,
                requests,
            }),
            TlsAction::Tcp(action) => {
                self.check_for_tcp()?;
                Ok(Chain::Tcp {
                    is_plaintext: self.transport == "raw_buffer",
                    route: TcpRoute {
                        destinations: self.destinations,
                        server_names: self.server_names,
                        action,
                    },
                })
            }
        }
    }

    /// Whether the chain is for what looks like HTTP, if its filter is one of HTTP.
    fn for_http(&self) -> Result<bool, Fault> {
        refuse_if(!self.destinations.is_empty(), "prefix_ranges")?;
        refuse_if(!self.server_names.is_empty(), "server_names")?;
        if self.protocols.is_empty() {
            return Ok(false);
        }
        let mut protocols = self.protocols.iter();
        match protocols.all(|protocol| HTTP.contains(&&**protocol)) {
            true => Ok(true),
            false => {
                let reason = format!("must be of {}", HTTP.join(", "));
                Err(Fault::new("application_protocols", reason))
            }
        }
    }

    /// Checks that a chain of TCP is for connections that can be told apart.
    fn check_for_tcp(&self) -> Result<(), Fault> {
        refuse_if(!self.protocols.is_empty(), "application_protocols")?;
        // Only TLS has a server name, whether the match says TLS or nothing.
        let is_possible = match self.transport.as_str() {
            "" => true,
            "tls" => !self.server_names.is_empty(),
            _ => self.server_names.is_empty(),
        };
        match is_possible {
            true => Ok(()),
            false => {
                let reason = "must be tls with server_names";
                Err(Fault::new("transport_protocol", reason))
            }
        }
    }
}
