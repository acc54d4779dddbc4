//! The head of a request.

use http::{Method, Version};

use super::{BodySize, FieldName, Fields, fields::Span};

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// The head of a request.
///
/// Among its fields are neither `host`, `content-length` nor `transfer-encoding`:
/// these are the authority and the body's size.
#[derive(Debug, Clone)]
pub(crate) struct RequestHead {
    pub method: Method,
    /// As the client sent it.
    pub version: Version,
    /// Of the target, where it has one.
    pub scheme: Option<Scheme>,
    pub body: BodySize,
    /// `:protocol` of an extended CONNECT (RFC 8441), or what a client of HTTP/1.1 asks to
    /// upgrade to, as one `upgrade` field says it.
    upgrade: Option<Span>,
    authority: Option<Span>,
    path: Span,
    pub fields: Fields,
}

impl RequestHead {
    /// A head of HTTP/1.1 without fields and without a body.
    ///
    /// The path is what stands in the request line: `/path?query`, `*`, or nothing for CONNECT.
    pub fn new(method: Method, authority: Option<&[u8]>, path: &[u8], mut fields: Fields) -> Self {
        let authority = authority.map(|text| fields.store(text));
        let path = fields.store(path);
        Self {
            method,
            version: Version::HTTP_11,
            scheme: None,
            body: BodySize::Empty,
            upgrade: None,
            authority,
            path,
            fields,
        }
    }

    /// Host and port as the client wrote them; `None` for an HTTP/1.0 request without `Host`.
    pub fn authority(&self) -> Option<&[u8]> {
        self.authority.map(|span| self.fields.text(span))
    }

    /// Path and query, `*`, or nothing for CONNECT.
    pub fn path(&self) -> &[u8] {
        self.fields.text(self.path)
    }

    /// The protocol that an upgrade or an extended CONNECT asks for.
    pub fn upgrade(&self) -> Option<&[u8]> {
        self.upgrade.map(|span| self.fields.text(span))
    }

    /// The scheme that the client used: that of the target, or what the proxy before this one
    /// says (`x-forwarded-proto`).
    pub fn effective_scheme(&self) -> Scheme {
        let forwarded = || self.fields.get(FieldName::XForwardedProto);
        self.scheme.unwrap_or_else(|| match forwarded() {
            Some(proto) if proto.eq_ignore_ascii_case(b"https") => Scheme::Https,
            _ => Scheme::Http,
        })
    }

    /// The client's version of HTTP, as records have it.
    pub fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_09 => "HTTP/0.9",
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_3 => "HTTP/3",
            _ => "HTTP/1.1",
        }
    }

    /// Replaces host and port.
    pub fn set_authority(&mut self, authority: &[u8]) {
        self.authority = Some(self.fields.store(authority));
    }

    /// Replaces path and query.
    pub fn set_path(&mut self, path: &[u8]) {
        self.path = self.fields.store(path);
    }

    /// Says what the client asks to upgrade to.
    pub fn set_upgrade(&mut self, protocol: Option<&[u8]>) {
        self.upgrade = protocol.map(|text| self.fields.store(text));
    }

    /// Whether the request starts a tunnel if the server agrees.
    pub fn is_tunnel(&self) -> bool {
        self.method == Method::CONNECT || self.upgrade.is_some()
    }
}

/// What it says counts, and not where it is kept.
impl PartialEq for RequestHead {
    fn eq(&self, other: &Self) -> bool {
        let rest = |head: &Self| (head.version, head.scheme, head.body);
        self.method == other.method
            && rest(self) == rest(other)
            && self.authority() == other.authority()
            && self.path() == other.path()
            && self.upgrade() == other.upgrade()
            && self.fields == other.fields
    }
}

impl Eq for RequestHead {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_can_be_replaced() {
        let mut fields = Fields::default();
        fields.push(b"accept", b"*/*");
        let mut head = RequestHead::new(Method::GET, Some(b"reviews:9080"), b"/a?b", fields);
        assert_eq!(head.authority(), Some(&b"reviews:9080"[..]));
        assert_eq!((head.path(), head.upgrade()), (&b"/a?b"[..], None));
        head.set_path(b"/");
        head.set_upgrade(Some(b"websocket"));
        assert_eq!(
            (head.path(), head.upgrade()),
            (&b"/"[..], Some(&b"websocket"[..]))
        );
        assert!(head.is_tunnel());
        head.set_authority(b"ratings");
        assert_eq!(head.authority(), Some(&b"ratings"[..]));
        assert_eq!(head.fields.len(), 1);
    }

    #[test]
    fn the_scheme_is_the_target_s_or_what_the_last_proxy_says() {
        let mut fields = Fields::default();
        let head = RequestHead::new(Method::GET, None, b"/", fields.clone());
        assert_eq!(head.effective_scheme(), Scheme::Http);
        fields.push(b"x-forwarded-proto", b"HTTPS");
        let mut head = RequestHead::new(Method::GET, None, b"/", fields);
        assert_eq!(head.effective_scheme(), Scheme::Https);
        head.scheme = Some(Scheme::Http);
        assert_eq!(head.effective_scheme(), Scheme::Http);
    }
}
