//! Heads of requests.

use h2::ext::Protocol;
use http::{
    Method, Request, Version,
    uri::{self, Authority, PathAndQuery, Uri},
};

use super::{fields, refusal::BadHead};
use crate::message::{
    BodySize, Broken, RequestHead, Scheme, is_authority, is_authority_with_port, is_known_method,
    is_token,
};

/// Reads a head that came. `ended`: nothing follows it. `max_fields` is how many fields it
/// may have. Its target is taken out.
///
/// The path has no fragment: h2 has cut it off.
pub(in crate::http2) fn read_request(
    request: &mut Request<()>,
    ended: bool,
    max_fields: usize,
) -> Result<RequestHead, BadHead> {
    let uri = std::mem::take(request.uri_mut()).into_parts();
    let method = request.method();
    check_method(method)?;
    let read = fields::read(request.headers(), max_fields)?;
    let upgrade = request.extensions().get::<Protocol>().map(Protocol::as_str);
    let authority = authority(uri.authority.as_ref(), read.host)?;
    let connects = *method == Method::CONNECT;
    let is_tunnel = connects && upgrade.is_none();
    let path = if is_tunnel {
        // The target of CONNECT has a port (RFC 9113, 8.5).
        if !is_authority_with_port(authority) {
            return Err(BadHead::NoPort);
        }
        ""
    } else {
        path(uri.path_and_query.as_ref(), method)?
    };
    // Without an authority, h2 has left out the scheme itself; one that is empty it takes.
    if !is_tunnel && uri.authority.is_some() && uri.scheme.as_ref().is_none_or(is_empty) {
        return Err(BadHead::NoScheme);
    }
    let body = body(read.content_length, ended, connects)?;
    // An upgrade is a GET in HTTP/1.1, and has no `:protocol` but its `upgrade` field.
    let method = match upgrade {
        Some(protocol) if !is_token(protocol.as_bytes()) => return Err(BadHead::Protocol),
        Some(_) => Method::GET,
        None => method.clone(),
    };
    let mut head = RequestHead::new(method, Some(authority), path.as_bytes(), read.fields);
    head.version = Version::HTTP_2;
    head.scheme = scheme(uri.scheme.as_ref());
    head.body = body;
    head.set_upgrade(upgrade.map(str::as_bytes));
    Ok(head)
}

/// As in HTTP/1 (RFC 9110, 15.6.2), which the server behind us may speak.
fn check_method(method: &Method) -> Result<(), BadHead> {
    match is_known_method(method.as_str().as_bytes()) {
        true => Ok(()),
        false => Err(BadHead::MethodUnknown),
    }
}

/// `:authority`, or what `host` says in its place; both have to say the same
/// (RFC 9113, 8.3.1). What is a host is decided as in HTTP/1.
fn authority<'a>(
    authority: Option<&'a Authority>,
    host: Option<&'a [u8]>,
) -> Result<&'a [u8], BadHead> {
    let authority = authority.map(|authority| authority.as_str().as_bytes());
    if let (Some(authority), Some(host)) = (authority, host)
        && !authority.eq_ignore_ascii_case(host)
    {
        return Err(BadHead::OtherHost);
    }
    match authority.or(host).ok_or(BadHead::NoHost)? {
        user if user.contains(&b'@') => Err(BadHead::User),
        host if is_authority(host) => Ok(host),
        _ => Err(BadHead::Host),
    }
}

fn path<'a>(path: Option<&'a PathAndQuery>, method: &Method) -> Result<&'a str, BadHead> {
    let path = path.ok_or(BadHead::NoPath)?.as_str();
    if path == "*" && *method == Method::OPTIONS {
        return Ok(path);
    }
    if !path.starts_with('/') {
        return Err(BadHead::Path);
    }
    // What HTTP/1 refuses, too. h2 refuses most of these, but takes UTF-8.
    if path
        .bytes()
        .any(|byte| matches!(byte, 0..=32 | b'#' | 127..))
    {
        return Err(BadHead::Path);
    }
    Ok(path)
}

