//! What a gateway does to a request from outside of the mesh before anything else reads it, as
//! Envoy does with `use_remote_address: true`: who may be anybody is believed nothing.

use std::net::IpAddr;

use crate::{
    message::{FieldName, Fields, RequestHead, Scheme},
    trace::unmarked,
};

/// How far a gateway believes its clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edge {
    /// How many proxies stand in front of the gateway and tell the truth about their own clients
    /// (Envoy's `xff_num_trusted_hops`, Istio's `numTrustedProxies`).
    pub trusted_proxies: usize,
    /// Whether `x-forwarded-client-cert` passes (Istio's `ALWAYS_FORWARD_ONLY`). Without
    /// mutual TLS, all other settings of `forwardClientCertDetails` remove it.
    pub keeps_client_cert: bool,
    /// Whether a client may choose `x-request-id` (Envoy's `preserve_external_request_id`).
    pub keeps_request_id: bool,
}

impl Edge {
    /// Removes what clients may not say, and says what the gateway knows itself. `peer` is
    /// who has connected, and `scheme` how. Returns the client that a trusted proxy speaks for.
    pub(super) fn admit(
        &self,
        head: &mut RequestHead,
        peer: IpAddr,
        scheme: Scheme,
    ) -> Option<IpAddr> {
        let fields = &mut head.fields;
        let client = self.client(fields);
        fields.retain(|known, name, _| self.keeps(known, name));
        // An id that is kept keeps no mark, which would have all proxies trace the request (Envoy, #36773).
        if let Some(id) = fields.get(FieldName::XRequestId).and_then(unmarked) {
            fields.set(FieldName::XRequestId, &id);
        }
        let scheme = match fields.get(FieldName::XForwardedProto) {
            Some(b"https") => Scheme::Https,
            _ => {
                fields.set(FieldName::XForwardedProto, proto(scheme));
                scheme
            }
        };
        let way = way(fields, peer);
        fields.set(FieldName::XForwardedFor, &way);
        let external = client.unwrap_or(peer).to_string();
        fields.push(b"x-envoy-external-address", external.as_bytes());
        // What the client writes into its target would decide about redirects to HTTPS.
        head.scheme = Some(scheme);
        client
    }

    fn keeps(&self, known: FieldName, name: &[u8]) -> bool {
        match known {
            FieldName::XForwardedFor => true,
            FieldName::XRequestId => self.keeps_request_id,
            _ if name.starts_with(b"x-envoy-") => false,
            _ if name == b"x-forwarded-client-cert" => self.keeps_client_cert,
            _ if name.starts_with(b"x-forwarded-") => self.trusted_proxies > 0,
            _ => true,
        }
    }

    /// The client as the outermost trusted proxy has seen it; `None` without such a proxy, or
    /// if it has not said so.
    fn client(&self, fields: &Fields) -> Option<IpAddr> {
        let from_the_end = self.trusted_proxies.checked_sub(1)?;
        let all: Vec<_> = fields
            .all(FieldName::XForwardedFor)
            .flat_map(|line| line.split(|byte| *byte == b','))
            .collect();
        let entry = all.into_iter().nth_back(from_the_end)?;
        str::from_utf8(entry.trim_ascii()).ok()?.parse().ok()
    }
}

/// What `x-forwarded-proto` says of a scheme.
pub(super) fn proto(scheme: Scheme) -> &'static [u8] {
    match scheme {
        Scheme::Http => b"http",
        Scheme::Https => b"https",
    }
}

