//! Which names are asked for where there are too many.

use std::collections::BTreeSet;

use super::question::Question;

/// Names that are asked for at a time.
pub(crate) const MOST: usize = 4_096;

/// Questions that are asked, and those that are not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    pub asked: BTreeSet<Question>,
    pub omitted: BTreeSet<Question>,
}

/// Shares the places out: each cluster gets one before any gets another, and who had one
/// `before` keeps it before somebody new gets it.
pub(crate) fn share(
    clusters: &[Vec<Question>],
    before: &BTreeSet<Question>,
    most: usize,
) -> Shares {
    let mut shares = Shares::default();
    let rounds = clusters.iter().map(Vec::len).max().unwrap_or(0);
    for round in 0..rounds {
        let all = clusters.iter().filter_map(|questions| questions.get(round));
        let (old, new): (Vec<_>, Vec<_>) = all.partition(|question| before.contains(question));
        for question in old.into_iter().chain(new) {
            if shares.asked.len() < most {
                shares.asked.insert(question.clone());
            } else if !shares.asked.contains(question) {
                shares.omitted.insert(question.clone());
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::compile::Family;

    fn question(name: &str) -> Question {
        Question {
            name: Arc::from(name),
            family: Family::V4,
            refresh: None,
        }
    }

    fn all(names: &[&str]) -> Vec<Question> {
        names.iter().map(|name| question(name)).collect()
    }

    fn names(questions: &BTreeSet<Question>) -> Vec<&str> {
        questions.iter().map(|question| &*question.name).collect()
    }

    #[test]
    fn each_cluster_gets_a_place_before_any_gets_another() {
        let clusters = [all(&["a1", "a2", "a3"]), all(&["z1"])];
        let shares = share(&clusters, &BTreeSet::new(), 3);
        assert_eq!(names(&shares.asked), ["a1", "a2", "z1"]);
        assert_eq!(names(&shares.omitted), ["a3"]);
    }

    #[test]
    fn who_has_a_place_keeps_it() {
        let clusters = [all(&["a"]), all(&["b"])];
        let shares = share(&clusters, &BTreeSet::from([question("b")]), 1);
        assert_eq!(names(&shares.asked), ["b"]);
    }

    #[test]
    fn a_name_of_two_clusters_takes_one_place() {
        let clusters = [all(&["a"]), all(&["a", "b"])];
        let shares = share(&clusters, &BTreeSet::new(), 2);
        assert_eq!(names(&shares.asked), ["a", "b"]);
        assert!(shares.omitted.is_empty());
    }
}
