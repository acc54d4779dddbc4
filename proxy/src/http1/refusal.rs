//! Why bytes are refused.
//!
//! Each reason has a text for the client and a stable label for operators: in the metric
//! `pillion_http1_refused_total`, and in the access log, in what Envoy calls response code
//! details. Labels are Envoy's own where it has one, but without its `http1.`. What they mean is
//! in `docs/sidecar.md`.

use http::StatusCode;

/// What is wrong with the lines of a head or of a trailer section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLine {
    /// Allowed to be taken by RFC 9112 (2.2), but others don't.
    #[error("a line ends with LF without CR")]
    BareLf,
    #[error("CR stands within a line")]
    BareCr,
    /// Deprecated by RFC 9112 (5.2), and refused by it in requests.
    #[error("a field goes on in the next line (obs-fold)")]
    ObsFold,
    #[error("a field has no colon")]
    NoColon,
    /// RFC 9112, 5.1.
    #[error("there is a blank between a field's name and the colon")]
    SpaceBeforeColon,
    #[error("a field's name is empty or has a character that names can't have")]
    FieldName,
    #[error("a field's value has a control character in it")]
    FieldValue,
    #[error("there are too many fields")]
    TooManyFields,
    /// Each of them is compared with each field.
    #[error("`Connection` names too many fields")]
    TooManyConnectionOptions,
}

impl BadLine {
    /// A stable label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BareLf => "bare_lf",
            Self::BareCr => "bare_cr",
            Self::ObsFold => "obs_fold",
            Self::NoColon => "no_colon",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::FieldName => "invalid_field_name",
            Self::FieldValue => "invalid_characters",
            Self::TooManyFields => "too_many_headers",
            Self::TooManyConnectionOptions => "connection_header_rejected",
        }
    }
}

/// What is wrong with the fields that say how long a body is (RFC 9112, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFraming {
    #[error("`Content-Length` is not a number")]
    ContentLength,
    /// Also when they agree: RFC 9110 (8.6) leaves it to the recipient.
    #[error("there is more than one `Content-Length`")]
    SeveralContentLengths,
    #[error("there are both `Content-Length` and `Transfer-Encoding`")]
    LengthAndTransferEncoding,
    #[error("`Transfer-Encoding` is not `chunked`, once")]
    TransferEncoding,
    /// 501 by RFC 9112 (6.1).
    #[error("`Transfer-Encoding` has a coding other than `chunked`")]
    UnknownTransferCoding,
    /// Faulty by RFC 9112 (6.1).
    #[error("there is a `Transfer-Encoding` in HTTP/1.0")]
    TransferEncodingInHttp10,
}

