//! What turned out to be unusable after its response was accepted, because only then it was
//! needed. The server hears of it with the answer to a later response.

use std::sync::Arc;

use pillion_xds::{Resource, client::Refusal};

/// Refusals that wait. The text that tells them has a limit, too.
const MOST: usize = 64;

/// Late refusals of one type, of at most one version of a name.
#[derive(Debug, Default)]
pub(super) struct Late(Vec<Refusal>);

impl Late {
    /// Takes newer ones. Of too many, the oldest stay.
    pub fn add(&mut self, refusals: Vec<Refusal>) {
        for refusal in refusals {
            self.0.retain(|one| one.name != refusal.name);
            if self.0.len() < MOST {
                self.0.push(refusal);
            }
        }
    }

    /// Drops those of names that a response is about: what was wrong may be over, and what isn't is
    /// refused anew.
    pub fn drop_of(&mut self, changed: &[Resource], removed: &[Arc<str>]) {
        self.0.retain(|late| {
            let is_changed = changed.iter().any(|one| one.name == late.name);
            !is_changed && !removed.contains(&late.name)
        });
    }

    /// All of them, which are told now.
    pub fn take(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::Any;

    use super::*;

    fn refusal(name: &str, version: &str) -> Refusal {
        Refusal {
            name: name.into(),
            version: version.into(),
            reason: "lb_policy: is not supported by this proxy".to_owned(),
            is_used: false,
        }
    }

    fn late(names: &[&str]) -> Late {
        let mut late = Late::default();
        late.add(names.iter().map(|name| refusal(name, "1")).collect());
        late
    }

    #[test]
    fn newer_word_of_a_name_is_not_blamed_for_what_was_before() {
        let mut late = late(&["changed", "gone", "other"]);
        let changed = [Resource::new("changed", Any::default())];
        late.drop_of(&changed, &["gone".into()]);
        assert_eq!(late.take(), [refusal("other", "1")]);
        assert!(late.take().is_empty());
    }

    #[test]
    fn each_name_is_told_once_and_not_too_many_are() {
        let mut late = late(&["a", "b"]);
        late.add(vec![refusal("a", "2")]);
        let mut many = late.take();
        assert_eq!(many, [refusal("b", "1"), refusal("a", "2")]);
        many.extend((0..MOST).map(|index| refusal(&index.to_string(), "1")));
        late.add(many);
        let told = late.take();
        assert_eq!((told.len(), &told[0]), (MOST, &refusal("b", "1")));
    }
}
