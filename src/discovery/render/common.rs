//! Parts of many resources.

use std::{net::IpAddr, time::Duration};

use pillion_envoy_api::{
    any,
    envoy::config::{
        accesslog::v3::{AccessLog, access_log},
        core::v3::{
            Address, AggregatedConfigSource, ApiVersion, CidrRange, ConfigSource, DataSource,
            Metadata, SocketAddress, SubstitutionFormatString, address, config_source, data_source,
            socket_address, substitution_format_string::Format,
        },
    },
    envoy::extensions::access_loggers::file::v3::{
        FileAccessLog, file_access_log::AccessLogFormat,
    },
    type_url,
};
use prost_types::{ListValue, Struct, Value, value};

use super::Settings;
use crate::model::Cidr;

/// The key of Istio's metadata.
const ISTIO: &str = "istio";

/// An address of TCP.
pub(super) fn address(ip: IpAddr, port: u16) -> Address {
    named_address(&ip.to_string(), port)
}

/// The address of a name for DNS, or of an IP address.
pub(super) fn named_address(name: &str, port: u16) -> Address {
    Address {
        address: Some(address::Address::SocketAddress(socket_address(name, port))),
    }
}

/// The same without the choice of kinds.
pub(super) fn socket_address(name: &str, port: u16) -> SocketAddress {
    SocketAddress {
        address: name.to_owned(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(port.into())),
        ..SocketAddress::default()
    }
}

/// A range of addresses.
pub(super) fn range(cidr: &Cidr) -> CidrRange {
    CidrRange {
        address_prefix: cidr.address.to_string(),
        prefix_len: Some(cidr.length.into()),
    }
}

/// The stream that the resource itself came by; a proxy waits for the answer.
pub(super) fn ads() -> ConfigSource {
    ConfigSource {
        config_source_specifier: Some(config_source::ConfigSourceSpecifier::Ads(
            AggregatedConfigSource {},
        )),
        initial_fetch_timeout: Some(duration(Duration::ZERO)),
        resource_api_version: ApiVersion::V3.into(),
    }
}

/// A duration; one that is too long for the format is the longest.
pub(super) fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        // Less than a billion.
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// The access log, if the mesh has one.
pub(super) fn access_log(settings: &Settings) -> Vec<AccessLog> {
    if settings.access_log_file.is_empty() {
        return Vec::new();
    }
    let file = FileAccessLog {
        path: settings.access_log_file.to_string(),
        access_log_format: access_log_format(settings),
    };
    vec![AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        config_type: Some(access_log::ConfigType::TypedConfig(any(
            type_url::ACCESS_LOG_FILE,
            &file,
        ))),
    }]
}

fn access_log_format(settings: &Settings) -> Option<AccessLogFormat> {
    if settings.access_log_format.is_empty() {
        return None;
    }
    let text = DataSource {
        specifier: Some(data_source::Specifier::InlineString(
            settings.access_log_format.to_string(),
        )),
    };
    Some(AccessLogFormat::LogFormat(SubstitutionFormatString {
        format: Some(Format::TextFormatSource(text)),
        ..SubstitutionFormatString::default()
    }))
}

/// Istio's metadata.
pub(super) fn istio_metadata(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Metadata {
    Metadata {
        filter_metadata: [(ISTIO.to_owned(), map(fields))].into(),
        ..Metadata::default()
    }
}

/// A map of values.
pub(super) fn map(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Struct {
    let fields = fields.into_iter();
    Struct {
        fields: fields
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// A text in a map.
pub(super) fn text(text: impl Into<String>) -> Value {
    kind(value::Kind::StringValue(text.into()))
}

/// A list of maps in a map.
pub(super) fn list(maps: impl IntoIterator<Item = Struct>) -> Value {
    let values = maps.into_iter().map(value::Kind::StructValue).map(kind);
    kind(value::Kind::ListValue(ListValue {
        values: values.collect(),
    }))
}

fn kind(kind: value::Kind) -> Value {
    Value { kind: Some(kind) }
}
