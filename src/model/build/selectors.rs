//! The labels on which tables depend.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::objects::Labels;

/// Selectors that tell proxies apart, by the name and value of one of their labels.
#[derive(Debug, Default)]
pub(super) struct Selectors(BTreeMap<String, BTreeMap<String, BTreeSet<Labels>>>);

impl Selectors {
    /// The labels of those selectors that hold for a proxy's labels. Each selector holds for
    /// these exactly if it holds for all of them, so that proxies for which the same selectors
    /// hold are one, whatever else distinguishes them.
    pub fn held_by(&self, labels: &Labels) -> Labels {
        let selectors = labels
            .iter()
            .filter_map(|(name, value)| self.0.get(name)?.get(value))
            .flatten();
        let holding = selectors.filter(|selector| selector.select(labels));
        holding.flat_map(Labels::iter).collect()
    }
}

impl<'a> FromIterator<&'a Labels> for Selectors {
    fn from_iter<I: IntoIterator<Item = &'a Labels>>(selectors: I) -> Self {
        let mut all = Self::default();
        for selector in selectors {
            // One without labels holds for everybody.
            if let Some((name, value)) = selector.iter().next() {
                let of_name = all.0.entry(name.to_owned()).or_default();
                let of_value = of_name.entry(value.to_owned()).or_default();
                of_value.insert(selector.clone());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[(&str, &str)]) -> Labels {
        labels.iter().copied().collect()
    }

    #[test]
    fn only_the_labels_of_selectors_that_hold_count() {
        let all = [
            labels(&[]),
            labels(&[("app", "web"), ("version", "v1")]),
            labels(&[("app", "db")]),
            labels(&[("tier", "front")]),
        ];
        let selectors: Selectors = all.iter().collect();
        let held = |own: &[(&str, &str)]| selectors.held_by(&labels(own));
        assert_eq!(held(&[("app", "web"), ("version", "v2")]), labels(&[]));
        assert_eq!(
            held(&[("app", "web"), ("version", "v1"), ("hash", "x")]),
            all[1]
        );
        assert_eq!(
            held(&[("app", "db"), ("tier", "front")]),
            labels(&[("app", "db"), ("tier", "front")])
        );
    }
}
