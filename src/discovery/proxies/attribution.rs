//! Which resources a refusal names, and which part of each. Pure.
//!
//! The protocol has nothing for that but the refusal's text, which any pod can send. It decides
//! which rules' owners are told: what a proxy gets does not depend on it.

use std::sync::Arc;

use pillion_xds::{Layers, limits::MAX_REFUSAL_BYTES, refused_resources, server::SentVersions};

use super::origin::Part;
use crate::text::shorten;

/// A text of so many bytes may have been cut: between characters, of which none has more than four.
const CUT: usize = MAX_REFUSAL_BYTES - 3;
/// How many resources of one refusal are looked at.
pub(super) const NAMES: usize = 16;
/// The longest reason that is kept, in bytes.
const REASON: usize = 512;

/// A resource that a refusal names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub name: Arc<str>,
    /// The version that is refused.
    pub version: Arc<str>,
    /// What of it is refused.
    pub parts: Vec<Part>,
    /// The name, and why it is refused.
    pub reason: String,
}

/// What a refusal is about.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// The resources that it names.
    pub named: Vec<Named>,
    /// Whether it names something, and all of that is here: what else was sent is accepted.
    pub is_whole: bool,
}

impl Refusal {
    /// Adds a resource, if there is room for it.
    fn add(&mut self, named: Named) {
        if self.named.iter().any(|before| before.name == named.name) {
            return;
        }
        if self.named.len() < NAMES {
            self.named.push(named);
        } else {
            self.is_whole = false;
        }
    }
}

/// What a text is about, of the resources that the proxy may see. Where it says no versions, it is
/// about those that were sent.
pub(super) fn refusal(text: &str, resources: &Layers, sent: SentVersions<'_>) -> Refusal {
    let mut found = Refusal {
        named: Vec::new(),
        is_whole: text.len() < CUT,
    };
    let mut has_lines = false;
    for refused in refused_resources(text) {
        has_lines = true;
        let Some(resource) = resources.get(refused.name) else {
            // It has gone since.
            found.is_whole = false;
            continue;
        };
        let version = match refused.version {
            "" => sent(refused.name).unwrap_or_else(|| Arc::clone(&resource.version)),
            version if *version == *resource.version => Arc::clone(&resource.version),
            _ => shorten(refused.version, pillion_xds::limits::MAX_VERSION_BYTES).into(),
        };
        let reason = format!("{}: {}", refused.name, refused.reason);
        found.add(Named {
            name: Arc::clone(&resource.name),
            version,
            parts: Part::of(refused.reason),
            reason: shorten(&reason, REASON).to_owned(),
        });
    }
    // The words of our own proxy's reasons name nothing else.
    if !has_lines {
        in_words(text, resources, sent, &mut found);
    }
    found.is_whole &= !found.named.is_empty();
    found
}

/// Finds the resources whose names are words of a text: other proxies, such as Envoy, write no versions.
fn in_words(text: &str, resources: &Layers, sent: SentVersions<'_>, found: &mut Refusal) {
    let is_around =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | '(' | ')');
    for word in text.split(is_around) {
        // A colon may follow a name, and none ends with one.
        let resource = resources
            .get(word)
            .or_else(|| resources.get(word.trim_end_matches([':', '.'])));
        let Some(resource) = resource else { continue };
        // One that was not sent is named by chance.
        let Some(version) = sent(&resource.name) else {
            continue;
        };
        found.add(Named {
            name: Arc::clone(&resource.name),
            version,
            parts: Part::of(text),
            reason: shorten(text, REASON).to_owned(),
        });
    }
    if found.named.len() > 1 {
        // Which of them has the part is not known.
        for named in &mut found.named {
            named.parts = vec![Part::Whole];
        }
    }
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::{any, envoy::config::cluster::v3::Cluster, type_url};
    use pillion_xds::{RefusedResource, Resource, resources};

    use super::*;

    fn all() -> Layers {
        set(["outbound|80||a.shop", "outbound|80||b.shop"].map(str::to_owned))
    }

    fn set(names: impl IntoIterator<Item = String>) -> Layers {
        Layers::from(resources(names.into_iter().map(|name| {
            Resource::new(name, any(type_url::CLUSTER, &Cluster::default()))
        })))
    }

    fn refusal(text: &str, all: &Layers) -> Refusal {
        super::refusal(text, all, &|name: &str| version(name, all))
    }

    fn version(name: &str, all: &Layers) -> Option<Arc<str>> {
        all.get(name).map(|one| Arc::clone(&one.version))
    }

    fn named(text: &str, all: &Layers) -> Vec<Named> {
        refusal(text, all).named
    }

    fn line(name: &str, version: &str, reason: &str) -> String {
        let refused = RefusedResource {
            name,
            version,
            reason,
        };
        refused.to_string()
    }

    #[test]
    fn our_own_proxy_names_resources_and_versions() {
        let all = all();
        let present = &all.get("outbound|80||a.shop").unwrap().version;
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
        let refused = line("gone", "1", "there is no cluster outbound|80||a.shop");
        assert!(named(&refused, &all).is_empty());
    }

    #[test]
    fn a_text_without_versions_is_about_what_was_sent() {
        let all = all();
        let sent = |name: &str| (name == "outbound|80||a.shop").then(|| Arc::from("sent"));
        let versions = |text: &str| {
            let found = super::refusal(text, &all, &sent).named;
            let versions = found.iter().map(|one| one.version.to_string());
            versions.collect::<Vec<_>>()
        };
        // What was not sent is named by chance.
        assert_eq!(
            versions("outbound|80||a.shop, outbound|80||b.shop: bad"),
            ["sent"]
        );
        let lines =
            ["outbound|80||a.shop", "outbound|80||b.shop"].map(|name| line(name, "", "bad"));
        let present = version("outbound|80||b.shop", &all).unwrap();
        assert_eq!(versions(&lines.join("\n")), ["sent", &*present]);
    }

    #[test]
    fn a_text_that_may_be_about_more_than_it_names_is_not_whole() {
        let names: Vec<_> = (0..=NAMES).map(|number| format!("a{number}")).collect();
        let all = set(names.clone());
        let lines = |names: &[String], reason: &str| {
            let lines: Vec<_> = names.iter().map(|name| line(name, "1", reason)).collect();
            lines.join("\n")
        };
        assert!(refusal(&lines(&names[1..], "no"), &all).is_whole);
        assert!(refusal("a1, a2: no", &all).is_whole);
        let cut = lines(&names[..1], &"é".repeat(MAX_REFUSAL_BYTES));
        for text in [
            "no",
            &lines(&names, "no"),
            &names.join(" "),
            &lines(&["gone".to_owned(), "a1".to_owned()], "no"),
            shorten(&cut, MAX_REFUSAL_BYTES),
        ] {
            assert!(!refusal(text, &all).is_whole, "{text}");
        }
    }

    #[test]
    fn a_long_reason_is_shortened_after_it_was_read() {
        let all = all();
        let text = format!("{} outbound|80||a.shop", "x".repeat(2 * REASON));
        let found = named(&text, &all);
        assert_eq!(found[0].reason.len(), REASON);
    }
}