fn body(length: Option<u64>, ended: bool, connects: bool) -> Result<BodySize, BadHead> {
    match (length, ended) {
        (Some(_), _) if connects => Err(BadHead::ConnectWithBody),
        (Some(1..), true) => Err(BadHead::BodyMissing),
        (Some(length @ 1..), false) if !connects => Ok(BodySize::Length(length)),
        (None, false) if !connects => Ok(BodySize::Unknown),
        _ => Ok(BodySize::Empty),
    }
}

fn is_empty(scheme: &uri::Scheme) -> bool {
    scheme.as_str().is_empty()
}

/// Any other scheme says nothing to us.
fn scheme(scheme: Option<&uri::Scheme>) -> Option<Scheme> {
    match scheme?.as_str() {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        _ => None,
    }
}

/// Writes a head, and says whether it is the end of the stream.
pub(in crate::http2) fn write_request(head: &RequestHead) -> Result<(Request<()>, bool), Broken> {
    let mut request = Request::new(());
    let mut headers = fields::write(&head.fields)?;
    if let BodySize::Length(length) = head.body {
        fields::set_length(&mut headers, length);
    }
    *request.headers_mut() = headers;
    *request.uri_mut() = write_target(head)?;
    // Without an authority, h2 takes only a request that came by HTTP/1.
    *request.version_mut() = match head.authority() {
        Some(_) => Version::HTTP_2,
        None => Version::HTTP_11,
    };
    *request.method_mut() = head.method.clone();
    if let Some(protocol) = head.upgrade() {
        let bad = Broken::Protocol("protocol_not_for_http2");
        let protocol = std::str::from_utf8(protocol).map_err(|_| bad)?;
        request.extensions_mut().insert(Protocol::from(protocol));
        *request.method_mut() = Method::CONNECT;
    }
    let ended = head.body == BodySize::Empty && !head.is_tunnel();
    Ok((request, ended))
}

fn write_target(head: &RequestHead) -> Result<Uri, Broken> {
    let mut target = uri::Parts::default();
    if let Some(authority) = head.authority() {
        // It can't have an encoded character, which HTTP/1 allows.
        let bad = Broken::Protocol("host_not_for_http2");
        target.authority = Some(Authority::try_from(authority).map_err(|_| bad)?);
    }
    if head.method != Method::CONNECT {
        target.path_and_query = Some(write_path(head.path())?);
        if target.authority.is_some() {
            target.scheme = Some(match head.scheme {
                Some(Scheme::Https) => uri::Scheme::HTTPS,
                Some(Scheme::Http) | None => uri::Scheme::HTTP,
            });
        }
    }
    Uri::from_parts(target).map_err(|_| BAD_TARGET)
}

const BAD_TARGET: Broken = Broken::Protocol("target_not_for_http2");

/// A path and a query. Characters that no URL has, but requests of HTTP/1 often do, are encoded
/// where the library does not take them.
fn write_path(path: &[u8]) -> Result<PathAndQuery, Broken> {
    let written = match PathAndQuery::try_from(path) {
        Ok(written) => written,
        Err(_) => PathAndQuery::try_from(encoded(path)).map_err(|_| BAD_TARGET)?,
    };
    // It cuts off a fragment.
    match path.contains(&b'#') {
        true => Err(BAD_TARGET),
        false => Ok(written),
    }
}

fn encoded(path: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(path.len() + 16);
    let mut in_query = false;
    for byte in path {
        in_query |= *byte == b'?';
        let written: &[u8] = match byte {
            b'<' => b"%3C",
            b'>' => b"%3E",
            b'"' if in_query => b"%22",
            b'`' if !in_query => b"%60",
            byte => std::slice::from_ref(byte),
        };
        encoded.extend_from_slice(written);
    }
    encoded
}

#[cfg(test)]
mod tests;
