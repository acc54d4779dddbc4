//! Heads of requests.

use h2::ext::Protocol;
use http::{
    Method, Request, StatusCode, Version,
    uri::{self, Authority, PathAndQuery, Uri},
};

use super::fields::{self, BadHead};
use crate::message::{BodySize, Broken, RequestHead, Scheme, is_known_method, is_token};

/// Reads a head that came. `ended`: nothing follows it. `max_fields` is how many fields it
/// may have.
///
/// The path has no fragment: h2 has cut it off.
pub(in crate::http2) fn read_request(
    request: Request<()>,
    ended: bool,
    max_fields: usize,
) -> Result<RequestHead, BadHead> {
    let (parts, ()) = request.into_parts();
    check_method(&parts.method)?;
    let read = fields::read(&parts.headers, max_fields)?;
    let upgrade = parts.extensions.get::<Protocol>().map(Protocol::as_str);
    let uri = parts.uri.into_parts();
    let authority = authority(uri.authority.as_ref(), read.host)?;
    let connects = parts.method == Method::CONNECT;
    let is_tunnel = connects && upgrade.is_none();
    let path = if is_tunnel {
        target(&authority)?;
        ""
    } else {
        path(uri.path_and_query.as_ref(), &parts.method).map_err(BadHead::Malformed)?
    };
    // Without an authority, h2 has left out the scheme itself; one that is empty it takes.
    if !is_tunnel && uri.authority.is_some() && uri.scheme.as_ref().is_none_or(is_empty) {
        return Err(BadHead::Malformed("there is no `:scheme`"));
    }
    let body = body(read.content_length, ended, connects).map_err(BadHead::Malformed)?;
    // An upgrade is a GET in HTTP/1.1, and has no `:protocol` but its `upgrade` field.
    let method = match upgrade {
        Some(protocol) if !is_token(protocol.as_bytes()) => {
            return Err(BadHead::Malformed("`:protocol` is not a token"));
        }
        Some(_) => Method::GET,
        None => parts.method,
    };
    let mut head = RequestHead::new(
        method,
        Some(authority.as_str().as_bytes()),
        path.as_bytes(),
        read.fields,
    );
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
        false => Err(BadHead::Refused(
            StatusCode::NOT_IMPLEMENTED,
            "`:method` is none that is registered",
        )),
    }
}

/// `:authority`, or what `host` says in its place; both have to say the same
/// (RFC 9113, 8.3.1).
fn authority(authority: Option<&Authority>, host: Option<&[u8]>) -> Result<Authority, BadHead> {
    let authority = match (authority, host) {
        (Some(authority), None) => authority.clone(),
        (Some(authority), Some(host)) => {
            if !authority.as_str().as_bytes().eq_ignore_ascii_case(host) {
                return Err(BadHead::Malformed("`host` is not `:authority`"));
            }
            authority.clone()
        }
        (None, Some(host)) => Authority::try_from(host)
            .map_err(|_| BadHead::Malformed("`host` is not a host and a port"))?,
        (None, None) => {
            let why = "there is neither `:authority` nor `host`";
            return Err(BadHead::Refused(StatusCode::BAD_REQUEST, why));
        }
    };
    if authority.as_str().contains('@') {
        return Err(BadHead::Malformed("there is a user in `:authority`"));
    }
    Ok(authority)
}

/// The target of CONNECT has a port (RFC 9113, 8.5).
fn target(authority: &Authority) -> Result<(), BadHead> {
    if authority.port_u16().is_none() {
        let why = "the target of CONNECT has no port";
        return Err(BadHead::Refused(StatusCode::BAD_REQUEST, why));
    }
    Ok(())
}

fn path<'a>(path: Option<&'a PathAndQuery>, method: &Method) -> Result<&'a str, &'static str> {
    let path = path.ok_or("there is no `:path`")?.as_str();
    if path == "*" && *method == Method::OPTIONS {
        return Ok(path);
    }
    if !path.starts_with('/') {
        return Err("`:path` is not absolute");
    }
    // What HTTP/1 refuses, too. h2 refuses most of these, but takes UTF-8.
    if path
        .bytes()
        .any(|byte| matches!(byte, 0..=32 | b'#' | 127..))
    {
        return Err("`:path` has a character that URLs don't have");
    }
    Ok(path)
}

fn body(length: Option<u64>, ended: bool, connects: bool) -> Result<BodySize, &'static str> {
    match (length, ended) {
        (Some(_), _) if connects => Err("CONNECT has a `content-length`"),
        (Some(1..), true) => Err("the body that `content-length` announces is missing"),
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
        let bad = Broken::Protocol("the protocol of an upgrade can't be carried by HTTP/2");
        let protocol = std::str::from_utf8(protocol).map_err(|_| bad)?;
        request.extensions_mut().insert(Protocol::from(protocol));
        *request.method_mut() = Method::CONNECT;
    }
    let ended = head.body == BodySize::Empty && !head.is_tunnel();
    Ok((request, ended))
}

fn write_target(head: &RequestHead) -> Result<Uri, Broken> {
    let bad = Broken::Protocol("the target can't be carried by HTTP/2");
    let mut target = uri::Parts::default();
    if let Some(authority) = head.authority() {
        target.authority = Some(Authority::try_from(authority).map_err(|_| bad.clone())?);
    }
    if head.method != Method::CONNECT {
        let path = PathAndQuery::try_from(head.path()).map_err(|_| bad.clone())?;
        // It cuts off a fragment.
        if path.as_str().as_bytes() != head.path() {
            return Err(bad);
        }
        target.path_and_query = Some(path);
        if target.authority.is_some() {
            target.scheme = Some(match head.scheme {
                Some(Scheme::Https) => uri::Scheme::HTTPS,
                Some(Scheme::Http) | None => uri::Scheme::HTTP,
            });
        }
    }
    Uri::from_parts(target).map_err(|_| bad)
}

#[cfg(test)]
mod tests;
