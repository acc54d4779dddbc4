//! The first line of a request (RFC 9112, 3).

use http::{Method, Version};
use memchr::memchr;

use super::{
    characters::is_target,
    refusal::{BadLine, BadRequest},
};
use crate::message::{Scheme, is_authority, is_authority_with_port, is_known_method, is_token};

/// A method, a target and a version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub method: Method,
    pub target: Target<'a>,
    pub version: Version,
}

/// A request's target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub scheme: Option<Scheme>,
    pub authority: Option<&'a [u8]>,
    /// Path and query, `*`, or nothing for CONNECT.
    pub path: &'a [u8],
    /// The path is empty and only a query was sent: a slash belongs in front.
    pub lacks_slash: bool,
}

impl<'a> RequestLine<'a> {
    /// Reads the line, which is given without its end.
    pub fn parse(line: &'a [u8]) -> Result<Self, BadRequest> {
        let (method, rest) =
            split_space(line).ok_or_else(|| fault(line, BadRequest::RequestLine))?;
        let (target, version) =
            split_space(rest).ok_or_else(|| fault(line, BadRequest::RequestLine))?;
        let version = parse_version(version).map_err(|reason| fault(line, reason))?;
        if !is_token(method) {
            return Err(fault(line, BadRequest::Method));
        }
        if !is_known_method(method) {
            return Err(fault(line, BadRequest::MethodUnknown));
        }
        let method = Method::from_bytes(method).map_err(|_| BadRequest::Method)?;
        let target =
            Target::parse(target, &method).ok_or_else(|| fault(line, BadRequest::Target))?;
        Ok(Self {
            method,
            target,
            version,
        })
    }
}

/// CR is named, wherever it stands.
fn fault(line: &[u8], reason: BadRequest) -> BadRequest {
    match line.contains(&b'\r') {
        true => BadLine::BareCr.into(),
        false => reason,
    }
}

/// What is in front of the first space and behind it.
fn split_space(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr(b' ', text)?;
    Some((&text[..space], &text[space + 1..]))
}

fn parse_version(text: &[u8]) -> Result<Version, BadRequest> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(BadRequest::Version),
        _ => Err(BadRequest::RequestLine),
    }
}

impl<'a> Target<'a> {
    /// Reads a target in one of the four forms of RFC 9112 (3.2); `None` if it is not valid.
    fn parse(text: &'a [u8], method: &Method) -> Option<Self> {
        if !is_target(text) {
            return None;
        }
        if *method == Method::CONNECT {
            return is_authority_with_port(text).then_some(Self {
                authority: Some(text),
                ..Self::origin(b"")
            });
        }
        match text {
            [b'/', ..] => Some(Self::origin(text)),
            b"*" if *method == Method::OPTIONS => Some(Self::origin(text)),
            _ => Self::absolute(text, method),
        }
    }

    fn origin(path: &'a [u8]) -> Self {
        Self {
            scheme: None,
            authority: None,
            path,
            lacks_slash: false,
        }
    }

    fn absolute(text: &'a [u8], method: &Method) -> Option<Self> {
        let (scheme, rest) = after_scheme(text)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
        let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
        if !is_authority(authority) {
            return None;
        }
        Some(Self {
            scheme: Some(scheme),
            authority: Some(authority),
            path: match path {
                // RFC 9112, 3.2.4: the whole server is meant.
                b"" if *method == Method::OPTIONS => b"*",
                b"" => b"/",
                path => path,
            },
            lacks_slash: path.starts_with(b"?"),
        })
    }
}

