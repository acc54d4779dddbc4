//! How long a body is (RFC 9112, 6).

use http::{Method, StatusCode, Version};

use super::{
    characters::elements,
    control_fields::Single,
    numbers::parse_decimal,
    refusal::{BadFraming, BadResponse},
};
use crate::message::{BodySize, is_token};

/// Where the body of a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes, at least one.
    Length(u64),
    /// After the last chunk and its trailers.
    Chunked,
    /// With the connection; of responses only.
    UntilClose,
    /// With the connection: what follows 101, or 2xx to CONNECT, is not HTTP.
    Tunnel,
}

/// What the fields of a message say of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    Nothing,
    Length(u64),
    Chunked,
}

impl Framing {
    /// What a head says of a body with this framing.
    pub fn body_size(self) -> BodySize {
        match self {
            Self::Empty => BodySize::Empty,
            Self::Length(length) => BodySize::Length(length),
            Self::Chunked | Self::UntilClose | Self::Tunnel => BodySize::Unknown,
        }
    }

    fn of_length(length: u64) -> Self {
        match length {
            0 => Self::Empty,
            length => Self::Length(length),
        }
    }

    /// The framing of a request: without a word about it, there is no body.
    pub(super) fn of_request(announced: Announced) -> Self {
        match announced {
            Announced::Nothing => Self::Empty,
            Announced::Length(length) => Self::of_length(length),
            Announced::Chunked => Self::Chunked,
        }
    }

    /// The framing of the response to a request with that method.
    pub(super) fn of_response(
        announced: Announced,
        status: StatusCode,
        method: &Method,
    ) -> Result<Self, BadResponse> {
        let has_no_body = status.is_informational() || status == StatusCode::NO_CONTENT;
        if has_no_body && !matches!(announced, Announced::Nothing | Announced::Length(0)) {
            return Err(BadResponse::BodyNotAllowed);
        }
        let is_tunnel = status == StatusCode::SWITCHING_PROTOCOLS
            || *method == Method::CONNECT && status.is_success();
        if is_tunnel {
            return Ok(Self::Tunnel);
        }
        if has_no_body || status == StatusCode::NOT_MODIFIED || *method == Method::HEAD {
            return Ok(Self::Empty);
        }
        Ok(match announced {
            Announced::Nothing => Self::UntilClose,
            Announced::Length(length) => Self::of_length(length),
            Announced::Chunked => Self::Chunked,
        })
    }
}

impl Announced {
    /// Reads `Content-Length` and `Transfer-Encoding`.
    pub fn of(
        content_length: Single<'_>,
        transfer_encoding: Single<'_>,
        version: Version,
    ) -> Result<Self, BadFraming> {
        match (transfer_encoding, content_length) {
            (Single::None, Single::None) => Ok(Self::Nothing),
            (Single::None, Single::One(value)) => length(value),
            (Single::None, Single::Several) => Err(BadFraming::SeveralContentLengths),
            (_, Single::One(_) | Single::Several) => Err(BadFraming::LengthAndTransferEncoding),
            _ if version == Version::HTTP_10 => Err(BadFraming::TransferEncodingInHttp10),
            (Single::One(value), Single::None) if value.eq_ignore_ascii_case(b"chunked") => {
                Ok(Self::Chunked)
            }
            (Single::One(value), Single::None) => Err(bad_coding(value)),
            (Single::Several, Single::None) => Err(BadFraming::TransferEncoding),
        }
    }
}

fn length(value: &[u8]) -> Result<Announced, BadFraming> {
    match parse_decimal(value) {
        Some(length) => Ok(Announced::Length(length)),
        None if value.contains(&b',') => Err(BadFraming::SeveralContentLengths),
        None => Err(BadFraming::ContentLength),
    }
}

