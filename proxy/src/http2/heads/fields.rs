//! The fields of heads and trailers.

use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_LENGTH};

use super::refusal::BadHead;
use crate::message::{Broken, FieldName, Fields, SPARE_BYTES, SPARE_FIELDS, TrailersOf, is_token};

/// The fields of a head that came.
#[derive(Debug, Default)]
pub(super) struct Read<'a> {
    /// All but the following.
    pub fields: Fields,
    pub host: Option<&'a [u8]>,
    pub content_length: Option<u64>,
}

/// Bytes of an authority and a path, which a head keeps in the same place as its fields.
const TARGET: usize = 128;

/// Reads the fields of a head that came; `max` is how many it may have.
pub(super) fn read(headers: &HeaderMap, max: usize) -> Result<Read<'_>, BadHead> {
    read_with_room(headers, max, (SPARE_BYTES + TARGET, SPARE_FIELDS))
}

/// The same, with room for so many more bytes and fields.
fn read_with_room(
    headers: &HeaderMap,
    max: usize,
    (more_bytes, more_fields): (usize, usize),
) -> Result<Read<'_>, BadHead> {
    if headers.len() > max {
        return Err(BadHead::TooManyFields);
    }
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    let bytes = headers.iter().map(size).sum::<usize>() + more_bytes;
    let mut read = Read {
        fields: Fields::with_capacity(bytes, headers.len() + more_fields),
        ..Read::default()
    };
    for (name, value) in headers {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        read.add(name, value)?;
    }
    Ok(read)
}

impl<'a> Read<'a> {
    fn add(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), BadHead> {
        check_value(value)?;
        match FieldName::of(name) {
            known if is_of_connection(known) => return Err(BadHead::ConnectionField),
            FieldName::Te if value != b"trailers" => return Err(BadHead::Te),
            // Of an upgrade from HTTP/1, which has no meaning here (RFC 9113, 3.1).
            FieldName::Http2Settings => {}
            FieldName::Host => {
                if self.host.replace(value).is_some() {
                    return Err(BadHead::SeveralHosts);
                }
            }
            FieldName::ContentLength => {
                let length = number(value).ok_or(BadHead::ContentLength)?;
                if self.content_length.replace(length).is_some() {
                    return Err(BadHead::SeveralContentLengths);
                }
            }
            FieldName::Other if !is_token(name) => return Err(BadHead::FieldName),
            _ => self.fields.push(name, value),
        }
        Ok(())
    }
}

/// Reads trailers that came, without what belongs into a head; `max` is how many there may be.
///
/// # Errors
///
/// When a field is among them that frames messages or names a host: the sender means harm.
pub(in crate::http2) fn read_trailers(
    of: TrailersOf,
    headers: &HeaderMap,
    max: usize,
) -> Result<Fields, BadHead> {
    // Nothing is added to them.
    let mut read = read_with_room(headers, max, (0, 0))?;
    if read.host.is_some() || read.content_length.is_some() {
        return Err(BadHead::TrailerField);
    }
    read.fields.retain(|known, name, _| of.allow(known, name));
    Ok(read.fields)
}

/// Writes fields, but for those that HTTP/2 has no use for (RFC 9113, 8.2.2).
pub(super) fn write(fields: &Fields) -> Result<HeaderMap, Broken> {
    let bad = Broken::Protocol("field_not_for_http2");
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields.iter() {
        match FieldName::of(name) {
            known if is_of_connection(known) => continue,
            FieldName::Host | FieldName::ContentLength | FieldName::Http2Settings => continue,
            FieldName::Te if value != b"trailers" => continue,
            _ => {}
        }
        let (Ok(name), Ok(value)) = (
            HeaderName::from_lowercase(name),
            HeaderValue::from_bytes(value),
        ) else {
            return Err(bad);
        };
        if headers.try_append(name, value).is_err() {
            return Err(bad);
        }
    }
    Ok(headers)
}

/// Writes `content-length`.
pub(super) fn set_length(headers: &mut HeaderMap, length: u64) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
}

/// Writes trailers.
pub(in crate::http2) fn write_trailers(fields: &Fields) -> Result<HeaderMap, Broken> {
    write(fields)
}

/// Whether a field speaks of the connection, which HTTP/2 forbids (RFC 9113, 8.2.2).
fn is_of_connection(name: FieldName) -> bool {
    matches!(
        name,
        FieldName::Connection
            | FieldName::KeepAlive
            | FieldName::ProxyConnection
            | FieldName::TransferEncoding
            | FieldName::Upgrade
    )
}

