//! How TLS is spoken, without any keys: those come from the workload's identity.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hash, Hasher},
    sync::{Arc, LazyLock},
};

use pillion_certs::mesh::OutsideName;

/// Which URIs a certificate of the other side may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum SanMatch {
    /// This one.
    Exact(Box<str>),
    /// All that begin so, such as `spiffe://cluster.local/`.
    Prefix(Box<str>),
}

/// How clients prove who they are, in a chain whose TLS ends here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DownstreamTls {
    hash: Hashed,
    /// The protocols that may be agreed on; none is agreed on if the client has none of them.
    pub alpn: Vec<Box<str>>,
    /// Any certificate that is trusted, if there is none.
    pub sans: Vec<SanMatch>,
}

/// How a cluster's endpoints prove who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpstreamTls {
    hash: Hashed,
    /// The name that is asked for; empty for none.
    pub sni: Box<str>,
    /// The protocols that are offered. Those of the mesh stand for what a connection carries.
    pub alpn: Vec<Box<str>>,
    /// Of the mesh's certificates: any that is trusted, if there is none.
    pub sans: Vec<SanMatch>,
    /// How both ends prove it without the mesh's certificates.
    pub outside: Option<Outside>,
}

/// TLS with servers outside the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Outside {
    /// How they prove who they are.
    pub proof: Proof,
    /// The certificate that they are shown, if they ask for one. None: they are shown nothing.
    pub shown: Option<CertificateFiles>,
}

/// How servers outside the mesh prove who they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Proof {
    /// Not at all.
    Unchecked,
    /// By the roots in a file, for one of these names; for any name, if there is none.
    Checked {
        roots: Box<str>,
        names: Vec<OutsideName>,
    },
}

/// The files of a certificate that is not the mesh's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CertificateFiles {
    /// The certificate, and those of the CAs above it.
    pub chain: Box<str>,
    /// Its key.
    pub key: Box<str>,
}

/// A hash that is known already: each handshake looks for the configuration of its TLS, whose names may be
/// many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hashed(u64);

static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Hashed {
    fn of(parts: impl Hash) -> Self {
        Self(KEYS.hash_one(parts))
    }
}

impl DownstreamTls {
    /// With these protocols and names, which don't change afterwards.
    pub fn new(alpn: Vec<Box<str>>, sans: Vec<SanMatch>) -> Self {
        Self {
            hash: Hashed::of((&alpn, &sans)),
            alpn,
            sans,
        }
    }
}

impl Hash for DownstreamTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash.0);
    }
}

impl Hash for UpstreamTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash.0);
    }
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
/// The protocols that say that requests are inside.
const HTTP1: [&str; 4] = ["http/1.0", "http/1.1", "istio-http/1.0", "istio-http/1.1"];
const HTTP2: [&str; 2] = ["h2", "istio-h2"];

impl Carried {
    /// Whether a protocol may be agreed on for it. One that says nothing of HTTP may.
    fn may_be(self, protocol: &str) -> bool {
        match self {
            Self::Http1 => !HTTP2.contains(&protocol),
            Self::Http2 => !HTTP1.contains(&protocol),
            Self::Bytes => !HTTP1.contains(&protocol) && !HTTP2.contains(&protocol),
        }
    }
}

impl UpstreamTls {
    /// Asks for this name and offers these protocols; the server must have one of the names in `sans`.
    pub fn new(sni: Box<str>, alpn: Vec<Box<str>>, sans: Vec<SanMatch>) -> Self {
        Self {
            hash: Hashed::of((&sni, &alpn, &sans)),
            sni,
            alpn,
            sans,
            outside: None,
        }
    }

    /// The same for servers outside the mesh.
    pub fn outside(sni: Box<str>, alpn: Vec<Box<str>>, outside: Outside) -> Self {
        Self {
            hash: Hashed::of((&sni, &alpn, &outside)),
            sni,
            alpn,
            sans: Vec::new(),
            outside: Some(outside),
        }
    }