/// Tells codings that are not implemented from what is no list of codings.
fn bad_coding(value: &[u8]) -> BadFraming {
    let coding = |element| <[u8]>::split(element, |byte| *byte == b';').next();
    let codings = || {
        elements(value)
            .filter_map(coding)
            .map(<[u8]>::trim_ascii_end)
    };
    let is_other = |coding: &[u8]| !coding.eq_ignore_ascii_case(b"chunked");
    if codings().all(is_token) && codings().any(is_other) {
        BadFraming::UnknownTransferCoding
    } else {
        BadFraming::TransferEncoding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(length: Single<'_>, encoding: Single<'_>) -> Result<Announced, BadFraming> {
        Announced::of(length, encoding, Version::HTTP_11)
    }

    #[test]
    fn reads_content_length() {
        let read = |text: &str| announced(Single::One(text.as_bytes()), Single::None);
        assert_eq!(read("0"), Ok(Announced::Length(0)));
        assert_eq!(read("5"), Ok(Announced::Length(5)));
        for bad in [
            "",
            "+3",
            "-3",
            "3 4",
            "3;",
            "0x3",
            "3.0",
            "9223372036854775808",
        ] {
            assert_eq!(read(bad), Err(BadFraming::ContentLength), "{bad}");
        }
        for bad in ["5, 5", "5,6", ",5", "5,"] {
            assert_eq!(read(bad), Err(BadFraming::SeveralContentLengths), "{bad}");
        }
        let doubled = announced(Single::Several, Single::None);
        assert_eq!(doubled, Err(BadFraming::SeveralContentLengths));
    }

    #[test]
    fn takes_chunked_once_and_no_other_coding() {
        let read = |text: &str| announced(Single::None, Single::One(text.as_bytes()));
        for good in ["chunked", "Chunked", "CHUNKED"] {
            assert_eq!(read(good), Ok(Announced::Chunked), "{good}");
        }
        for bad in [
            "",
            "chunked, chunked",
            ",chunked",
            "chunked;a=b",
            "\"chunked\"",
            "chunked\u{b}",
            "chunked chunked",
            "\0",
        ] {
            assert_eq!(read(bad), Err(BadFraming::TransferEncoding), "{bad:?}");
        }
        for other in [
            "gzip, chunked",
            "identity",
            "chunked, identity",
            "xchunked",
            "gzip;q=1",
        ] {
            assert_eq!(
                read(other),
                Err(BadFraming::UnknownTransferCoding),
                "{other}"
            );
        }
        let doubled = announced(Single::None, Single::Several);
        assert_eq!(doubled, Err(BadFraming::TransferEncoding));
    }

    #[test]
    fn refuses_both_fields_together() {
        for length in [Single::One(b"5"), Single::One(b"x"), Single::Several] {
            for encoding in [Single::One(b"chunked"), Single::One(b"x"), Single::Several] {
                assert_eq!(
                    announced(length, encoding),
                    Err(BadFraming::LengthAndTransferEncoding)
                );
            }
        }
    }

    #[test]
    fn refuses_transfer_encoding_in_http_10() {
        let read = Announced::of(Single::None, Single::One(b"chunked"), Version::HTTP_10);
        assert_eq!(read, Err(BadFraming::TransferEncodingInHttp10));
    }

    #[test]
    fn frames_requests_by_their_fields_only() {
        assert_eq!(Framing::of_request(Announced::Nothing), Framing::Empty);
        assert_eq!(Framing::of_request(Announced::Length(0)), Framing::Empty);
        assert_eq!(
            Framing::of_request(Announced::Length(1)),
            Framing::Length(1)
        );
        assert_eq!(Framing::of_request(Announced::Chunked), Framing::Chunked);
    }

    #[test]
    fn frames_responses_by_method_and_status() {
        use Announced::{Chunked, Length, Nothing};
        let (get, head, connect) = (Method::GET, Method::HEAD, Method::CONNECT);
        for (announced, status, method, framing) in [
            (Nothing, 200, &get, Framing::UntilClose),
            (Length(0), 200, &get, Framing::Empty),
            (Length(7), 200, &get, Framing::Length(7)),
            (Chunked, 500, &get, Framing::Chunked),
            (Length(7), 200, &head, Framing::Empty),
            (Chunked, 200, &head, Framing::Empty),
            (Length(7), 304, &get, Framing::Empty),
            (Chunked, 304, &get, Framing::Empty),
            (Nothing, 204, &get, Framing::Empty),
            (Length(0), 204, &get, Framing::Empty),
            (Nothing, 103, &get, Framing::Empty),
            (Nothing, 101, &get, Framing::Tunnel),
            (Nothing, 200, &connect, Framing::Tunnel),
            (Length(7), 299, &connect, Framing::Tunnel),
            (Length(7), 407, &connect, Framing::Length(7)),
            (Nothing, 103, &connect, Framing::Empty),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let read = Framing::of_response(announced, status, method);
            assert_eq!(read, Ok(framing), "{announced:?} {status} {method}");
        }
    }

    #[test]
    fn refuses_bodies_of_statuses_that_have_none() {
        for status in [100, 101, 103, 204] {
            for announced in [Announced::Length(1), Announced::Chunked] {
                let status = StatusCode::from_u16(status).unwrap();
                let read = Framing::of_response(announced, status, &Method::GET);
                assert_eq!(read, Err(BadResponse::BodyNotAllowed), "{status}");
            }
        }
    }
}
