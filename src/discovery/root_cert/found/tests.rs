//! What is done about the ConfigMap of a namespace.

use pillion_certs::Authority;
use tokio::time::advance;

use super::*;

const DELAY: Duration = Duration::from_secs(60);

pub fn root() -> Bundle {
    let now = OffsetDateTime::now_utc();
    let authority = Authority::generate("ca", now, time::Duration::days(1)).unwrap();
    Bundle::from_pem(authority.certificate()).unwrap()
}

fn settings() -> Settings {
    Settings {
        name: "istio-ca-root-cert".to_owned(),
        owner: "istio-system".to_owned(),
        removal_delay: DELAY,
        patience: DELAY,
    }
}

/// A ConfigMap of ours with these roots.
pub fn map(roots: &Bundle) -> ConfigMap {
    Found::default().with(roots, "shop", &settings())
}

fn due(found: &mut Found, wanted: &Bundle) -> Due {
    found.due(wanted, DELAY, OffsetDateTime::now_utc())
}

fn with(roots: &Bundle) -> Found {
    let mut found = Found::default();
    assert!(!found.record(Some(map(roots)), "istio-system"));
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
    found.record_failed(true);
    assert_eq!(due(&mut found, &wanted), Due::Later(RETRY));
    advance(RETRY).await;
    assert_eq!(due(&mut found, &wanted), Due::Now(wanted.clone()));
}

#[tokio::test(start_paused = true)]
async fn a_root_that_somebody_removes_is_written_again_and_still_counts() {
    let (wanted, other) = (root(), root());
    let mut found = with(&wanted);
    assert_eq!(found.wrong(&wanted, DELAY), None);
    found.record(Some(map(&other)), "istio-system");
    let known = found.counted(&wanted, DELAY).unwrap();
    assert!(known.contains(&wanted));
    assert_eq!(found.wrong(&wanted, DELAY), Some(Wrong::Reverted));
    assert_eq!(found.wrong(&wanted, DELAY), None, "said once");
    assert_eq!(due(&mut found, &wanted), Due::Later(RETRY));
    advance(RETRY).await;
    let both = wanted.clone().join(other);
    assert_eq!(due(&mut found, &wanted), Due::Now(both.clone()));
    found.record(Some(map(&both)), "istio-system");
    // Also when it is deleted, and somebody else makes it.
    found.record(None, "istio-system");
    assert_eq!(found.counted(&wanted, DELAY), None);
    assert!(matches!(due(&mut found, &wanted), Due::Now(_)));
    found.record(Some(map(&Bundle::default())), "istio-system");
    let known = found.counted(&wanted, DELAY).unwrap();
    assert!(known.contains(&wanted));
    // But not in a map of another manager.
    found.record(Some(ConfigMap::default()), "istio-system");
    found.record(Some(map(&Bundle::default())), "istio-system");
    assert_eq!(found.counted(&wanted, DELAY), Some(Bundle::default()));
}

#[tokio::test(start_paused = true)]
async fn what_can_t_be_written_counts_until_patience_ends() {
    let (old, new) = (root(), root());
    let both = new.clone().join(old.clone());
    let mut found = with(&old);
    // The API server may be away for longer.
    for _ in 0..3 {
        assert_eq!(due(&mut found, &new), Due::Now(both.clone()));
        found.record_failed(false);
        advance(DELAY).await;
        assert!(found.counted(&new, DELAY).is_some());
    }
    for left in [true, false] {
        assert_eq!(due(&mut found, &new), Due::Now(both.clone()));
        found.record_failed(true);
        advance(DELAY / 2).await;
        assert_eq!(found.counted(&new, DELAY).is_some(), left);
    }
    assert_eq!(found.wrong(&new, DELAY), Some(Wrong::Refused));
    assert_eq!(found.wrong(&new, DELAY), None, "said once");
    // When it is written, it counts again.
    found.record(Some(map(&both)), "istio-system");
    assert!(found.counted(&new, DELAY).is_some());
    assert_eq!(found.wrong(&new, DELAY), None);
}