    /// The protocols to offer for what a connection will carry, as a handshake has them.
    pub fn offered(&self, carried: Carried) -> Vec<Vec<u8>> {
        let offers = self.offers(carried).into_iter();
        offers
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect()
    }

    /// The protocols to offer. Within the mesh they are those of
    /// Istio's filter `istio.alpn`: the server tells by them what is inside. To others, only those are offered
    /// that will be spoken: rustls then ends a handshake in which the server chooses another one. Where nothing is
    /// said about servers outside the mesh, they are told what will be, as Envoy does it.
    fn offers(&self, carried: Carried) -> Vec<&str> {
        if self.outside.is_some() && self.alpn.is_empty() {
            return match carried {
                Carried::Http1 => vec!["http/1.1"],
                Carried::Http2 => vec!["h2"],
                Carried::Bytes => Vec::new(),
            };
        }
        if !self.alpn.iter().any(|protocol| &**protocol == ISTIO) {
            let all = self.alpn.iter().map(|protocol| &**protocol);
            return all.filter(|protocol| carried.may_be(protocol)).collect();
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

    fn with(alpn: &[&str]) -> UpstreamTls {
        let alpn = alpn.iter().map(|protocol| Box::from(*protocol));
        UpstreamTls::new(Box::default(), alpn.collect(), Vec::new())
    }

    #[test]
    fn offers_say_what_is_inside() {
        let tls = with(&["istio", "h2"]);
        assert_eq!(tls.offers(Carried::Http2), ["istio-h2", "istio", "h2"]);
        assert_eq!(
            tls.offers(Carried::Http1),
            ["istio-http/1.1", "istio", "http/1.1"]
        );
        assert_eq!(tls.offers(Carried::Bytes), ["istio"]);
    }

    #[test]
    fn nothing_is_offered_to_others_that_will_not_be_spoken() {
        let tls = with(&["h2", "http/1.1", "other"]);
        assert_eq!(tls.offers(Carried::Http1), ["http/1.1", "other"]);
        assert_eq!(tls.offers(Carried::Http2), ["h2", "other"]);
        assert_eq!(tls.offers(Carried::Bytes), ["other"]);
        assert!(with(&["h2"]).offers(Carried::Http1).is_empty());
    }

    #[test]
    fn servers_outside_the_mesh_hear_what_will_be_spoken() {
        let tls = |alpn: &[&str]| {
            let alpn = alpn.iter().map(|protocol| Box::from(*protocol));
            let outside = Outside {
                proof: Proof::Unchecked,
                shown: None,
            };
            UpstreamTls::outside(Box::default(), alpn.collect(), outside)
        };
        assert_eq!(tls(&[]).offers(Carried::Http1), ["http/1.1"]);
        assert_eq!(tls(&[]).offers(Carried::Http2), ["h2"]);
        assert!(tls(&[]).offers(Carried::Bytes).is_empty());
        assert_eq!(tls(&["h2"]).offers(Carried::Http2), ["h2"]);
        assert_ne!(
            tls(&[]),
            UpstreamTls::new(Box::default(), Vec::new(), Vec::new())
        );
    }

    #[test]
    fn what_is_alike_is_found_by_the_same_hash() {
        let sans = || vec![SanMatch::Exact("spiffe://a/ns/b/sa/c".into())];
        let one = || UpstreamTls::new("a".into(), vec!["istio".into()], sans());
        assert_eq!(one(), one());
        assert_eq!(KEYS.hash_one(one()), KEYS.hash_one(one()));
        let prefix = vec![SanMatch::Prefix("spiffe://a/ns/b/sa/c".into())];
        for other in [
            UpstreamTls::new("b".into(), vec!["istio".into()], sans()),
            UpstreamTls::new("a".into(), Vec::new(), sans()),
            UpstreamTls::new("a".into(), vec!["istio".into()], prefix),
        ] {
            assert_ne!(one(), other);
        }
        let down = || DownstreamTls::new(vec!["h2".into()], sans());
        assert_eq!(down(), down());
        assert_ne!(down(), DownstreamTls::new(Vec::new(), sans()));
    }
}
