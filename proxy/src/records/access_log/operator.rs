//! Envoy's command operators: what stands between percent signs in a format.

use super::start_time::{self, TimeFormat};

/// What an operator shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operator {
    StartTime(TimeFormat),
    Request(FieldRef),
    /// A request's field without its query.
    RequestWithoutQuery(FieldRef),
    Response(FieldRef),
    Protocol,
    ResponseCode,
    ResponseCodeDetails,
    ResponseFlags,
    ResponseFlagsLong,
    UpstreamTransportFailureReason,
    BytesReceived,
    BytesSent,
    /// Milliseconds.
    Duration,
    Address(Side, Part),
    UpstreamCluster,
    RequestedServerName,
    DownstreamPeerUriSan,
    DownstreamLocalUriSan,
    DownstreamTlsVersion,
    RouteName,
    GrpcStatus(GrpcForm),
    TraceId,
    /// What the environment said when the format was compiled.
    Constant(String),
    /// Nothing that the proxy knows.
    Unknown,
}

/// A header field, and the one that stands in for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldRef {
    pub name: FieldKey,
    pub or: Option<FieldKey>,
}

/// A field's name, or a part of the head that HTTP/2 writes as a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FieldKey {
    Method,
    Path,
    Authority,
    Scheme,
    Status,
    Upgrade,
    Named(Box<[u8]>),
}

/// Whose address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    UpstreamHost,
    UpstreamLocal,
    DownstreamLocal,
    DownstreamRemote,
    DownstreamDirectRemote,
}

/// What of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    WithoutPort,
    Port,
}

/// How gRPC's status is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrpcForm {
    /// `NotFound`
    Camel,
    /// `NOT_FOUND`
    Snake,
    Number,
}

/// An operator that a format contains.
#[derive(Debug)]
pub(super) struct Parsed<'a> {
    pub operator: Operator,
    /// `:N`: at most so many bytes of a text.
    pub limit: Option<usize>,
    /// The text behind it.
    pub rest: &'a str,
    /// What is wrong with it, if it shows nothing.
    pub fault: Option<String>,
}

/// Reads an operator at the beginning of the text, which follows a percent sign: a name,
/// `(argument)`, `:limit`, `%`. `None` if it has not that form.
pub(super) fn parse(text: &str) -> Option<Parsed<'_>> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let end = text.find(|c| !is_name(c))?;
    let (name, mut rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let mut argument = None;
    if let Some(inside) = rest.strip_prefix('(') {
        let (inside, after) = inside.split_once(')')?;
        argument = Some(inside);
        rest = after;
    }
    let mut limit = None;
    if let Some(digits) = rest.strip_prefix(':') {
        let end = digits.find(|c: char| !c.is_ascii_digit())?;
        limit = Some(digits.get(..end)?.parse().ok()?);
        rest = digits.get(end..)?;
    }
    let rest = rest.strip_prefix('%')?;
    let (operator, fault) = match Operator::new(name, argument) {
        Ok(operator) => (operator, None),
        Err(fault) => (Operator::Unknown, Some(fault)),
    };
    Some(Parsed {
        operator,
        limit,
        rest,
        fault,
    })
}

impl Operator {
    fn new(name: &str, argument: Option<&str>) -> Result<Self, String> {
        if let Some(argument) = argument {
            return Self::with_argument(name, argument);
        }
        Ok(match name {
            "START_TIME" => Self::StartTime(TimeFormat::new(start_time::DEFAULT)?),
            "PROTOCOL" => Self::Protocol,
            "RESPONSE_CODE" => Self::ResponseCode,
            "RESPONSE_CODE_DETAILS" => Self::ResponseCodeDetails,
            "RESPONSE_FLAGS" => Self::ResponseFlags,
            "RESPONSE_FLAGS_LONG" => Self::ResponseFlagsLong,
            "UPSTREAM_TRANSPORT_FAILURE_REASON" => Self::UpstreamTransportFailureReason,
            "BYTES_RECEIVED" => Self::BytesReceived,
            "BYTES_SENT" => Self::BytesSent,
            "DURATION" => Self::Duration,
            "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Self::UpstreamCluster,
            "REQUESTED_SERVER_NAME" => Self::RequestedServerName,
            "DOWNSTREAM_PEER_URI_SAN" => Self::DownstreamPeerUriSan,
            "DOWNSTREAM_LOCAL_URI_SAN" => Self::DownstreamLocalUriSan,
            "DOWNSTREAM_TLS_VERSION" => Self::DownstreamTlsVersion,
            "ROUTE_NAME" => Self::RouteName,
            "TRACE_ID" => Self::TraceId,
            "GRPC_STATUS" => Self::GrpcStatus(GrpcForm::Camel),
            "GRPC_STATUS_NUMBER" => Self::GrpcStatus(GrpcForm::Number),
            // Envoy has reasons for policies that are not built yet: there is none to show.
            "CONNECTION_TERMINATION_DETAILS" => Self::Constant(String::new()),
            "HOSTNAME" => Self::Constant(std::env::var("HOSTNAME").unwrap_or_default()),
            other => address(other).ok_or_else(|| not_supported(name))?,
        })
    }

