//! How TLS is spoken, without any keys: those come from the workload's identity.

use std::sync::Arc;

/// Which URIs a certificate of the other side may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum SanMatch {
    /// This one.
    Exact(Box<str>),
    /// All that begin so, such as `spiffe://cluster.local/`.
    Prefix(Box<str>),
}

/// How clients prove who they are, in a chain whose TLS ends here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct DownstreamTls {
    /// The protocols that may be agreed on; none is agreed on if the client has none of them.
    pub alpn: Vec<Box<str>>,
    /// Any certificate that is trusted, if there is none.
    pub sans: Vec<SanMatch>,
}

/// How a cluster's endpoints prove who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct UpstreamTls {
    /// The name that is asked for; empty for none.
    pub sni: Box<str>,
    /// The protocols that are offered. Those of the mesh stand for what a connection carries.
    pub alpn: Vec<Box<str>>,
    /// Any certificate that is trusted, if there is none.
    pub sans: Vec<SanMatch>,
}

/// What a connection to an endpoint will carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Carried {
    Http1,
    Http2,
    Bytes,
}

/// Istio's protocol for bytes between two of its proxies.
const ISTIO: &str = "istio";

impl UpstreamTls {
    /// The protocols to offer for what a connection will carry. Within the mesh they are those of
    /// Istio's filter `istio.alpn`: the server tells by them what is inside.
    pub fn offers(&self, carried: Carried) -> Vec<&str> {
        if !self.alpn.iter().any(|protocol| &**protocol == ISTIO) {
            return self.alpn.iter().map(|protocol| &**protocol).collect();
        }
        match carried {
            Carried::Http1 => vec!["istio-http/1.1", ISTIO, "http/1.1"],
            Carried::Http2 => vec!["istio-h2", ISTIO, "h2"],
            Carried::Bytes => vec![ISTIO],
        }
    }
}

/// What a client of TLS says first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClientHello {
    /// Which server it asks for, if it does.
    pub server_name: Option<Arc<str>>,
    /// The protocols that it offers, the best one first.
    pub protocols: Vec<Box<[u8]>>,
}

impl ClientHello {
    /// The name that is asked for.
    pub fn name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_say_what_is_inside() {
        let mut tls = UpstreamTls {
            alpn: vec!["istio".into(), "h2".into()],
            ..UpstreamTls::default()
        };
        assert_eq!(tls.offers(Carried::Http2), ["istio-h2", "istio", "h2"]);
        assert_eq!(
            tls.offers(Carried::Http1),
            ["istio-http/1.1", "istio", "http/1.1"]
        );
        assert_eq!(tls.offers(Carried::Bytes), ["istio"]);
        tls.alpn = vec!["h2".into()];
        assert_eq!(tls.offers(Carried::Http1), ["h2"]);
    }
}
