//! Which resources a refusal names, and which part of each. Pure.
//!
//! The protocol has nothing for that but the refusal's text, which any pod can send. It decides
//! which rules' owners are told: what a proxy gets does not depend on it.

use std::sync::Arc;

use pillion_xds::{Layers, refused_resources};

use super::origin::Part;
use crate::text::shorten;

/// How many resources of one refusal are looked at.
pub(super) const NAMES: usize = 16;
/// The longest reason that is kept, in bytes.
const REASON: usize = 512;

/// A resource that a refusal names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub name: Arc<str>,
    /// The version that is refused; empty, if the proxy does not say.
    pub version: Arc<str>,
    /// What of it is refused.
    pub parts: Vec<Part>,
    /// The name, and why it is refused.
    pub reason: String,
}

/// The resources that a text names, of those that the proxy may see.
pub(super) fn named(text: &str, resources: &Layers) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    let mut has_lines = false;
    for refused in refused_resources(text) {
        has_lines = true;
        let Some(resource) = resources.get(refused.name) else {
            continue;
        };
        let version = match &*resource.version {
            present if present == refused.version => Arc::clone(&resource.version),
            _ => shorten(refused.version, pillion_xds::limits::MAX_VERSION_BYTES).into(),
        };
        let reason = format!("{}: {}", refused.name, refused.reason);
        add(
            &mut found,
            Named {
                name: Arc::clone(&resource.name),
                version,
                parts: Part::of(refused.reason),
                reason: shorten(&reason, REASON).to_owned(),
            },
        );
    }
    // The words of our own proxy's reasons name nothing else.
    if has_lines {
        found
    } else {
        in_words(text, resources)
    }
}

fn add(found: &mut Vec<Named>, named: Named) {
    if found.len() < NAMES && found.iter().all(|found| found.name != named.name) {
        found.push(named);
    }
}

/// The resources whose names are words of a text: other proxies, such as Envoy, write no versions.
fn in_words(text: &str, resources: &Layers) -> Vec<Named> {
    let is_around =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | '(' | ')');
    let mut found = Vec::new();
    for word in text.split(is_around) {
        // A colon may follow a name, and none ends with one.
        let resource = resources
            .get(word)
            .or_else(|| resources.get(word.trim_end_matches([':', '.'])));
        let Some(resource) = resource else { continue };
        add(
            &mut found,
            Named {
                name: Arc::clone(&resource.name),
                version: Arc::clone(&resource.version),
                parts: Part::of(text),
                reason: shorten(text, REASON).to_owned(),
            },
        );
    }
    if found.len() > 1 {
        // Which of them has the part is not known.
        for named in &mut found {
            named.parts = vec![Part::Whole];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::{any, envoy::config::cluster::v3::Cluster, type_url};
    use pillion_xds::{RefusedResource, Resource, resources};

    use super::*;

    fn all() -> Layers {
        let names = ["outbound|80||a.shop", "outbound|80||b.shop"];
        Layers::from(resources(names.map(|name| {
            Resource::new(name, any(type_url::CLUSTER, &Cluster::default()))
        })))
    }

    #[test]
    fn our_own_proxy_names_resources_and_versions() {
        let all = all();
        let present = &all.get("outbound|80||a.shop").unwrap().version;
        let line = |name, version, reason| {
            let refused = RefusedResource {
                name,
                version,
                reason,
            };
            refused.to_string()
        };
        let text = [
            line(
                "outbound|80||a.shop",
                present,
                "virtual_hosts[3].routes[1]: no",
            ),
            line("outbound|80||b.shop", "old", "name: no"),
            line("unknown", "1", "no"),
        ];
        let found = named(&text.join("\n"), &all);
        let shown: Vec<_> = found
            .iter()
            .map(|one| (&*one.name, &*one.version, &*one.parts, &*one.reason))
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "outbound|80||a.shop",
                    &**present,
                    &[Part::Route { host: 3, route: 1 }][..],
                    "outbound|80||a.shop: virtual_hosts[3].routes[1]: no"
                ),
                (
                    "outbound|80||b.shop",
                    "old",
                    &[Part::Whole][..],
                    "outbound|80||b.shop: name: no"
                ),
            ]
        );
    }

    #[test]
    fn other_texts_name_resources_in_quotes_and_before_colons() {
        let all = all();
        let texts = [
            (
                "Error adding/updating cluster(s) outbound|80||a.shop: bad",
                1,
            ),
            ("\"outbound|80||a.shop\", outbound|80||b.shop: bad", 2),
            ("outbound|80||c.shop: bad", 0),
            ("outbound|80||a.shop; outbound|80||a.shop", 1),
        ];
        for (text, count) in texts {
            assert_eq!(named(text, &all).len(), count, "{text}");
        }
    }

    #[test]
    fn a_part_belongs_to_the_only_resource_that_is_named() {
        let all = all();
        let one = named("outbound|80||a.shop: VirtualHosts[2]: bad", &all);
        assert_eq!(one[0].parts, [Part::Host { host: 2 }]);
        let two = named(
            "outbound|80||a.shop, outbound|80||b.shop: VirtualHosts[2]: bad",
            &all,
        );
        assert_eq!(two[0].parts, [Part::Whole]);
    }

    #[test]
    fn words_of_our_own_proxy_s_reasons_name_nothing() {
        let all = all();
        let refused = RefusedResource {
            name: "gone",
            version: "1",
            reason: "there is no cluster outbound|80||a.shop",
        };
        assert!(named(&refused.to_string(), &all).is_empty());
    }

    #[test]
    fn a_long_reason_is_shortened_after_it_was_read() {
        let all = all();
        let text = format!("{} outbound|80||a.shop", "x".repeat(2 * REASON));
        let found = named(&text, &all);
        assert_eq!(found[0].reason.len(), REASON);
    }
}
