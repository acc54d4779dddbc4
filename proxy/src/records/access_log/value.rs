//! What an operator shows of an entry.

use std::{
    io::Write as _,
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use super::{
    entry::Entry,
    operator::{FieldKey, FieldRef, GrpcForm, Operator, Part, Side},
    start_time::TimeFormat,
};
use crate::{
    message::{FieldName, Scheme},
    records::{escape, flags::ResponseFlags, trace::TraceId},
};

/// A value on its way into a line.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// There is none.
    Missing,
    /// Text, which may be anybody's.
    Text(&'a [u8]),
    /// Text that has `_` for each blank in it.
    Joined(&'a [u8]),
    Number(u64),
    /// A number that is a field of HTTP, and so a string in JSON.
    Digits(u64),
    Address(SocketAddr),
    Ip(IpAddr),
    Time(&'a TimeFormat, SystemTime),
    Flags(ResponseFlags),
    FlagsLong(ResponseFlags),
    Trace(TraceId),
}

impl<'a> Value<'a> {
    /// The value of an operator.
    pub fn of(operator: &'a Operator, entry: &Entry<'a>) -> Self {
        let request = entry.request;
        match operator {
            Operator::StartTime(format) => Self::Time(format, entry.started),
            Operator::Request(field) => Self::field(request_field(entry, field)),
            Operator::RequestWithoutQuery(field) => {
                let value = request_field(entry, field);
                Self::field(value.and_then(|text| text.split(|byte| *byte == b'?').next()))
            }
            Operator::Response(field) => response_field(entry, field),
            Operator::Protocol => Self::text(request.map(|it| it.request.protocol().as_bytes())),
            Operator::ResponseCode => {
                let status = request.and_then(|it| it.status);
                Self::Number(status.map_or(0, |status| status.as_u16().into()))
            }
            Operator::ResponseCodeDetails => Self::text(Some(entry.details.as_bytes())),
            Operator::ResponseFlags => Self::Flags(entry.flags),
            Operator::ResponseFlagsLong => Self::FlagsLong(entry.flags),
            Operator::UpstreamTransportFailureReason => entry
                .upstream_failure
                .filter(|text| !text.is_empty())
                .map_or(Self::Missing, |text| Self::Joined(text.as_bytes())),
            Operator::BytesReceived => Self::Number(entry.received),
            Operator::BytesSent => Self::Number(entry.sent),
            Operator::Duration => {
                Self::Number(u64::try_from(entry.duration.as_millis()).unwrap_or(u64::MAX))
            }
            Operator::Address(side, part) => Self::address(*side, *part, entry),
            Operator::UpstreamCluster => Self::text(Some(entry.cluster.as_bytes())),
            Operator::RequestedServerName => Self::text(entry.server_name.map(str::as_bytes)),
            Operator::DownstreamPeerUriSan => Self::text(
                entry
                    .downstream_tls
                    .map(|tls| tls.parties.source().as_bytes()),
            ),
            Operator::DownstreamLocalUriSan => Self::text(
                entry
                    .downstream_tls
                    .map(|tls| tls.parties.destination().as_bytes()),
            ),
            Operator::DownstreamTlsVersion => {
                Self::text(entry.downstream_tls.map(|tls| tls.version.as_bytes()))
            }
            Operator::RouteName => Self::text(request.map(|it| it.route.as_bytes())),
            Operator::GrpcStatus(form) => request
                .filter(|it| it.is_grpc)
                .and_then(|it| it.grpc_status)
                .map_or(Self::Missing, |status| grpc_status(*form, status)),
            Operator::TraceId => request
                .and_then(|it| it.trace)
                .map_or(Self::Missing, Self::Trace),
            Operator::Constant(text) => Self::text(Some(text.as_bytes())),
            Operator::Unknown => Self::Missing,
        }
    }

    /// A field that is there and empty is not missing.
    fn field(value: Option<&'a [u8]>) -> Self {
        value.map_or(Self::Missing, Self::Text)
    }

    fn text(text: Option<&'a [u8]>) -> Self {
        match text {
            None | Some([]) => Self::Missing,
            Some(text) => Self::Text(text),
        }
    }

    fn address(side: Side, part: Part, entry: &Entry<'_>) -> Self {
        let address = match side {
            Side::UpstreamHost => entry.upstream_host,
            Side::UpstreamLocal => entry.upstream_local,
            Side::DownstreamLocal => Some(entry.downstream_local),
            Side::DownstreamRemote => {
                // As in Envoy, whom a proxy speaks for has no port.
                let client = entry.client.map(|client| SocketAddr::new(client, 0));
                client.or(Some(entry.downstream_remote))
            }
            Side::DownstreamDirectRemote => Some(entry.downstream_remote),
        };
        match (address, part) {
            (None, _) => Self::Missing,
            (Some(address), Part::Whole) => Self::Address(address),
            (Some(address), Part::WithoutPort) => Self::Ip(address.ip()),
            (Some(address), Part::Port) => Self::Number(address.port().into()),
        }
    }

    /// Cuts a text.
    pub fn limited(self, limit: Option<usize>) -> Self {
        let cut = |text: &'a [u8]| text.get(..limit.unwrap_or(usize::MAX)).unwrap_or(text);
        match self {
            Self::Text(text) => Self::Text(cut(text)),
            Self::Joined(text) => Self::Joined(cut(text)),
            other => other,
        }
    }

    /// Appends it to a text, whose escapes these are; a missing value is `-`.
    pub fn write(&self, escape: fn(&[u8], &mut Vec<u8>), line: &mut Vec<u8>) {
        // A Vec takes every write.
        let _ = match self {
            Self::Missing => line.write_all(b"-"),
            Self::Text(text) => {
                escape(text, line);
                Ok(())
            }
            Self::Joined(text) => {
                for (at, word) in text.split(|byte| *byte == b' ').enumerate() {
                    line.extend_from_slice(if at == 0 { b"" } else { b"_" });
                    escape(word, line);
                }
                Ok(())
            }
            Self::Number(number) | Self::Digits(number) => {
                line.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
                Ok(())
            }
            Self::Address(SocketAddr::V4(address)) => {
                ipv4(address.ip().octets(), line);
                line.push(b':');
                line.extend_from_slice(itoa::Buffer::new().format(address.port()).as_bytes());
                Ok(())
            }
            Self::Address(address) => write!(line, "{address}"),
            Self::Ip(address) => write!(line, "{address}"),
            Self::Time(format, at) => {
                format.write(*at, line);
                Ok(())
            }
            Self::Flags(flags) if *flags == ResponseFlags::NONE => line.write_all(b"-"),
            Self::Flags(flags) => write!(line, "{flags}"),
            Self::Trace(trace) => line.write_all(trace.hex().as_bytes()),
            Self::FlagsLong(flags) if *flags == ResponseFlags::NONE => line.write_all(b"-"),
            Self::FlagsLong(flags) => {
                for (at, name) in flags.long_names().enumerate() {
                    line.extend_from_slice(if at == 0 { b"" } else { b"," });
                    line.extend_from_slice(name.as_bytes());
                }
                Ok(())
            }
        };
    }

    /// Appends it as a value of JSON: a number stays one, and a missing value is null.
    pub fn write_json(&self, line: &mut Vec<u8>) {
        match self {
            Self::Missing => line.extend_from_slice(b"null"),
            Self::Number(_) => self.write(escape::json, line),
            _ => {
                line.push(b'"');
                self.write(escape::json, line);
                line.push(b'"');
            }
        }
    }
}

fn request_field<'a>(entry: &Entry<'a>, field: &FieldRef) -> Option<&'a [u8]> {
    let request = entry.request?.request;
    let get = |key: &FieldKey| match key {
        FieldKey::Method => Some(request.method.as_str().as_bytes()),
        FieldKey::Path => Some(request.path()),
        FieldKey::Authority => request.authority(),
        FieldKey::Scheme => request.scheme.map(|scheme| match scheme {
            Scheme::Http => &b"http"[..],
            Scheme::Https => b"https",
        }),
        FieldKey::Upgrade => request.upgrade(),
        FieldKey::Status => None,
        FieldKey::Named(name) => request.fields.find(name),
    };
    get(&field.name).or_else(|| get(field.or.as_ref()?))
}

fn response_field<'a>(entry: &Entry<'a>, field: &FieldRef) -> Value<'a> {
    let Some(request) = entry.request else {
        return Value::Missing;
    };
    let get = |key: &FieldKey| match key {
        FieldKey::Status => Some(Value::Digits(request.status?.as_u16().into())),
        FieldKey::Named(name) => {
            if FieldName::of(name) == FieldName::XEnvoyUpstreamServiceTime
                && let Some(time) = request.upstream_service_time
            {
                let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                return Some(Value::Digits(time));
            }
            let value = request.response_fields?.find(name)?;
            Some(Value::Text(value))
        }
        _ => None,
    };
    get(&field.name)
        .or_else(|| get(field.or.as_ref()?))
        .unwrap_or(Value::Missing)
}

