//! Values that many messages have.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use pillion_envoy_api::envoy::config::core::v3::{
    Address, AggregatedConfigSource, CidrRange, ConfigSource, SelfConfigSource, SocketAddress,
    address, config_source::ConfigSourceSpecifier, socket_address,
};

use super::fault::{Fault, at};
use crate::tables::AddressRange;

/// Longer than that is a mistake, and would overflow clocks.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A duration, which is not negative.
pub(super) fn duration(
    field: &'static str,
    value: Option<prost_types::Duration>,
) -> Result<Option<Duration>, Fault> {
    let Some(value) = value else { return Ok(None) };
    let seconds = u64::try_from(value.seconds).ok();
    let nanos = u32::try_from(value.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000);
    let duration = seconds
        .zip(nanos)
        .map(|(seconds, nanos)| Duration::new(seconds, nanos));
    match duration.filter(|duration| *duration <= MAX_DURATION) {
        Some(duration) => Ok(Some(duration)),
        None => Err(Fault::new(field, "must be between 0 and ten years")),
    }
}

/// The same, where zero means that there is no limit.
pub(super) fn limit(
    field: &'static str,
    value: Option<prost_types::Duration>,
) -> Result<Option<Duration>, Fault> {
    Ok(duration(field, value)?.filter(|duration| !duration.is_zero()))
}

/// A port from 1 to 65535.
pub(super) fn port(field: &'static str, value: u32) -> Result<u16, Fault> {
    match u16::try_from(value) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Fault::new(
            field,
            format!("must be a port from 1 to 65535, not {value}"),
        )),
    }
}

/// An IP address.
pub(super) fn ip(field: &'static str, text: &str) -> Result<IpAddr, Fault> {
    let parsed = text.parse();
    parsed.map_err(|_| Fault::new(field, format!("must be an IP address, not {text:?}")))
}

/// A range of addresses.
pub(super) fn address_range(message: CidrRange) -> Result<AddressRange, Fault> {
    let CidrRange {
        address_prefix,
        prefix_len,
    } = message;
    let address = ip("address_prefix", &address_prefix)?;
    let bits = u8::try_from(prefix_len.unwrap_or(0)).ok();
    let range = bits.and_then(|bits| AddressRange::new(address, bits));
    range.ok_or_else(|| Fault::new("prefix_len", "is more than an address has"))
}

/// A host, which may be a name, and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostPort {
    pub host: String,
    pub port: u16,
}

/// The longest name that DNS can have (RFC 1035, 2.3.4).
const MAX_HOST: usize = 253;

/// The host and the port of an address of TCP.
pub(super) fn host_port(field: &'static str, address: Option<Address>) -> Result<HostPort, Fault> {
    let address = address.and_then(|address| address.address);
    match address {
        Some(address::Address::SocketAddress(address)) => of_socket_address(address)
            .map_err(at("socket_address"))
            .map_err(at(field)),
        Some(address::Address::Pipe(_)) => Err(at(field)(Fault::unsupported("pipe"))),
        Some(address::Address::EnvoyInternalAddress(_)) => {
            Err(at(field)(Fault::unsupported("envoy_internal_address")))
        }
        None => Err(Fault::new(field, "is missing")),
    }
}

/// The same, of an IP address.
pub(super) fn socket_address(
    field: &'static str,
    address: Option<Address>,
) -> Result<SocketAddr, Fault> {
    let HostPort { host, port } = host_port(field, address)?;
    let ip = ip("socket_address.address", &host).map_err(at(field))?;
    Ok(SocketAddr::new(ip, port))
}

fn of_socket_address(address: SocketAddress) -> Result<HostPort, Fault> {
    let SocketAddress {
        protocol,
        address,
        port_specifier,
        resolver_name,
        // Sockets of both families are always opened.
        ipv4_compat: _,
    } = address;
    if protocol != i32::from(socket_address::Protocol::Tcp) {
        return Err(Fault::new("protocol", "must be TCP"));
    }
    if !resolver_name.is_empty() {
        return Err(Fault::unsupported("resolver_name"));
    }
    if address.is_empty() || address.len() > MAX_HOST {
        return Err(Fault::new(
            "address",
            format!("must have 1 to {MAX_HOST} characters"),
        ));
    }
    let port = match port_specifier {
        Some(socket_address::PortSpecifier::PortValue(value)) => port("port_value", value)?,
        Some(socket_address::PortSpecifier::NamedPort(_)) => {
            return Err(Fault::unsupported("named_port"));
        }
        None => return Err(Fault::new("port_value", "is missing")),
    };
    Ok(HostPort {
        host: address,
        port,
    })
}

/// Checks that a resource comes from the server that sent this one.
pub(super) fn from_same_server(
    field: &'static str,
    source: Option<ConfigSource>,
) -> Result<(), Fault> {
    let Some(source) = source else {
        return Err(Fault::new(field, "is missing"));
    };
    let ConfigSource {
        config_source_specifier,
        // How long to wait is the proxy's own decision.
        initial_fetch_timeout: _,
        // There is only one version.
        resource_api_version: _,
    } = source;
    match config_source_specifier {
        Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})) => Ok(()),
        Some(ConfigSourceSpecifier::Self_(SelfConfigSource {
            transport_api_version: _,
        })) => Ok(()),
        Some(ConfigSourceSpecifier::PathConfigSource(_)) => {
            Err(at(field)(Fault::unsupported("path_config_source")))
        }
        Some(ConfigSourceSpecifier::ApiConfigSource(_)) => {
            Err(at(field)(Fault::unsupported("api_config_source")))
        }
        None => Err(Fault::new(field, "must be ads")),
    }
}
