//! Which revisions a rule is for.

use std::sync::Arc;

use kube::{Resource, ResourceExt, runtime::watcher};

/// The label that says it.
const LABEL: &str = "istio.io/rev";

/// The revision of this discovery service. As in Istio (`LabelsInRevision` in its
/// `pkg/config/model.go`), a rule without the label is for all revisions, and one with it for
/// that revision alone.
#[derive(Debug, Clone)]
pub(super) struct Revision(Arc<str>);

impl Revision {
    /// `default` is the one without a name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns what an event means for this revision: a rule that is now for another one is
    /// gone. `None` if it means nothing.
    pub fn event<K: Resource>(&self, event: watcher::Event<K>) -> Option<watcher::Event<K>> {
        match event {
            watcher::Event::Apply(object) if !self.has(&object) => {
                Some(watcher::Event::Delete(object))
            }
            watcher::Event::InitApply(object) if !self.has(&object) => None,
            event => Some(event),
        }
    }

    fn has(&self, object: &impl Resource) -> bool {
        object
            .labels()
            .get(LABEL)
            .is_none_or(|revision| **revision == *self.0)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;
    use crate::{discovery::names::Names, model::Key};

    fn rule(name: &str, revision: Option<&str>) -> ConfigMap {
        let labels = revision.map(|revision| json!({ LABEL: revision }));
        let metadata = json!({"namespace": "shop", "name": name, "labels": labels});
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    /// The names that change, and those that are gone.
    fn taken(names: &mut Names, event: watcher::Event<ConfigMap>) -> (Option<String>, Vec<Key>) {
        match Revision::new("canary").event(event) {
            Some(event) => {
                let (applied, gone) = names.take(event);
                (applied.map(|object| object.name_any()), gone)
            }
            None => (None, Vec::new()),
        }
    }

    #[test]
    fn leaves_out_rules_of_other_revisions() {
        let mut names = Names::default();
        let mut apply =
            |name, revision| taken(&mut names, watcher::Event::Apply(rule(name, revision))).0;
        assert_eq!(apply("a", None).as_deref(), Some("a"));
        assert_eq!(apply("b", Some("canary")).as_deref(), Some("b"));
        assert_eq!(apply("c", Some("default")), None);
        assert_eq!(apply("d", Some("")), None);
    }

    #[test]
    fn a_rule_that_goes_to_another_revision_is_gone_once() {
        let mut names = Names::default();
        taken(&mut names, watcher::Event::Apply(rule("a", None)));
        for gone in [vec![Key::new("shop", "a")], Vec::new()] {
            let event = watcher::Event::Apply(rule("a", Some("default")));
            assert_eq!(taken(&mut names, event), (None, gone));
        }
    }

    #[test]
    fn a_list_without_rules_of_this_revision_deletes_them() {
        let mut names = Names::default();
        taken(&mut names, watcher::Event::Apply(rule("a", None)));
        taken(&mut names, watcher::Event::Init);
        let event = watcher::Event::InitApply(rule("a", Some("default")));
        assert_eq!(taken(&mut names, event), (None, Vec::new()));
        let (_, gone) = taken(&mut names, watcher::Event::InitDone);
        assert_eq!(gone, [Key::new("shop", "a")]);
    }
}