impl BadFraming {
    /// A stable label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContentLength => "invalid_content_length",
            Self::SeveralContentLengths => "several_content_lengths",
            Self::LengthAndTransferEncoding => "content_length_and_chunked_not_allowed",
            Self::TransferEncoding => "invalid_transfer_encoding",
            Self::UnknownTransferCoding => "unsupported_transfer_encoding",
            Self::TransferEncodingInHttp10 => "transfer_encoding_not_allowed",
        }
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRequest {
    #[error(transparent)]
    Line(#[from] BadLine),
    #[error(transparent)]
    Framing(#[from] BadFraming),
    #[error("the head is too large")]
    HeadTooLarge,
    #[error("there is more than one empty line in front of the request")]
    EmptyLines,
    #[error("the request line is not a method, a target and a version")]
    RequestLine,
    #[error("the method is not a token")]
    Method,
    /// 501 by RFC 9110 (15.6.2).
    #[error("the method is none that is registered")]
    MethodUnknown,
    #[error("the version is neither HTTP/1.1 nor HTTP/1.0")]
    Version,
    /// Of a form that the method can't have, or with a character that targets can't have.
    #[error("the target is not valid")]
    Target,
    /// RFC 9112, 3.2: HTTP/1.1 requires it.
    #[error("there is no `Host`")]
    NoHost,
    #[error("there is more than one `Host`")]
    SeveralHosts,
    #[error("`Host` is not a host with or without a port")]
    Host,
    /// RFC 9110, 7.6.1: it is for everybody on the way. Whoever leaves it out believes something else.
    #[error("`Connection` names a field that is not for one connection")]
    ConnectionOption,
    /// It has no meaning (RFC 9110, 9.3.6), and a server may take it for the tunnel's bytes.
    #[error("a CONNECT request has a body")]
    ConnectWithBody,
}

impl BadRequest {
    /// A stable label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Line(reason) => reason.as_str(),
            Self::Framing(reason) => reason.as_str(),
            Self::HeadTooLarge => "headers_too_large",
            Self::EmptyLines => "empty_lines",
            Self::RequestLine => "invalid_request_line",
            Self::Method => "invalid_method",
            Self::MethodUnknown => "unsupported_method",
            Self::Version => "unsupported_version",
            Self::Target => "invalid_url",
            Self::NoHost => "missing_host",
            Self::SeveralHosts => "several_hosts",
            Self::Host => "invalid_host",
            Self::ConnectionOption => "connection_header_rejected",
            Self::ConnectWithBody => "body_disallowed",
        }
    }

    /// The status to answer with, after which the connection is closed. A target that is too
    /// long gets 431, as from Envoy, because nothing but the head is bounded.
    pub fn status(self) -> StatusCode {
        match self {
            Self::HeadTooLarge | Self::Line(BadLine::TooManyFields) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::MethodUnknown | Self::Framing(BadFraming::UnknownTransferCoding) => {
                StatusCode::NOT_IMPLEMENTED
            }
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Why a response is refused. The request that it answers gets 502.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadResponse {
    #[error(transparent)]
    Line(#[from] BadLine),
    #[error(transparent)]
    Framing(#[from] BadFraming),
    #[error("the head is too large")]
    HeadTooLarge,
    #[error("the status line is not a version, a status and a reason")]
    StatusLine,
    #[error("the version is neither HTTP/1.1 nor HTTP/1.0")]
    Version,
    /// RFC 9110, 8.6 and RFC 9112, 6.1. `Content-Length: 0` is passed over, as by Envoy.
    #[error("a 1xx or 204 response says that it has a body")]
    BodyNotAllowed,
}

impl BadResponse {
    /// A stable label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Line(reason) => reason.as_str(),
            Self::Framing(reason) => reason.as_str(),
            Self::HeadTooLarge => "headers_too_large",
            Self::StatusLine => "invalid_status_line",
            Self::Version => "unsupported_version",
            Self::BodyNotAllowed => "content_length_not_allowed",
        }
    }
}

/// Why a body is refused. The connection can't be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBody {
    #[error("the connection ended within the body")]
    Truncated,
    #[error("a chunk's size is not a hexadecimal number")]
    ChunkSize,
    #[error("a chunk is too large")]
    ChunkTooLarge,
    #[error("the line of a chunk's size is too long")]
    ChunkLineTooLong,
    /// A peer could have a server read hundreds of bytes for each of a body, without an end.
    #[error("the lines of chunks' sizes are much longer than the body: too many extensions")]
    ChunkOverhead,
    #[error("a chunk's extension has a control character in it")]
    ChunkExtension,
    #[error("the line of a chunk's size doesn't end with CR LF")]
    ChunkLineEnd,
    #[error("a chunk doesn't end with CR LF where its size says so")]
    ChunkEnd,
    #[error("the trailer section is too large")]
    TrailersTooLarge,
    /// In the trailer section.
    #[error("trailers: {0}")]
    Trailers(#[from] BadLine),
}

impl BadBody {
    /// A stable label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::ChunkSize => "invalid_chunk_size",
            Self::ChunkTooLarge => "chunk_too_large",
            Self::ChunkLineTooLong => "chunk_line_too_long",
            Self::ChunkOverhead => "chunk_overhead_too_large",
            Self::ChunkExtension => "invalid_chunk_extension",
            Self::ChunkLineEnd => "invalid_chunk_line_end",
            Self::ChunkEnd => "invalid_chunk_end",
            Self::TrailersTooLarge => "trailers_too_large",
            Self::Trailers(reason) => reason.as_str(),
        }
    }
}