/// Appends an address. Each line has several: `write!` takes much longer.
fn ipv4(octets: [u8; 4], line: &mut Vec<u8>) {
    for (at, octet) in octets.into_iter().enumerate() {
        line.extend_from_slice(if at == 0 { b"" } else { b"." });
        line.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
}

/// gRPC's codes by their names, as its documentation has them.
fn grpc_status(form: GrpcForm, status: u32) -> Value<'static> {
    const NAMES: [(&str, &str); 17] = [
        ("OK", "OK"),
        ("Canceled", "CANCELLED"),
        ("Unknown", "UNKNOWN"),
        ("InvalidArgument", "INVALID_ARGUMENT"),
        ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
        ("NotFound", "NOT_FOUND"),
        ("AlreadyExists", "ALREADY_EXISTS"),
        ("PermissionDenied", "PERMISSION_DENIED"),
        ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
        ("FailedPrecondition", "FAILED_PRECONDITION"),
        ("Aborted", "ABORTED"),
        ("OutOfRange", "OUT_OF_RANGE"),
        ("Unimplemented", "UNIMPLEMENTED"),
        ("Internal", "INTERNAL"),
        ("Unavailable", "UNAVAILABLE"),
        ("DataLoss", "DATA_LOSS"),
        ("Unauthenticated", "UNAUTHENTICATED"),
    ];
    let known = usize::try_from(status).ok().and_then(|at| NAMES.get(at));
    match (form, known) {
        (GrpcForm::Camel, Some((camel, _))) => Value::Text(camel.as_bytes()),
        (GrpcForm::Snake, Some((_, snake))) => Value::Text(snake.as_bytes()),
        _ => Value::Number(status.into()),
    }
}
