//! Virtual hosts, by the authority of a request.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap, sync::Arc};

use hashbrown::HashMap;
use http::StatusCode;

use super::{Action, DirectResponse, Lookup, Route, RouteMatch, route_match::split_query};
use crate::message::RequestHead;

/// A virtual host.
#[derive(Debug, Clone, Default)]
pub(crate) struct VirtualHost {
    /// In order: the first that matches decides.
    pub routes: Vec<Arc<Route>>,
    /// Servers are told which attempt a request is (`x-envoy-attempt-count`).
    pub tells_attempt: bool,
    /// It stands for one that can't be used: it only says why.
    pub is_stand_in: bool,
}

impl VirtualHost {
    /// A host that answers every request with 503 and that text, in a line of its own.
    pub fn refusing(text: &str) -> Self {
        let response = DirectResponse {
            status: StatusCode::SERVICE_UNAVAILABLE,
            body: Arc::from(format!("{text}\n").into_bytes()),
        };
        let route = Route::new("refused", RouteMatch::any(), Action::Respond(response));
        Self {
            routes: vec![Arc::new(route)],
            is_stand_in: true,
            ..Self::default()
        }
    }

    /// The first route that is for that request.
    pub fn route(&self, head: &RequestHead) -> Option<&Arc<Route>> {
        let target = split_query(head.path());
        let is_for = |route: &&Arc<Route>| route.matches.matches(head, target);
        self.routes.iter().find(is_for)
    }
}

/// The virtual hosts of a route configuration. As in Envoy, an exact domain beats a
/// wildcard, `*.example.com` beats `example.*`, a longer wildcard a shorter one, and `*`
/// comes last.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    exact: HashMap<Box<[u8]>, Arc<VirtualHost>>,
    suffixes: Wildcards,
    prefixes: Wildcards,
    any: Option<Arc<VirtualHost>>,
    is_partial: bool,
}

/// By the length of the text without the star, the longest first.
type Wildcards = BTreeMap<Reverse<usize>, HashMap<Box<[u8]>, Arc<VirtualHost>>>;

impl Hosts {
    /// A table that has not come yet.
    pub fn waiting() -> Self {
        Self {
            is_partial: true,
            ..Self::default()
        }
    }

    /// A table that answers every request with 503 and that text.
    pub fn refusing(text: &str) -> Self {
        let mut hosts = Self::default();
        hosts.add("*", Arc::new(VirtualHost::refusing(text)));
        hosts
    }

    /// The virtual host that has exactly that domain, which may be a wildcard, in lower case.
    pub fn get(&self, domain: &str) -> Option<&Arc<VirtualHost>> {
        if domain == "*" {
            return self.any.as_ref();
        }
        let (wildcards, text) = match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
            (Some(suffix), _) => (&self.suffixes, suffix),
            (None, Some(prefix)) => (&self.prefixes, prefix),
            (None, None) => return self.exact.get(domain.as_bytes()),
        };
        wildcards.get(&Reverse(text.len()))?.get(text.as_bytes())
    }

    /// Adds a virtual host under a domain, without a port. Of two with the same domain the
    /// later one counts.
    pub fn add(&mut self, domain: &str, host: Arc<VirtualHost>) {
        let domain = domain.to_ascii_lowercase().into_bytes();
        let wildcards = if let Some(suffix) = domain.strip_prefix(b"*") {
            if suffix.is_empty() {
                self.any = Some(host);
                return;
            }
            (&mut self.suffixes, suffix)
        } else if let Some(prefix) = domain.strip_suffix(b"*") {
            (&mut self.prefixes, prefix)
        } else {
            self.exact.insert(domain.into(), host);
            return;
        };
        let (wildcards, text) = wildcards;
        let same_length = wildcards.entry(Reverse(text.len())).or_default();
        same_length.insert(text.into(), host);
    }

    /// The virtual host for a request's authority.
    pub fn find(&self, authority: &[u8]) -> Lookup<&Arc<VirtualHost>> {
        let found = match self.has_names() {
            true => self.named(authority),
            false => None,
        };
        match found.or(self.any.as_ref()) {
            Some(host) => Lookup::Found(host),
            None if self.is_partial => Lookup::Waiting,
            None => Lookup::Missing,
        }
    }

    fn has_names(&self) -> bool {
        !(self.exact.is_empty() && self.suffixes.is_empty() && self.prefixes.is_empty())
    }

    fn named(&self, authority: &[u8]) -> Option<&Arc<VirtualHost>> {
        let host = without_port(authority);
        let host = match host.iter().any(u8::is_ascii_uppercase) {
            true => Cow::Owned(host.to_ascii_lowercase()),
            false => Cow::Borrowed(host),
        };
        if let Some(found) = self.exact.get(&*host) {
            return Some(found);
        }
        // The star stands for at least one character.
        let shorter = |Reverse(len): &Reverse<usize>| (*len < host.len()).then_some(*len);
        let by_suffix = || {
            self.suffixes
                .iter()
                .find_map(|(len, hosts)| hosts.get(&host[host.len() - shorter(len)?..]))
        };
        let by_prefix = || {
            self.prefixes
                .iter()
                .find_map(|(len, hosts)| hosts.get(&host[..shorter(len)?]))
        };
        by_suffix().or_else(by_prefix)
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
    use crate::tables::Forward;

    /// A host with one route of that name.
    fn host(name: &str) -> Arc<VirtualHost> {
        let action = Action::Forward(Forward::to("cluster"));
        VirtualHost {
            routes: vec![Arc::new(Route::new(name, RouteMatch::any(), action))],
            ..VirtualHost::default()
        }
        .into()
    }

    #[test]
    fn the_most_specific_domain_wins() {
        let mut hosts = Hosts::default();
        assert!(hosts.find(b"reviews").found().is_none());
        for domain in [
            "*",
            "*.com",
            "*.example.com",
            "reviews.*",
            "reviews.example.*",
            "Reviews.example.com",
            "[fd00::1]",
        ] {
            hosts.add(domain, host(domain));
        }
        let found = |authority: &[u8]| {
            let host = hosts.find(authority).found().unwrap();
            host.routes[0].name.to_string()
        };
        assert_eq!(found(b"REVIEWS.example.com:9080"), "Reviews.example.com");
        assert_eq!(found(b"a.example.com"), "*.example.com");
        assert_eq!(found(b"example.com"), "*.com");
        assert_eq!(found(b"reviews.com"), "*.com");
        assert_eq!(found(b"reviews.org"), "reviews.*");
        assert_eq!(found(b"reviews.example.org"), "reviews.example.*");
        assert_eq!(found(b"[fd00::1]:80"), "[fd00::1]");
        assert_eq!(found(b"[fd00::1]"), "[fd00::1]");
        assert_eq!(found(b""), "*");
    }

    #[test]
    fn a_table_that_has_not_come_is_waited_for() {
        let mut hosts = Hosts::waiting();
        assert!(matches!(hosts.find(b"a"), Lookup::Waiting));
        hosts.add("a", host("a"));
        assert!(matches!(hosts.find(b"a"), Lookup::Found(_)));
        assert!(matches!(Hosts::default().find(b"a"), Lookup::Missing));
    }
}