    fn with_argument(name: &str, argument: &str) -> Result<Self, String> {
        Ok(match name {
            "START_TIME" if argument.is_empty() => {
                Self::StartTime(TimeFormat::new(start_time::DEFAULT)?)
            }
            "START_TIME" => Self::StartTime(TimeFormat::new(argument)?),
            "REQ" => Self::Request(FieldRef::new(name, argument)?),
            "REQ_WITHOUT_QUERY" => Self::RequestWithoutQuery(FieldRef::new(name, argument)?),
            "RESP" => Self::Response(FieldRef::new(name, argument)?),
            "ENVIRONMENT" => Self::Constant(std::env::var(argument).unwrap_or_default()),
            "GRPC_STATUS" => Self::GrpcStatus(match argument {
                "CAMEL_STRING" => GrpcForm::Camel,
                "SNAKE_STRING" => GrpcForm::Snake,
                "NUMBER" => GrpcForm::Number,
                _ => return Err(not_supported(&format!("{name}({argument})"))),
            }),
            _ => return Err(not_supported(&format!("{name}({argument})"))),
        })
    }
}

fn not_supported(operator: &str) -> String {
    format!("%{operator}% is not supported")
}

fn address(name: &str) -> Option<Operator> {
    const SIDES: [(&str, Side); 5] = [
        ("UPSTREAM_LOCAL_", Side::UpstreamLocal),
        ("UPSTREAM_REMOTE_", Side::UpstreamHost),
        ("DOWNSTREAM_LOCAL_", Side::DownstreamLocal),
        ("DOWNSTREAM_REMOTE_", Side::DownstreamRemote),
        ("DOWNSTREAM_DIRECT_REMOTE_", Side::DownstreamDirectRemote),
    ];
    if name == "UPSTREAM_HOST" {
        return Some(Operator::Address(Side::UpstreamHost, Part::Whole));
    }
    SIDES.iter().find_map(|(prefix, side)| {
        let part = match name.strip_prefix(prefix)? {
            "ADDRESS" => Part::Whole,
            "ADDRESS_WITHOUT_PORT" => Part::WithoutPort,
            "PORT" => Part::Port,
            _ => return None,
        };
        Some(Operator::Address(*side, part))
    })
}

impl FieldRef {
    /// `NAME` or `NAME?OTHER`.
    fn new(operator: &str, argument: &str) -> Result<Self, String> {
        let (name, or) = match argument.split_once('?') {
            Some((name, or)) => (name, Some(or)),
            None => (argument, None),
        };
        let key = |name: &str| {
            FieldKey::new(name).ok_or_else(|| not_supported(&format!("{operator}({argument})")))
        };
        Ok(Self {
            name: key(name)?,
            or: or.map(key).transpose()?,
        })
    }
}

impl FieldKey {
    fn new(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Some(match name.as_str() {
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":authority" | "host" => Self::Authority,
            ":scheme" => Self::Scheme,
            ":status" => Self::Status,
            ":protocol" | "upgrade" => Self::Upgrade,
            "" => return None,
            pseudo if pseudo.starts_with(':') => return None,
            _ => Self::Named(name.into_bytes().into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_field_with_another_and_a_limit() {
        let parsed = parse("REQ(X-A?:PATH):5% rest").unwrap();
        let field = FieldRef {
            name: FieldKey::Named(b"x-a"[..].into()),
            or: Some(FieldKey::Path),
        };
        assert_eq!(parsed.operator, Operator::Request(field));
        assert_eq!((parsed.limit, parsed.rest), (Some(5), " rest"));
        assert_eq!(parsed.fault, None);
    }

    #[test]
    fn knows_the_parts_of_addresses() {
        for (name, side, part) in [
            ("UPSTREAM_HOST", Side::UpstreamHost, Part::Whole),
            ("UPSTREAM_LOCAL_PORT", Side::UpstreamLocal, Part::Port),
            (
                "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
                Side::DownstreamDirectRemote,
                Part::WithoutPort,
            ),
        ] {
            let text = format!("{name}%");
            let parsed = parse(&text).unwrap();
            assert_eq!(parsed.operator, Operator::Address(side, part));
        }
        let parsed = parse("DOWNSTREAM_TLS_VERSION%").unwrap();
        assert_eq!(parsed.operator, Operator::DownstreamTlsVersion);
    }

    #[test]
    fn names_what_is_not_supported() {
        for text in [
            "DYNAMIC_METADATA(a:b)",
            "TRAILER(X)",
            "REQ(:x)",
            "REQ()",
            "UPSTREAM_LOCAL_NAME",
            "GRPC_STATUS(X)",
        ] {
            let text = format!("{text}%");
            let parsed = parse(&text).unwrap();
            assert_eq!(parsed.operator, Operator::Unknown);
            assert_eq!(parsed.fault, Some(format!("%{text} is not supported")));
        }
    }

    #[test]
    fn text_of_another_form_is_no_operator() {
        for text in [
            "",
            "%",
            "req(A)%",
            "REQ(A",
            "REQ(A)",
            "DURATION",
            "REQ(A):x%",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