/// h2 refuses control characters; spaces at the ends are malformed, too (RFC 9113, 8.2.1).
fn check_value(value: &[u8]) -> Result<(), BadHead> {
    if value
        .iter()
        .any(|byte| matches!(byte, 0..=8 | 10..=31 | 127))
    {
        return Err(BadHead::FieldValue);
    }
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_space(value.first()) || is_space(value.last()) {
        return Err(BadHead::SpaceAroundValue);
    }
    Ok(())
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn malformed(fields: &[(&'static str, &str)]) -> bool {
        let headers = headers(fields);
        read(&headers, 100).is_err_and(|bad| bad.status().is_none())
    }

    #[test]
    fn takes_host_and_content_length_out() {
        let headers = headers(&[("host", "a"), ("te", "trailers"), ("content-length", "12")]);
        let read = read(&headers, 3).unwrap();
        assert_eq!(read.host, Some(&b"a"[..]));
        assert_eq!(read.content_length, Some(12));
        assert_eq!(read.fields.len(), 1);
        assert_eq!(read.fields.get(FieldName::Te), Some(&b"trailers"[..]));
    }

    #[test]
    fn what_is_added_to_a_head_finds_room() {
        let headers = headers(&[("a", "1"), ("b", "2")]);
        let (bytes, fields) = read(&headers, 2).unwrap().fields.room();
        assert!(bytes >= SPARE_BYTES && fields >= SPARE_FIELDS);
        let trailers = read_trailers(TrailersOf::Request, &headers, 2).unwrap();
        let (bytes, fields) = trailers.room();
        assert!(bytes < SPARE_BYTES && fields < SPARE_FIELDS);
    }

    #[test]
    fn refuses_fields_of_the_connection() {
        for name in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "transfer-encoding",
            "upgrade",
        ] {
            assert!(malformed(&[(name, "x")]), "{name}");
        }
        assert!(malformed(&[("te", "trailers, deflate")]));
        assert!(malformed(&[("te", "gzip")]));
    }

    #[test]
    fn refuses_a_content_length_that_is_not_one_number() {
        for value in ["", "+3", "-1", "3, 3", "0x3", "3 ", "18446744073709551616"] {
            assert!(malformed(&[("content-length", value)]), "{value:?}");
        }
        assert!(malformed(&[
            ("content-length", "3"),
            ("content-length", "3")
        ]));
    }

    #[test]
    fn refuses_names_that_are_not_tokens() {
        let name = HeaderName::from_lowercase(b"x\"").unwrap();
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static("1"))]);
        assert_eq!(read(&headers, 100).err(), Some(BadHead::FieldName));
        assert!(!malformed(&[("!#$%&'*+-.^_`|~09", "1")]));
    }

    #[test]
    fn refuses_two_hosts() {
        assert!(malformed(&[("host", "a"), ("host", "a")]));
    }

    #[test]
    fn refuses_spaces_around_a_value() {
        for value in [" a", "a ", "\ta", "a\t", " "] {
            assert!(malformed(&[("x", value)]), "{value:?}");
        }
        assert!(!malformed(&[("x", ""), ("y", "a \t b")]));
    }

    #[test]
    fn refuses_too_many_fields() {
        let headers = headers(&[("a", "1"), ("a", "2"), ("b", "3")]);
        assert!(read(&headers, 3).is_ok());
        assert_eq!(read(&headers, 2).err(), Some(BadHead::TooManyFields));
    }

    #[test]
    fn refuses_framing_among_trailers() {
        let read = |name| read_trailers(TrailersOf::Response, &headers(&[(name, "3")]), 100);
        assert_eq!(read("grpc-status").unwrap().len(), 1);
        for name in ["content-length", "host", "transfer-encoding"] {
            assert!(read(name).is_err());
        }
    }

    #[test]
    fn leaves_out_trailers_that_belong_into_a_head() {
        let trailers = headers(&[
            ("x-forwarded-client-cert", "By=me"),
            ("x-sum", "1"),
            ("cookie", "a=b"),
            ("expect", "100-continue"),
            ("te", "trailers"),
        ]);
        let left = |of| {
            let read = read_trailers(of, &trailers, 100).unwrap();
            let name = |(name, _): (&[u8], _)| String::from_utf8(name.to_vec()).unwrap();
            read.iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(left(TrailersOf::Request), ["x-sum"]);
        let of_response = ["x-forwarded-client-cert", "x-sum"];
        assert_eq!(left(TrailersOf::Response), of_response);
    }

    #[test]
    fn writes_no_fields_of_the_connection() {
        let mut fields = Fields::default();
        for (name, value) in [
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("host", "a"),
            ("content-length", "3"),
            ("te", "gzip"),
            ("te", "trailers"),
            ("x", "1"),
            ("x", "2"),
        ] {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        let written = write(&fields).unwrap();
        assert_eq!(
            written,
            headers(&[("te", "trailers"), ("x", "1"), ("x", "2")])
        );
    }

    #[test]
    fn refuses_to_write_what_is_not_a_field() {
        for (name, value) in [("a b", "x"), ("", "x"), ("x", "a\x01b"), ("x", "\x7f")] {
            let mut fields = Fields::default();
            fields.push(name.as_bytes(), value.as_bytes());
            assert!(write(&fields).is_err(), "{name:?}: {value:?}");
        }
    }
}
