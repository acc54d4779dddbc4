//! What a proxy refuses of one kind, until that is replaced and accepted. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use pillion_xds::Layers;

use super::attribution::{NAMES, Named, Refusal};
use crate::{model::ObjectRef, text::shorten};

/// The longest text that is shown, in bytes.
const TEXT: usize = 1_024;

/// The refusals of one kind.
#[derive(Debug, Default)]
pub(super) struct Standing {
    refused: Vec<Refused>,
    /// Why something was refused, where no resource is named.
    unnamed: Option<String>,
    /// Whether somebody is about to find out about the rules.
    pub is_queued: bool,
    /// The rules whose refusals ended since that was last asked for, without anybody knowing whether they
    /// are accepted.
    unknown: BTreeSet<ObjectRef>,
}

#[derive(Debug)]
struct Refused {
    named: Named,
    /// The rules, once these are known.
    rules: Option<Vec<ObjectRef>>,
    /// Whether the proxy was sent another version since, or that it is gone.
    is_replaced: bool,
}

impl Standing {
    /// Takes in the reply to a response that refuses these resources.
    pub fn refuse(&mut self, refusal: Refusal, text: &str, present: Option<&Layers>) {
        let Refusal { named, is_whole } = refusal;
        for one in &mut self.refused {
            if named.iter().any(|named| named.name == one.named.name) {
                // What was sent of it since is refused as well.
                one.is_replaced = false;
            }
        }
        let replaced = self.take_replaced();
        if !is_whole {
            // It may be about these as well.
            self.lose(replaced);
        }
        self.unnamed = None;
        if named.is_empty() {
            self.unnamed = Some(shorten(text, TEXT).to_owned());
        }
        for named in named {
            let before = self
                .refused
                .iter()
                .position(|one| one.named.name == named.name);
            let before = before.map(|index| self.refused.remove(index));
            let is_same = before.as_ref().is_some_and(|one| {
                one.named.version == named.version && one.named.parts == named.parts
            });
            let mut rules = before.and_then(|one| one.rules);
            if !is_same {
                // Whether it is the same rules is found out later.
                self.unknown.extend(rules.take().unwrap_or_default());
            }
            let is_replaced = is_replaced(&named, present);
            self.refused.push(Refused {
                named,
                rules,
                is_replaced,
            });
        }
        let excess = self.refused.len().saturating_sub(NAMES);
        let excess: Vec<_> = self.refused.drain(..excess).collect();
        self.lose(excess);
    }

    /// The resources of which the proxy was sent something else since, which are not here any more.
    fn take_replaced(&mut self) -> Vec<Refused> {
        let all = std::mem::take(&mut self.refused).into_iter();
        let (replaced, kept) = all.partition(|one| one.is_replaced);
        self.refused = kept;
        replaced
    }

    /// Notes that it is not known whether these are still refused.
    fn lose(&mut self, refused: Vec<Refused>) {
        let rules = refused.into_iter().filter_map(|one| one.rules);
        self.unknown.extend(rules.flatten());
    }

    /// The rules of which it is not known whether they are still refused, since this was last asked
    /// for. Others that are refused no longer were accepted, or what was made of them is gone.
    pub fn take_unknown(&mut self) -> BTreeSet<ObjectRef> {
        std::mem::take(&mut self.unknown)
    }

    /// Takes in that a response was sent, of what the proxy should have at present.
    pub fn sent(&mut self, present: Option<&Layers>) {
        for one in &mut self.refused {
            one.is_replaced |= is_replaced(&one.named, present);
        }
    }

    /// Takes in that the last response was accepted. What was not part of it is still refused.
    pub fn accept(&mut self) {
        self.take_replaced();
        self.unnamed = None;
    }

    /// The resources whose rules are not known yet.
    pub fn open(&self) -> Vec<Named> {
        let open = self.refused.iter().filter(|one| one.rules.is_none());
        open.map(|one| one.named.clone()).collect()
    }

