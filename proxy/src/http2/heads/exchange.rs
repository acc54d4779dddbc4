//! What of a request its response depends on.

use http::{Method, StatusCode};

use crate::message::RequestHead;

/// A request, as far as its response depends on it.
#[derive(Debug, Clone)]
pub(in crate::http2) struct Asked {
    pub method: Method,
    /// The protocol of an extended CONNECT.
    pub upgrade: Option<Vec<u8>>,
}

impl Asked {
    /// What that request asks.
    pub fn of(head: &RequestHead) -> Self {
        Self {
            method: head.method.clone(),
            upgrade: head.upgrade().map(<[u8]>::to_vec),
        }
    }

    /// Whether a response of HTTP/2 with that status starts a tunnel (RFC 9113, 8.5).
    pub fn is_tunnel(&self, status: StatusCode) -> bool {
        status.is_success() && (self.upgrade.is_some() || self.method == Method::CONNECT)
    }

    /// Whether such a response has no body, whatever its fields say (RFC 9110, 6.4.1).
    pub fn has_no_body(&self, status: StatusCode) -> bool {
        self.method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }
}