/// The addresses that the request has come by, with that of the peer at the end.
fn way(fields: &Fields, peer: IpAddr) -> Vec<u8> {
    let mut way = Vec::new();
    for line in fields.all(FieldName::XForwardedFor) {
        way.extend_from_slice(line);
        way.push(b',');
    }
    way.extend_from_slice(peer.to_string().as_bytes());
    way
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));

    /// What is left of the fields.
    fn admitted(edge: &Edge, sent: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut fields = Fields::default();
        for (name, value) in sent {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        let mut head = RequestHead::new(Method::GET, Some(b"a"), b"/", fields);
        let client = edge.admit(&mut head, PEER, Scheme::Http);
        let external = head.fields.find(b"x-envoy-external-address").unwrap();
        let expected = client.unwrap_or(PEER).to_string();
        assert_eq!(external, expected.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let fields = head.fields.iter();
        fields
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        expected.iter().map(owned).collect()
    }

    #[test]
    fn a_stranger_is_believed_nothing() {
        let sent = [
            ("x-envoy-retry-on", "5xx"),
            ("x-envoy-internal", "true"),
            ("x-envoy-external-address", "1.1.1.1"),
            ("x-request-id", "mine"),
            ("x-forwarded-client-cert", "By=me"),
            ("x-forwarded-host", "admin.example.com"),
            ("x-forwarded-proto", "https"),
            ("accept", "*/*"),
        ];
        let expected = [
            ("accept", "*/*"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "10.0.0.9"),
            ("x-envoy-external-address", "10.0.0.9"),
        ];
        assert_eq!(admitted(&Edge::default(), &sent), pairs(&expected));
    }

    #[test]
    fn addresses_that_clients_claim_stay_before_their_own() {
        let sent = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
        ];
        let expected = [
            ("x-forwarded-for", "1.1.1.1,2.2.2.2,10.0.0.9"),
            ("x-forwarded-proto", "http"),
            ("x-envoy-external-address", "10.0.0.9"),
        ];
        assert_eq!(admitted(&Edge::default(), &sent), pairs(&expected));
    }

    #[test]
    fn a_trusted_proxy_speaks_for_its_client() {
        let edge = Edge {
            trusted_proxies: 2,
            ..Edge::default()
        };
        let sent = [
            ("x-forwarded-for", "56.5.6.7, 72.9.5.6, 98.1.2.3"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example.com"),
        ];
        let expected = [
            ("x-forwarded-for", "56.5.6.7, 72.9.5.6, 98.1.2.3,10.0.0.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example.com"),
            ("x-envoy-external-address", "72.9.5.6"),
        ];
        assert_eq!(admitted(&edge, &sent), pairs(&expected));
    }

    #[test]
    fn who_came_past_the_trusted_proxies_is_the_client() {
        let edge = Edge {
            trusted_proxies: 2,
            ..Edge::default()
        };
        for way in ["98.1.2.3", "x, y", ","] {
            let left = admitted(&edge, &[("x-forwarded-for", way)]);
            let external = ("x-envoy-external-address".to_owned(), PEER.to_string());
            assert!(left.contains(&external), "{way}: {left:?}");
        }
        let left = admitted(&edge, &[("x-forwarded-proto", "gopher")]);
        assert!(left.contains(&("x-forwarded-proto".to_owned(), "http".to_owned())));
    }

    #[test]
    fn the_scheme_of_a_target_is_believed_no_more_than_its_field() {
        let scheme = |edge: &Edge, claimed, forwarded: &[u8]| {
            let mut fields = Fields::default();
            fields.push(b"x-forwarded-proto", forwarded);
            let mut head = RequestHead::new(Method::GET, Some(b"a"), b"/", fields);
            head.scheme = claimed;
            edge.admit(&mut head, PEER, Scheme::Http);
            head.effective_scheme()
        };
        let stranger = Edge::default();
        let claimed = Some(Scheme::Https);
        assert_eq!(scheme(&stranger, claimed, b"https"), Scheme::Http);
        let trusted = Edge {
            trusted_proxies: 1,
            ..Edge::default()
        };
        assert_eq!(scheme(&trusted, claimed, b"http"), Scheme::Http);
        let claimed = Some(Scheme::Http);
        assert_eq!(scheme(&trusted, claimed, b"https"), Scheme::Https);
        assert_eq!(scheme(&trusted, None, b"https"), Scheme::Https);
    }

    #[test]
    fn an_id_that_is_kept_does_not_say_what_is_traced() {
        let edge = Edge {
            keeps_request_id: true,
            ..Edge::default()
        };
        for mark in ['9', 'a', 'b', '4'] {
            let id = format!("6dcfe2a5-1e1c-{mark}d0a-9d3f-0d0f7c1f8a11");
            let left = admitted(&edge, &[("x-request-id", &id)]);
            let expected = [("x-request-id", "6dcfe2a5-1e1c-4d0a-9d3f-0d0f7c1f8a11")];
            assert_eq!(left[..1], pairs(&expected), "{mark}");
        }
    }

    #[test]
    fn keeps_what_it_is_told_to_keep() {
        let edge = Edge {
            keeps_client_cert: true,
            keeps_request_id: true,
            ..Edge::default()
        };
        let sent = [
            ("x-request-id", "mine"),
            ("x-forwarded-client-cert", "By=a"),
        ];
        let left = admitted(&edge, &sent);
        assert_eq!(left[..2], pairs(&sent));
    }
}
