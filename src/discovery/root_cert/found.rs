//! The ConfigMap of one namespace, and what to do about it.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use pillion_certs::Bundle;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::settings::Settings;

/// The ConfigMap's key.
const KEY: &str = "root-cert.pem";
/// The label that marks our ConfigMaps; its value is the namespace of the installation.
const OWNER: &str = "pillion.io/discovery";
/// When to try again after a failed write.
pub(super) const RETRY: Duration = Duration::from_secs(5);
/// Istio's label of its own.
const ISTIO: (&str, &str) = ("istio.io/config", "true");

/// What a namespace has.
#[derive(Debug, Default)]
pub(super) struct Found {
    map: Option<ConfigMap>,
    /// The roots in it, if it is ours.
    ours: Option<Bundle>,
    is_foreign: bool,
    /// Since when there have been roots that are not wanted.
    surplus: Option<Instant>,
    failed: Option<Instant>,
}

/// What to do about a ConfigMap.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing, until something changes.
    Nothing,
    /// Look again after this time.
    Later(Duration),
    /// Write these roots now.
    Now(Bundle),
}

impl Found {
    /// Records the ConfigMap as it is now. Returns whether it has become another manager's.
    pub fn record(&mut self, map: Option<ConfigMap>, owner: &str) -> bool {
        let was_foreign = self.is_foreign;
        let is_ours = map.as_ref().is_some_and(|map| {
            let labels = map.metadata.labels.as_ref();
            let label = labels.and_then(|labels| labels.get(OWNER));
            label.is_some_and(|label| label == owner)
        });
        self.is_foreign = map.is_some() && !is_ours;
        self.ours = map.as_ref().filter(|_| is_ours).map(|map| {
            let text = map.data.as_ref().and_then(|data| data.get(KEY));
            text.map(|text| Bundle::from_pem_lossy(text))
                .unwrap_or_default()
        });
        self.map = map;
        self.failed = None;
        self.is_foreign && !was_foreign
    }

    /// Records that writing it failed.
    pub fn record_failed(&mut self) {
        self.failed = Some(Instant::now());
    }

    /// The roots in the ConfigMap, if it is ours.
    pub fn ours(&self) -> Option<&Bundle> {
        self.ours.as_ref()
    }

    /// Returns what to do. Unwanted roots are removed after a delay.
    pub fn due(&mut self, wanted: &Bundle, removal_delay: Duration, now: OffsetDateTime) -> Due {
        if self.is_foreign {
            return Due::Nothing;
        }
        if let Some(failed) = self.failed {
            let left = RETRY.saturating_sub(failed.elapsed());
            if !left.is_zero() {
                return Due::Later(left);
            }
        }
        let Some(present) = &self.ours else {
            return Due::Now(wanted.clone());
        };
        if !present.contains(wanted) {
            let present = present.clone().valid_at(now);
            return Due::Now(wanted.clone().join(present));
        }
        if present.clone().without(wanted).is_empty() {
            self.surplus = None;
            return Due::Nothing;
        }
        let since = *self.surplus.get_or_insert_with(Instant::now);
        let left = removal_delay.saturating_sub(since.elapsed());
        if left.is_zero() {
            Due::Now(wanted.clone())
        } else {
            Due::Later(left)
        }
    }

    /// Returns the ConfigMap with these roots.
    pub fn with(&self, roots: &Bundle, namespace: &str, settings: &Settings) -> ConfigMap {
        let mut map = self.map.clone().unwrap_or_else(|| ConfigMap {
            metadata: ObjectMeta {
                name: Some(settings.name.clone()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        });
        let labels = map.metadata.labels.get_or_insert_default();
        labels.insert(OWNER.to_owned(), settings.owner.clone());
        labels.insert(ISTIO.0.to_owned(), ISTIO.1.to_owned());
        map.data = Some(BTreeMap::from([(KEY.to_owned(), roots.to_pem())]));
        map
    }
}

#[cfg(test)]
mod tests {
    use pillion_certs::Authority;
    use tokio::time::advance;

    use super::*;

    const DELAY: Duration = Duration::from_secs(60);

    fn root() -> Bundle {
        let now = OffsetDateTime::now_utc();
        let authority = Authority::generate("ca", now, time::Duration::days(1)).unwrap();
        Bundle::from_pem(authority.certificate()).unwrap()
    }

    fn settings() -> Settings {
        Settings {
            name: "istio-ca-root-cert".to_owned(),
            owner: "istio-system".to_owned(),
            removal_delay: DELAY,
        }
    }

    fn due(found: &mut Found, wanted: &Bundle) -> Due {
        found.due(wanted, DELAY, OffsetDateTime::now_utc())
    }

    fn with(roots: &Bundle) -> Found {
        let mut found = Found::default();
        let map = found.with(roots, "shop", &settings());
        assert!(!found.record(Some(map), "istio-system"));
        found
    }

    #[test]
    fn a_missing_map_is_written() {
        let wanted = root();
        assert_eq!(
            due(&mut Found::default(), &wanted),
            Due::Now(wanted.clone())
        );
        assert_eq!(due(&mut with(&wanted), &wanted), Due::Nothing);
    }

    #[test]
    fn a_map_of_another_manager_is_never_written() {
        let wanted = root();
        let map = Found::default().with(&root(), "shop", &settings());
        let mut found = Found::default();
        assert!(found.record(Some(map.clone()), "other-system"));
        assert!(!found.record(Some(map), "other-system"), "said once");
        assert_eq!(due(&mut found, &wanted), Due::Nothing);
        let mut unlabelled = Found::default();
        assert!(unlabelled.record(Some(ConfigMap::default()), "istio-system"));
        assert_eq!(due(&mut unlabelled, &wanted), Due::Nothing);
        // When it is gone, ours takes its place.
        found.record(None, "istio-system");
        assert_eq!(due(&mut found, &wanted), Due::Now(wanted.clone()));
    }

    #[tokio::test(start_paused = true)]
    async fn adds_a_root_at_once_and_removes_one_late() {
        let (old, new) = (root(), root());
        let both = new.clone().join(old.clone());
        assert_eq!(due(&mut with(&old), &new), Due::Now(both.clone()));
        let mut found = with(&both);
        assert_eq!(due(&mut found, &new), Due::Later(DELAY));
        advance(DELAY).await;
        assert_eq!(due(&mut found, &new), Due::Now(new.clone()));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_after_a_failure() {
        let wanted = root();
        let mut found = Found::default();
        found.record_failed();
        assert_eq!(due(&mut found, &wanted), Due::Later(RETRY));
        advance(RETRY).await;
        assert_eq!(due(&mut found, &wanted), Due::Now(wanted.clone()));
    }
}
