//! Why heads are refused.

use http::StatusCode;

/// Why a head, or what follows a body, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHead {
    #[error("there are too many fields")]
    TooManyFields,
    /// RFC 9113, 8.2.2.
    #[error("there is a field of the connection")]
    ConnectionField,
    #[error("`te` is not `trailers`")]
    Te,
    /// `HeaderName` takes a quotation mark for a part of a name.
    #[error("a field's name is not a token")]
    FieldName,
    #[error("there is a control character in a field")]
    FieldValue,
    /// RFC 9113, 8.2.1.
    #[error("a field begins or ends with a space")]
    SpaceAroundValue,
    #[error("`content-length` is not a number")]
    ContentLength,
    #[error("there are two `content-length` fields")]
    SeveralContentLengths,
    #[error("the body that `content-length` announces is missing")]
    BodyMissing,
    /// 501 by RFC 9110 (15.6.2).
    #[error("`:method` is none that is registered")]
    MethodUnknown,
    #[error("there is no `:scheme`")]
    NoScheme,
    #[error("there is no `:path`")]
    NoPath,
    /// Or it has a character that URLs don't have.
    #[error("`:path` is not an absolute path")]
    Path,
    #[error("`:protocol` is not a token")]
    Protocol,
    #[error("there is neither `:authority` nor `host`")]
    NoHost,
    #[error("there are two `host` fields")]
    SeveralHosts,
    /// RFC 9113, 8.3.1.
    #[error("`host` is not `:authority`")]
    OtherHost,
    /// RFC 9113, 8.3.1.
    #[error("there is a user in `:authority`")]
    User,
    #[error("`:authority` or `host` is not a host with or without a port")]
    Host,
    /// RFC 9113, 8.5.
    #[error("the target of CONNECT has no port")]
    NoPort,
    /// It has no meaning (RFC 9110, 9.3.6).
    #[error("CONNECT has a `content-length`")]
    ConnectWithBody,
    /// RFC 9110, 6.5.1.
    #[error("among the trailers is a field of the head")]
    TrailerField,
    /// RFC 9110, 8.6. As from HTTP/1, a length of 0 is passed over.
    #[error("a 1xx or 204 response says that it has a body")]
    BodyNotAllowed,
    /// HTTP/2 has no such status (RFC 9113, 8.6).
    #[error("a response of HTTP/2 has the status 101")]
    Switch,
}

impl BadHead {
    /// A stable label, HTTP/1's where it has the reason, too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooManyFields => "too_many_headers",
            Self::ConnectionField => "connection_header_rejected",
            Self::Te => "invalid_te",
            Self::FieldName => "invalid_field_name",
            Self::FieldValue => "invalid_characters",
            Self::SpaceAroundValue => "space_around_value",
            Self::ContentLength => "invalid_content_length",
            Self::SeveralContentLengths => "several_content_lengths",
            Self::BodyMissing => "body_missing",
            Self::MethodUnknown => "unsupported_method",
            Self::NoScheme => "missing_scheme",
            Self::NoPath => "missing_path",
            Self::Path => "invalid_url",
            Self::Protocol => "invalid_protocol",
            Self::NoHost => "missing_host",
            Self::SeveralHosts => "several_hosts",
            Self::OtherHost => "host_is_not_authority",
            Self::User => "user_in_authority",
            Self::Host => "invalid_host",
            Self::NoPort => "missing_port",
            Self::ConnectWithBody => "body_disallowed",
            Self::TrailerField => "field_not_allowed_in_trailers",
            Self::BodyNotAllowed => "content_length_not_allowed",
            Self::Switch => "switching_protocols_not_allowed",
        }
    }

    /// The status that answers a request. There is none for what is against HTTP/2: its stream is
    /// reset with PROTOCOL_ERROR (RFC 9113, 8.1.1).
    pub fn status(self) -> Option<StatusCode> {
        match self {
            Self::TooManyFields => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Self::MethodUnknown => Some(StatusCode::NOT_IMPLEMENTED),
            Self::NoHost | Self::Host | Self::NoPort => Some(StatusCode::BAD_REQUEST),
            _ => None,
        }
    }
}
