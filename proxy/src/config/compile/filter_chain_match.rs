//! Which connections a filter chain is for.

use std::sync::Arc;

use pillion_envoy_api::envoy::config::listener::v3::{
    FilterChainMatch, filter_chain_match::ConnectionSourceType,
};

use super::{
    connection_manager::Requests,
    fault::{Fault, each, refuse_if},
    transport_socket::protocol,
    values::{address_range, port},
};
use crate::tables::{AddressRange, DownstreamTls, ServerName, TcpAction, TcpRoute};

/// Addresses and names that one chain is for.
const MAX_MATCHES: usize = 4_096;
/// Protocols that one chain is for.
const MAX_PROTOCOLS: usize = 64;

/// The protocols that an inspector recognises in plaintext.
const HTTP: [&str; 3] = ["http/1.0", "http/1.1", "h2c"];

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

/// Which connections a chain is for.
pub(super) struct Matches {
    pub destination_port: Option<u16>,
    destinations: Vec<AddressRange>,
    server_names: Vec<ServerName>,
    transport: String,
    pub protocols: Vec<Box<str>>,
}

pub(super) fn matches(message: FilterChainMatch) -> Result<Matches, Fault> {
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
    pub fn is_tls(&self) -> bool {
        self.transport == "tls"
    }

    pub fn chain(
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