/// What follows `http://` or `https://`, in any case.
fn after_scheme(text: &[u8]) -> Option<(Scheme, &[u8])> {
    let schemes = [(Scheme::Http, "http://"), (Scheme::Https, "https://")];
    schemes.into_iter().find_map(|(scheme, prefix)| {
        let (start, rest) = text.split_at_checked(prefix.len())?;
        let is_it = start.eq_ignore_ascii_case(prefix.as_bytes());
        is_it.then_some((scheme, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<RequestLine<'_>, BadRequest> {
        RequestLine::parse(line.as_bytes())
    }

    fn target(method: &str, target: &str) -> Option<(Option<Scheme>, Option<String>, String)> {
        let line = format!("{method} {target} HTTP/1.1");
        let target = parse(&line).ok()?.target;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let slash = if target.lacks_slash { "/" } else { "" };
        let path = slash.to_owned() + &text(target.path);
        Some((target.scheme, target.authority.map(text), path))
    }

    #[test]
    fn reads_methods_and_versions() {
        let line = parse("GET /a?b HTTP/1.1").unwrap();
        assert_eq!((line.method, line.version), (Method::GET, Version::HTTP_11));
        let line = parse("POST / HTTP/1.0").unwrap();
        assert_eq!(line.method, Method::POST);
        assert_eq!(line.version, Version::HTTP_10);
        assert_eq!(
            parse("M-SEARCH / HTTP/1.1").unwrap().method.as_str(),
            "M-SEARCH"
        );
    }

    #[test]
    fn reads_the_four_forms_of_targets() {
        use Scheme::{Http, Https};
        for (method, text, scheme, authority, path) in [
            ("GET", "/", None, None, "/"),
            (
                "GET",
                "//a/../%2f;b?c=http://d",
                None,
                None,
                "//a/../%2f;b?c=http://d",
            ),
            ("OPTIONS", "*", None, None, "*"),
            ("OPTIONS", "/a", None, None, "/a"),
            ("GET", "http://a/b?c", Some(Http), Some("a"), "/b?c"),
            ("GET", "HTTPS://a:443", Some(Https), Some("a:443"), "/"),
            (
                "GET",
                "http://[::1]:80?a=/",
                Some(Http),
                Some("[::1]:80"),
                "/?a=/",
            ),
            ("OPTIONS", "http://a", Some(Http), Some("a"), "*"),
            ("OPTIONS", "http://a/", Some(Http), Some("a"), "/"),
            ("OPTIONS", "http://a?b", Some(Http), Some("a"), "/?b"),
            ("CONNECT", "a:443", None, Some("a:443"), ""),
        ] {
            let expected = (scheme, authority.map(str::to_owned), path.to_owned());
            assert_eq!(target(method, text), Some(expected), "{method} {text}");
        }
    }

    #[test]
    fn refuses_targets_that_the_method_cannot_have() {
        for (method, text) in [
            ("GET", "*"),
            ("OPTIONS", "**"),
            ("GET", "a:443"),
            ("GET", "a"),
            ("GET", "?a"),
            ("GET", "\\a"),
            ("CONNECT", "/"),
            ("CONNECT", "a"),
            ("CONNECT", "http://a:443"),
            ("CONNECT", "a:443/"),
            ("CONNECT", "*"),
        ] {
            assert_eq!(target(method, text), None, "{method} {text}");
        }
    }

    #[test]
    fn refuses_absolute_targets_without_a_good_authority() {
        for text in [
            "http://",
            "http:///a",
            "http://?a",
            "http://user@a/",
            "http://a b/",
            "http:/a",
            "http:a",
            "ftp://a/",
            "ws://a/",
            "http://a:b/",
            "//",
            "http//a",
            "http://a\\b/",
        ] {
            let is_origin = text.starts_with('/');
            assert_eq!(target("GET", text).is_some(), is_origin, "{text}");
        }
    }

    #[test]
    fn refuses_characters_that_targets_cannot_have() {
        for text in [
            "/\0", "/\t", "/a#b", "/\u{7f}", "/\u{1}", "/a\u{b}", "/é", "/?é",
        ] {
            let line = format!("GET {text} HTTP/1.1");
            assert_eq!(parse(&line), Err(BadRequest::Target), "{text:?}");
        }
    }

    #[test]
    fn refuses_other_lines() {
        for (line, reason) in [
            ("GET", BadRequest::RequestLine),
            ("GET /", BadRequest::RequestLine),
            ("GET / ", BadRequest::RequestLine),
            ("GET / HTTP/1.1 ", BadRequest::RequestLine),
            ("GET  / HTTP/1.1", BadRequest::RequestLine),
            ("GET /a b HTTP/1.1", BadRequest::RequestLine),
            ("GET / http/1.1", BadRequest::RequestLine),
            ("GET / HTTP/1.10", BadRequest::RequestLine),
            ("GET / HTTP/1,1", BadRequest::RequestLine),
            ("GET / HTTP/2", BadRequest::RequestLine),
            ("GET / HTTP/2.0", BadRequest::Version),
            ("GET / HTTP/1.2", BadRequest::Version),
            ("GET / HTTP/0.9", BadRequest::Version),
            (" / HTTP/1.1", BadRequest::Method),
            ("G\0T / HTTP/1.1", BadRequest::Method),
            ("G:T / HTTP/1.1", BadRequest::Method),
            ("\tGET / HTTP/1.1", BadRequest::Method),
            ("GET\t/ HTTP/1.1", BadRequest::RequestLine),
            ("PRI * HTTP/1.1", BadRequest::MethodUnknown),
            ("post / HTTP/1.1", BadRequest::MethodUnknown),
            ("FROB / HTTP/1.1", BadRequest::MethodUnknown),
            ("abcGET / HTTP/1.1", BadRequest::MethodUnknown),
            ("PRI * HTTP/2.0", BadRequest::Version),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1",
                BadRequest::MethodUnknown,
            ),
            ("GET / HTTP/1.1\r", BadRequest::Line(BadLine::BareCr)),
            ("GET /\r HTTP/1.1", BadRequest::Line(BadLine::BareCr)),
            ("\rGET / HTTP/1.1", BadRequest::Line(BadLine::BareCr)),
        ] {
            assert_eq!(parse(line), Err(reason), "{line:?}");
        }
    }
}
