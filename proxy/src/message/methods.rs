//! The methods that are passed on.

/// Whether it is a method of IANA's registry, or one that is used without (UPnP's, and `PURGE` of
/// caches). They are in capitals: where a server takes `delete` for `DELETE`, the former would get
/// past a rule for the latter. Envoy knows the same in HTTP/1, and checks none in HTTP/2. What the
/// end of another request runs into is no method, either: `abcGET` is none.
pub(crate) fn is_known_method(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET" | b"HEAD" | b"POST" | b"PUT" | b"DELETE" | b"OPTIONS" | b"PATCH" | b"CONNECT" | b"TRACE"
            // Of WebDAV and what extends it.
            | b"ACL" | b"BASELINE-CONTROL" | b"BIND" | b"CHECKIN" | b"CHECKOUT" | b"COPY" | b"LABEL"
            | b"LINK" | b"LOCK" | b"MERGE" | b"MKACTIVITY" | b"MKCALENDAR" | b"MKCOL"
            | b"MKREDIRECTREF" | b"MKWORKSPACE" | b"MOVE" | b"ORDERPATCH" | b"PROPFIND"
            | b"PROPPATCH" | b"QUERY" | b"REBIND" | b"REPORT" | b"SEARCH" | b"UNBIND"
            | b"UNCHECKOUT" | b"UNLINK" | b"UNLOCK" | b"UPDATE" | b"UPDATEREDIRECTREF"
            | b"VERSION-CONTROL"
            // Not registered.
            | b"M-SEARCH" | b"MSEARCH" | b"NOTIFY" | b"PURGE" | b"SOURCE" | b"SUBSCRIBE"
            | b"UNSUBSCRIBE"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_methods_in_capitals_only() {
        for good in ["GET", "CONNECT", "PROPFIND", "VERSION-CONTROL", "M-SEARCH"] {
            assert!(is_known_method(good.as_bytes()), "{good}");
        }
        // `PRI` is registered for the preface of HTTP/2, which is no request (RFC 9113, 11.6).
        for bad in ["", "get", "Get", "abcGET", "GETS", "FROB", "PRI"] {
            assert!(!is_known_method(bad.as_bytes()), "{bad}");
        }
    }
}
