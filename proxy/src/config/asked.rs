//! The names that the server is asked for, within the limits of a stream.

use std::{collections::BTreeSet, sync::Arc};

use pillion_xds::limits::{MAX_NAME_BYTES, max_names};

/// The names of one type.
#[derive(Debug)]
pub(super) struct Asked {
    type_url: &'static str,
    names: BTreeSet<Arc<str>>,
    omitted: BTreeSet<Arc<str>>,
}

/// Names to subscribe to and to unsubscribe from, and names that are newly left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub gone: Vec<Arc<str>>,
    pub come: Vec<Arc<str>>,
    /// Those that are wanted, and that the server is not asked for any more, or not yet.
    pub omitted: Vec<Arc<str>>,
}

impl Asked {
    /// None yet, of that type.
    pub fn new(type_url: &'static str) -> Self {
        Self {
            type_url,
            names: BTreeSet::new(),
            omitted: BTreeSet::new(),
        }
    }

    pub fn type_url(&self) -> &'static str {
        self.type_url
    }

    /// Makes these the names that are asked for. Of too many, those that were asked for before
    /// stay; others are asked for once there is room.
    pub fn change(&mut self, wanted: &BTreeSet<Arc<str>>) -> Change {
        self.change_within(wanted, max_names(self.type_url))
    }

    /// How many names are wanted, and not asked for.
    pub fn omitted(&self) -> usize {
        self.omitted.len()
    }

    fn change_within(&mut self, wanted: &BTreeSet<Arc<str>>, most: usize) -> Change {
        let gone: Vec<_> = self.names.difference(wanted).cloned().collect();
        self.names.retain(|name| wanted.contains(name));
        let (mut come, mut omitted) = (Vec::new(), BTreeSet::new());
        for name in wanted {
            if self.names.contains(name) {
                continue;
            }
            let is_name = (1..=MAX_NAME_BYTES).contains(&name.len());
            if is_name && self.names.len() < most {
                self.names.insert(Arc::clone(name));
                come.push(Arc::clone(name));
            } else {
                omitted.insert(Arc::clone(name));
            }
        }
        let new = omitted.difference(&self.omitted).cloned().collect();
        self.omitted = omitted;
        Change {
            gone,
            come,
            omitted: new,
        }
    }
}

#[cfg(test)]
mod tests {
    use pillion_envoy_api::type_url::{CLUSTER_LOAD_ASSIGNMENT, ROUTE_CONFIGURATION};

    use super::*;

    fn names(names: &[&str]) -> BTreeSet<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn list(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn who_was_left_out_is_asked_for_once_there_is_room() {
        let mut asked = Asked::new(ROUTE_CONFIGURATION);
        let change = asked.change_within(&names(&["b", "c", "d"]), 2);
        assert_eq!(
            (change.come, change.omitted),
            (list(&["b", "c"]), list(&["d"]))
        );
        // Nobody loses a place to one who comes later.
        let change = asked.change_within(&names(&["a", "b", "c", "d"]), 2);
        assert_eq!((change.come, change.omitted), (list(&[]), list(&["a"])));
        assert_eq!(asked.omitted(), 2);
        let change = asked.change_within(&names(&["c", "d"]), 2);
        let expected = Change {
            gone: list(&["b"]),
            come: list(&["d"]),
            omitted: list(&[]),
        };
        assert_eq!((change, asked.omitted()), (expected, 0));
    }

    #[test]
    fn what_can_not_be_a_name_is_not_asked_for() {
        let mut asked = Asked::new(ROUTE_CONFIGURATION);
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        let change = asked.change(&names(&[&long, "b"]));
        assert_eq!(
            (change.come, change.omitted),
            (list(&["b"]), list(&[&long]))
        );
    }

    #[test]
    fn as_many_are_asked_for_as_a_stream_may_have_of_the_type() {
        let all: BTreeSet<Arc<str>> = (0..70_000).map(|i| Arc::from(i.to_string())).collect();
        let mut asked = Asked::new(CLUSTER_LOAD_ASSIGNMENT);
        assert_eq!(asked.change(&all).come.len(), 70_000);
        let mut asked = Asked::new(ROUTE_CONFIGURATION);
        let change = asked.change(&all);
        let numbers = (change.come.len(), change.omitted.len(), asked.omitted());
        assert_eq!(numbers, (65_536, 4_464, 4_464));
    }
}
