//! Sets of labels, to be found by selectors.

use std::collections::BTreeMap;

use crate::model::objects::Labels;

/// Sets of labels by each label. A selector looks only at those that have the rarest of its
/// labels, so that many selectors and many sets make little work.
#[derive(Default)]
pub(super) struct Labelled<'a> {
    all: Vec<&'a Labels>,
    by_label: BTreeMap<(&'a str, &'a str), Vec<usize>>,
}

impl<'a> Labelled<'a> {
    /// Adds a set.
    pub fn add(&mut self, labels: &'a Labels) {
        for label in labels.iter() {
            self.by_label.entry(label).or_default().push(self.all.len());
        }
        self.all.push(labels);
    }

    /// Whether there are no sets.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The numbers of the sets that have all labels of a selector, in the order in which they were
    /// added.
    pub fn selected<'b>(&'b self, selector: &'b Labels) -> impl Iterator<Item = usize> + 'b {
        let lists = selector.iter().map(|label| {
            let list = self.by_label.get(&label);
            list.map(Vec::as_slice).unwrap_or_default()
        });
        let rarest = lists.min_by_key(|list| list.len());
        // One without labels selects all.
        let all = 0..if rarest.is_none() { self.all.len() } else { 0 };
        let numbers = rarest.unwrap_or_default().iter().copied();
        all.chain(numbers.filter(move |number| {
            let labels = self.all.get(*number);
            labels.is_some_and(|labels| selector.select(labels))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[(&str, &str)]) -> Labels {
        labels.iter().copied().collect()
    }

    #[test]
    fn a_selector_selects_the_sets_that_have_all_its_labels() {
        let sets = [
            labels(&[("app", "web"), ("version", "v1")]),
            labels(&[("app", "web"), ("version", "v2")]),
            labels(&[("app", "db")]),
        ];
        let mut labelled = Labelled::default();
        assert!(labelled.is_empty());
        sets.iter().for_each(|set| labelled.add(set));
        let selected = |selector: &[(&str, &str)]| -> Vec<usize> {
            labelled.selected(&labels(selector)).collect()
        };
        assert_eq!(selected(&[("app", "web")]), [0, 1]);
        assert_eq!(selected(&[("app", "web"), ("version", "v2")]), [1]);
        assert_eq!(selected(&[("app", "db"), ("version", "v2")]), [0; 0]);
        assert_eq!(selected(&[("app", "none")]), [0; 0]);
        assert_eq!(selected(&[]), [0, 1, 2]);
    }
}
