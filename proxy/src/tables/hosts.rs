//! Virtual hosts, by the authority of a request.

use std::{collections::HashMap, sync::Arc};

use super::Route;

/// A virtual host.
#[derive(Debug, Clone)]
pub(crate) struct VirtualHost {
    /// In order: the first that matches decides.
    pub routes: Vec<Route>,
}

/// The virtual hosts of a route configuration. As in Envoy, an exact domain beats a
/// wildcard, a longer wildcard (`*.example.com`) a shorter one, and `*` comes last.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    exact: HashMap<Vec<u8>, Arc<VirtualHost>>,
    /// Without the star, the longest first.
    suffixes: Vec<(Vec<u8>, Arc<VirtualHost>)>,
    any: Option<Arc<VirtualHost>>,
}

impl Hosts {
    /// Adds a virtual host under a domain, without a port.
    pub fn add(&mut self, domain: &str, host: Arc<VirtualHost>) {
        let domain = domain.to_ascii_lowercase().into_bytes();
        match domain.strip_prefix(b"*") {
            Some([]) => self.any = Some(host),
            Some(suffix) => {
                self.suffixes.push((suffix.to_owned(), host));
                let longest_first = |(suffix, _): &(Vec<u8>, _)| std::cmp::Reverse(suffix.len());
                self.suffixes.sort_by_key(longest_first);
            }
            None => {
                self.exact.insert(domain, host);
            }
        }
    }

    /// The virtual host for a request's authority.
    pub fn find(&self, authority: &[u8]) -> Option<&VirtualHost> {
        if self.exact.is_empty() && self.suffixes.is_empty() {
            return self.any.as_deref();
        }
        let host = without_port(authority).to_ascii_lowercase();
        if let Some(found) = self.exact.get(&host) {
            return Some(found);
        }
        let matches = |suffix: &[u8]| host.len() > suffix.len() && host.ends_with(suffix);
        let wildcard = self.suffixes.iter().find(|(suffix, _)| matches(suffix));
        let found = wildcard.map(|(_, found)| found).or(self.any.as_ref());
        found.map(AsRef::as_ref)
    }
}

/// The host of an authority: Istio's sidecars ignore the port (Istio's `ignore_port_in_host_matching`).
fn without_port(authority: &[u8]) -> &[u8] {
    let colon = authority.iter().rposition(|byte| *byte == b':');
    match colon {
        Some(at) if authority[at + 1..].iter().all(u8::is_ascii_digit) => &authority[..at],
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{Action, PathMatch};
    use http::StatusCode;

    fn host(name: &str) -> Arc<VirtualHost> {
        let route = Route {
            name: Arc::from(name),
            path: PathMatch::Prefix("/".to_owned()),
            action: Action::Respond(StatusCode::OK),
        };
        Arc::new(VirtualHost {
            routes: vec![route],
        })
    }

    #[test]
    fn the_most_specific_domain_wins() {
        let mut hosts = Hosts::default();
        assert!(hosts.find(b"reviews").is_none());
        for domain in [
            "*",
            "*.com",
            "*.example.com",
            "Reviews.example.com",
            "[fd00::1]",
        ] {
            hosts.add(domain, host(domain));
        }
        let found = |authority: &[u8]| hosts.find(authority).unwrap().routes[0].name.to_string();
        assert_eq!(found(b"REVIEWS.example.com:9080"), "Reviews.example.com");
        assert_eq!(found(b"a.example.com"), "*.example.com");
        assert_eq!(found(b"example.com"), "*.com");
        assert_eq!(found(b"[fd00::1]:80"), "[fd00::1]");
        assert_eq!(found(b"[fd00::1]"), "[fd00::1]");
        assert_eq!(found(b""), "*");
    }
}