    /// Takes in of which rules a resource was made.
    pub fn attribute(&mut self, named: &Named, rules: Vec<ObjectRef>) {
        let same = self.refused.iter_mut().find(|one| one.named == *named);
        if let Some(same) = same {
            same.rules = Some(rules);
        }
    }

    /// The rules, each with a reason.
    pub fn rules(&self) -> BTreeMap<ObjectRef, Arc<str>> {
        let mut rules = BTreeMap::new();
        for one in &self.refused {
            let reason: Arc<str> = one.named.reason.as_str().into();
            for rule in one.rules.iter().flatten() {
                let reason = || Arc::clone(&reason);
                rules.entry(rule.clone()).or_insert_with(reason);
            }
        }
        rules
    }

    /// Why something is refused.
    pub fn text(&self) -> Option<String> {
        let named = self.refused.iter().map(|one| one.named.reason.as_str());
        let mut all: Vec<_> = named.chain(self.unnamed.as_deref()).collect();
        // Of a text that names several, each has the whole.
        all.dedup();
        (!all.is_empty()).then(|| shorten(&all.join("; "), TEXT).to_owned())
    }
}

/// Whether the proxy should have something else than what it refused.
fn is_replaced(named: &Named, present: Option<&Layers>) -> bool {
    let present = present.and_then(|present| present.get(&named.name));
    present.is_none_or(|present| present.version != named.version)
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::Any;
    use pillion_xds::{Resource, resources};

    use super::*;
    use crate::{
        discovery::proxies::origin::Part,
        model::{Key, Kind},
    };

    fn present(all: &[(&str, &'static str)]) -> Layers {
        Layers::from(resources(all.iter().map(|(name, content)| {
            let body = Any {
                type_url: "t".to_owned(),
                value: content.as_bytes().into(),
            };
            Resource::new(*name, body)
        })))
    }

    fn named(name: &str, present: &Layers) -> Refusal {
        let resource = present.get(name).unwrap();
        let named = Named {
            name: Arc::clone(&resource.name),
            version: Arc::clone(&resource.version),
            parts: vec![Part::Whole],
            reason: format!("{name}: no"),
        };
        Refusal {
            named: vec![named],
            is_whole: true,
        }
    }

    /// Ascribes all refusals to one rule.
    fn attribute(standing: &mut Standing) {
        for named in standing.open() {
            standing.attribute(&named, vec![rule()]);
        }
    }

    fn rule() -> ObjectRef {
        ObjectRef {
            kind: Kind::VirtualService,
            key: Key::new("shop", "reviews"),
        }
    }

    #[test]
    fn a_refusal_stands_until_another_version_was_sent_and_accepted() {
        let old = present(&[("a", "1"), ("b", "1")]);
        let new = present(&[("a", "2"), ("b", "1")]);
        let mut standing = Standing::default();
        standing.refuse(named("a", &old), "", Some(&old));
        // Another resource is accepted.
        standing.sent(Some(&old));
        standing.accept();
        assert_eq!(standing.text().as_deref(), Some("a: no"));
        // The other version is there, and what is accepted was sent before it.
        standing.accept();
        assert!(standing.text().is_some());
        standing.sent(Some(&new));
        assert!(standing.text().is_some());
        standing.accept();
        assert_eq!(standing.text(), None);
    }

    #[test]
    fn a_resource_that_is_gone_is_not_refused() {
        let old = present(&[("a", "1")]);
        let mut standing = Standing::default();
        standing.refuse(named("a", &old), "", Some(&old));
        attribute(&mut standing);
        standing.sent(Some(&present(&[])));
        standing.accept();
        assert_eq!(standing.text(), None);
        assert!(standing.take_unknown().is_empty());
    }

    #[test]
    fn what_is_refused_in_another_version_was_not_accepted() {
        let old = present(&[("a", "1")]);
        let new = present(&[("a", "2")]);
        let mut standing = Standing::default();
        standing.refuse(named("a", &old), "", Some(&old));
        attribute(&mut standing);
        standing.sent(Some(&new));
        standing.refuse(named("a", &new), "", Some(&new));
        assert_eq!(standing.take_unknown(), [rule()].into());
        assert_eq!(standing.open().len(), 1);
    }

    #[test]
    fn a_refusal_says_nothing_against_what_it_does_not_name() {
        let old = present(&[("a", "1"), ("b", "1")]);
        let new = present(&[("a", "2"), ("b", "2")]);
        for (refusal, is_known) in [
            (named("b", &new), true),
            (
                Refusal {
                    is_whole: false,
                    ..named("b", &new)
                },
                false,
            ),
            (Refusal::default(), false),
        ] {
            let mut standing = Standing::default();
            standing.refuse(named("a", &old), "", Some(&old));
            attribute(&mut standing);
            standing.sent(Some(&new));
            standing.refuse(refusal, "no", Some(&new));
            assert!(standing.rules().is_empty());
            let unknown = standing.take_unknown();
            assert_eq!(unknown.is_empty(), is_known, "{unknown:?}");
        }
    }

    #[test]
    fn a_refusal_of_what_was_replaced_before_stands_until_something_is_accepted() {
        let old = present(&[("a", "1")]);
        let new = present(&[("a", "2")]);
        let mut standing = Standing::default();
        standing.sent(Some(&old));
        // The next one is there already, but not sent.
        standing.refuse(named("a", &old), "", Some(&new));
        standing.sent(Some(&new));
        assert!(standing.text().is_some());
        standing.accept();
        assert_eq!(standing.text(), None);
        assert!(standing.take_unknown().is_empty());
    }

    #[test]
    fn a_refusal_of_one_resource_leaves_that_of_another() {
        let all = present(&[("a", "1"), ("b", "1")]);
        let mut standing = Standing::default();
        standing.refuse(named("a", &all), "", Some(&all));
        standing.refuse(named("b", &all), "", Some(&all));
        assert_eq!(standing.text().as_deref(), Some("a: no; b: no"));
    }

    #[test]
    fn what_names_nothing_stands_until_something_is_accepted() {
        let mut standing = Standing::default();
        standing.refuse(Refusal::default(), "no", None);
        assert_eq!(standing.text().as_deref(), Some("no"));
        assert!(standing.rules().is_empty());
        standing.accept();
        assert_eq!(standing.text(), None);
    }

    #[test]
    fn rules_are_looked_for_once() {
        let all = present(&[("a", "1")]);
        let mut standing = Standing::default();
        for _ in 0..2 {
            standing.refuse(named("a", &all), "", Some(&all));
            for named in standing.open() {
                standing.attribute(&named, vec![rule()]);
            }
            assert!(standing.open().is_empty());
            assert_eq!(&*standing.rules()[&rule()], "a: no");
        }
        standing.refuse(named("a", &all), "", Some(&all));
        assert!(standing.open().is_empty());
    }

    #[test]
    fn the_number_of_refusals_is_bounded() {
        let mut standing = Standing::default();
        for number in 0..2 * NAMES {
            let name = number.to_string();
            let all = present(&[(&name, "1")]);
            standing.refuse(named(&name, &all), "", Some(&all));
        }
        assert_eq!(standing.open().len(), NAMES);
    }

    #[test]
    fn a_refusal_for_which_there_is_no_room_is_not_taken_back() {
        let names: Vec<String> = (0..=NAMES).map(|number| number.to_string()).collect();
        let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        let all = present(&all);
        let mut standing = Standing::default();
        standing.refuse(named(&names[0], &all), "", Some(&all));
        attribute(&mut standing);
        for name in &names[1..] {
            standing.refuse(named(name, &all), "", Some(&all));
        }
        assert!(standing.rules().is_empty());
        assert_eq!(standing.take_unknown(), [rule()].into());
    }
}
