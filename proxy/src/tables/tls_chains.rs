//! What is done with connections of TLS.

use std::sync::Arc;

use super::{
    ClientHello, DownstreamTls, HttpListener, ServerName, TcpRoutes, tcp_routes::name_rank,
};

/// What is done with some connections of TLS.
#[derive(Debug, Clone)]
pub(crate) struct TlsChain {
    /// Any name, or none, if there is none.
    pub server_names: Vec<ServerName>,
    /// The protocols that it is for; any, or none, if there is none.
    pub protocols: Vec<Box<str>>,
    /// How the handshake is done here; without it, bytes are passed on as they come.
    pub ends: Option<Arc<DownstreamTls>>,
    /// Where requests inside go.
    pub http: Option<HttpListener>,
    /// Where bytes go.
    pub tcp: TcpRoutes,
    /// The object that has it so, such as a PeerAuthentication, where the configuration says.
    pub policy: Option<Arc<str>>,
}

/// The chains of a listener for TLS.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsChains {
    pub chains: Vec<TlsChain>,
    /// Whether connections with names that no chain is for go where all others go.
    pub leaves_others: bool,
}

/// Which chain a connection of TLS has.
#[derive(Debug)]
pub(crate) enum TlsChoice<'a> {
    Chain(&'a TlsChain),
    /// No chain is for its name, and others may be.
    Other,
    /// None.
    None,
}

impl TlsChains {
    /// The chain for a connection. As in Envoy, the most special name counts, and then the first of
    /// the client's protocols that a chain is for.
    pub fn find(&self, hello: &ClientHello) -> TlsChoice<'_> {
        let rank = |chain: &TlsChain| name_rank(&chain.server_names, hello.name());
        let Some(best) = self.chains.iter().filter_map(rank).max() else {
            return match self.leaves_others {
                true => TlsChoice::Other,
                false => TlsChoice::None,
            };
        };
        let named = || self.chains.iter().filter(|it| rank(it) == Some(best));
        let is_for = |chain: &&TlsChain, wanted: &[u8]| {
            let mut protocols = chain.protocols.iter();
            protocols.any(|protocol| protocol.as_bytes() == wanted)
        };
        let mut wanted = hello.protocols.iter();
        let by_protocol = wanted.find_map(|wanted| named().find(|chain| is_for(chain, wanted)));
        let found = by_protocol.or_else(|| named().find(|chain| chain.protocols.is_empty()));
        found.map_or(TlsChoice::None, TlsChoice::Chain)
    }

    /// Whether some connections of HTTP end here.
    pub fn have_http(&self) -> bool {
        self.chains.iter().any(|chain| chain.http.is_some())
    }

    /// The first chain whose handshakes are done here.
    pub fn first_end(&self) -> Option<&TlsChain> {
        self.chains.iter().find(|chain| chain.ends.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(names: &[&str], protocols: &[&str]) -> TlsChain {
        TlsChain {
            server_names: names.iter().map(|name| ServerName::new(name)).collect(),
            protocols: protocols.iter().map(|it| Box::from(*it)).collect(),
            ends: None,
            http: None,
            tcp: TcpRoutes::default(),
            policy: None,
        }
    }

    fn hello(name: Option<&str>, protocols: &[&str]) -> ClientHello {
        ClientHello {
            server_name: name.map(Arc::from),
            protocols: protocols.iter().map(|it| it.as_bytes().into()).collect(),
        }
    }

    /// The place of the chain that is found.
    fn place(chains: &TlsChains, hello: &ClientHello) -> Result<usize, bool> {
        match chains.find(hello) {
            TlsChoice::Chain(found) => {
                let mut all = chains.chains.iter();
                Ok(all.position(|chain| std::ptr::eq(chain, found)).unwrap())
            }
            TlsChoice::Other => Err(true),
            TlsChoice::None => Err(false),
        }
    }

    #[test]
    fn the_client_s_first_protocol_counts() {
        let chains = TlsChains {
            chains: vec![
                chain(&[], &[]),
                chain(&[], &["istio", "istio-peer-exchange"]),
                chain(&[], &["istio-http/1.1", "istio-h2"]),
            ],
            leaves_others: false,
        };
        let found = |protocols: &[&str]| place(&chains, &hello(Some("a"), protocols));
        assert_eq!(found(&["istio-http/1.1", "istio", "http/1.1"]), Ok(2));
        assert_eq!(found(&["istio", "istio-h2"]), Ok(1));
        assert_eq!(found(&["h2"]), Ok(0));
        assert_eq!(found(&[]), Ok(0));
    }

    #[test]
    fn a_name_counts_before_protocols() {
        let mut chains = TlsChains {
            chains: vec![
                chain(&["*.example.com"], &["h2"]),
                chain(&["a.example.com"], &[]),
            ],
            leaves_others: true,
        };
        let found = |chains: &TlsChains, name| place(chains, &hello(name, &["h2"]));
        assert_eq!(found(&chains, Some("a.example.com")), Ok(1));
        assert_eq!(found(&chains, Some("b.example.com")), Ok(0));
        assert_eq!(found(&chains, Some("c.org")), Err(true));
        assert_eq!(found(&chains, None), Err(true));
        chains.leaves_others = false;
        assert_eq!(found(&chains, None), Err(false));
        // A chain of that name that is for other protocols hides those for any name.
        chains.chains.push(chain(&[], &[]));
        let other = hello(Some("b.example.com"), &["http/1.1"]);
        assert_eq!(place(&chains, &other), Err(false));
    }
}
