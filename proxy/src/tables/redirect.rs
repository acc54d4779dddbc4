//! Routes that tell the client where to go instead.

use http::StatusCode;

use super::{
    PathMatch, PathRewrite,
    route_match::{scheme_text, split_query},
};
use crate::message::{RequestHead, Scheme};

/// Where a client is sent. Its texts have neither spaces nor control characters in them.
#[derive(Debug, Clone)]
pub(crate) struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// `None`: as in the request.
    pub scheme: Option<Scheme>,
    /// Maybe with a port. `None`: as in the request.
    pub host: Option<Box<[u8]>>,
    /// `None`: as in the request, unless that is the default port of another scheme.
    pub port: Option<u16>,
    pub path: RedirectPath,
    pub strips_query: bool,
}

/// The path to which a client is sent.
#[derive(Debug, Clone)]
pub(crate) enum RedirectPath {
    /// The request's.
    Same,
    /// This one, maybe with a query of its own.
    Full(Box<[u8]>),
    /// The request's, rewritten.
    Rewritten(PathRewrite),
}

impl Redirect {
    /// The value of `location`, where the route has matched the path so.
    pub fn location(&self, head: &RequestHead, matched: &PathMatch) -> Vec<u8> {
        let scheme = head.effective_scheme();
        let new_scheme = self.scheme.unwrap_or(scheme);
        let (host, port) = split_port(head.authority().unwrap_or_default());
        let mut location = scheme_text(new_scheme).to_vec();
        location.extend_from_slice(b"://");
        location.extend_from_slice(self.host.as_deref().unwrap_or(host));
        // With another host, the request's port is not a part of it.
        let port = match (self.port, &self.host) {
            (Some(port), _) => Some(port),
            (None, Some(_)) => None,
            (None, None) => {
                port.filter(|port| new_scheme == scheme || *port != default_port(scheme))
            }
        };
        if let Some(port) = port.filter(|port| *port != default_port(new_scheme)) {
            location.push(b':');
            location.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
        }
        self.append_path(head.path(), matched, &mut location);
        location
    }

    fn append_path(&self, target: &[u8], matched: &PathMatch, location: &mut Vec<u8>) {
        let (path, query) = split_query(target);
        let rewritten;
        let (new, has_query) = match &self.path {
            RedirectPath::Same => (path, false),
            RedirectPath::Full(full) => (&full[..], full.contains(&b'?')),
            RedirectPath::Rewritten(rewrite) => {
                rewritten = rewrite.apply(path, matched.matched_len(target));
                (&rewritten[..], false)
            }
        };
        location.extend_from_slice(new);
        if !self.strips_query && !has_query && !query.is_empty() {
            location.push(b'?');
            location.extend_from_slice(query);
        }
    }
}

fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    }
}

fn split_port(authority: &[u8]) -> (&[u8], Option<u16>) {
    let colon = authority.iter().rposition(|byte| *byte == b':');
    let port = colon.and_then(|at| std::str::from_utf8(&authority[at + 1..]).ok()?.parse().ok());
    match (colon, port) {
        (Some(at), Some(port)) => (&authority[..at], Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::message::Fields;

    fn redirect() -> Redirect {
        Redirect {
            status: StatusCode::MOVED_PERMANENTLY,
            scheme: None,
            host: None,
            port: None,
            path: RedirectPath::Same,
            strips_query: false,
        }
    }

    fn location(redirect: &Redirect, authority: &str, path: &str) -> String {
        let authority = Some(authority.as_bytes());
        let head = RequestHead::new(Method::GET, authority, path.as_bytes(), Fields::default());
        let matched = PathMatch::Prefix("/old".to_owned());
        String::from_utf8(redirect.location(&head, &matched)).unwrap()
    }

    #[test]
    fn another_scheme_takes_its_own_port() {
        let mut https = redirect();
        https.scheme = Some(Scheme::Https);
        assert_eq!(location(&https, "a.com:80", "/x?y"), "https://a.com/x?y");
        assert_eq!(location(&https, "a.com:8080", "/"), "https://a.com:8080/");
        https.port = Some(8443);
        assert_eq!(location(&https, "[::1]:80", "/"), "https://[::1]:8443/");
        https.port = Some(443);
        assert_eq!(location(&https, "a.com", "/"), "https://a.com/");
    }

    #[test]
    fn another_host_has_no_port_of_the_old_one() {
        let mut other = redirect();
        other.host = Some(b"b.com"[..].into());
        assert_eq!(location(&other, "a.com:8080", "/x"), "http://b.com/x");
    }

    #[test]
    fn the_path_is_replaced_and_the_query_kept() {
        let mut other = redirect();
        other.path = RedirectPath::Full(b"/new"[..].into());
        assert_eq!(location(&other, "a", "/old/x?q"), "http://a/new?q");
        other.path = RedirectPath::Full(b"/new?own"[..].into());
        assert_eq!(location(&other, "a", "/old/x?q"), "http://a/new?own");
        other.path = RedirectPath::Rewritten(PathRewrite::Matched(b"/new"[..].into()));
        assert_eq!(location(&other, "a", "/old/x?q"), "http://a/new/x?q");
        other.strips_query = true;
        assert_eq!(location(&other, "a", "/old/x?q"), "http://a/new/x");
    }
}
