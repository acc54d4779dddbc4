//! A filter chain, and what is done with its connections.

use std::sync::Arc;

use pillion_envoy_api::{
    Any,
    envoy::config::listener::v3::{Filter, FilterChain as FilterChainMessage, filter},
    type_url,
};

use super::{
    any::{Extension, extension, message_of},
    connection_manager::{Requests, Routes, connection_manager},
    fault::{Fault, at, at_index, at_most},
    filter_chain_match::{Chain, TlsAction, matches},
    scope::Scope,
    service::policy,
    tcp_proxy::tcp_proxy,
    transport_socket::downstream,
};
use crate::{
    kind::Kind,
    tables::{ClientCert, Hosts, TcpAction, TcpRefusal},
};

/// Filters of one chain.
const MAX_FILTERS: usize = 64;

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
