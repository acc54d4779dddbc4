use k8s_openapi::ByteString;
use pillion_certs::Authority;
use serde_json::json;
use tokio::time::advance;

use super::{
    configuration::{addition, entries, replacement},
    kept::GAP,
    *,
};

const STAND: Duration = Duration::from_secs(360);
const NAME: &str = "namespace.sidecar-injector.istio.io";

fn root() -> Bundle {
    let days = time::Duration::days(1);
    let authority = Authority::generate("ca", OffsetDateTime::now_utc(), days).unwrap();
    Bundle::from_pem(authority.certificate()).unwrap()
}

fn configuration(webhooks: &[(&str, Option<&str>)]) -> MutatingWebhookConfiguration {
    let webhooks: Vec<_> = webhooks
        .iter()
        .map(|(name, bundle)| {
            json!({"name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": {"caBundle": bundle.map(|bundle| ByteString(bundle.into()))}})
        })
        .collect();
    serde_json::from_value(
        json!({"metadata": {"name": "c", "resourceVersion": "7"}, "webhooks": webhooks}),
    )
    .unwrap()
}

fn trusting(roots: &Bundle) -> MutatingWebhookConfiguration {
    configuration(&[(NAME, Some(&roots.to_pem()))])
}

fn patched(
    configuration: &MutatingWebhookConfiguration,
    patch: &json_patch::Patch,
) -> MutatingWebhookConfiguration {
    let mut edited = serde_json::to_value(configuration).unwrap();
    json_patch::patch(&mut edited, patch).unwrap();
    serde_json::from_value(edited).unwrap()
}

fn roots(configuration: &MutatingWebhookConfiguration) -> Vec<Bundle> {
    entries(configuration).map(|entry| entry.roots).collect()
}

#[test]
fn patches_the_injectors_webhooks_that_lack_a_root() {
    let wanted = root();
    let configuration = configuration(&[
        ("other.example.com", None),
        (NAME, Some("no certificate")),
        ("object.sidecar-injector.istio.io", Some(&wanted.to_pem())),
        ("rev.object.sidecar-injector.istio.io", None),
    ]);
    let patch = addition(&configuration, &wanted, OffsetDateTime::now_utc()).unwrap();
    assert_eq!(patch.0.len(), 3);
    let edited = patched(&configuration, &patch);
    assert_eq!(roots(&edited), vec![wanted; 3]);
    assert_eq!(edited.webhooks.unwrap()[0].client_config.ca_bundle, None);
}

#[test]
fn keeps_the_roots_of_others_when_it_adds_its_own() {
    let (wanted, other) = (root(), root());
    let configuration = trusting(&other);
    let patch = addition(&configuration, &wanted, OffsetDateTime::now_utc()).unwrap();
    let both = wanted.clone().join(other);
    assert_eq!(
        roots(&patched(&configuration, &patch)),
        std::slice::from_ref(&both)
    );

    let configuration = trusting(&both);
    assert!(addition(&configuration, &wanted, OffsetDateTime::now_utc()).is_none());
    let patch = replacement(&configuration, &wanted).unwrap();
    assert_eq!(roots(&patched(&configuration, &patch)), [wanted]);
}

#[test]
fn leaves_right_bundles_alone() {
    let wanted = root();
    let configuration = trusting(&wanted);
    assert!(addition(&configuration, &wanted, OffsetDateTime::now_utc()).is_none());
    assert!(replacement(&configuration, &wanted).is_none());
}

#[tokio::test(start_paused = true)]
async fn takes_out_what_nobody_wanted_for_a_while() {
    let (wanted, other) = (root(), root());
    let mut kept = Kept::new(trusting(&wanted.clone().join(other)));
    let mut due = || kept.due(&wanted, STAND, OffsetDateTime::now_utc());
    assert!(matches!(due(), Due::Later(STAND)));
    advance(STAND / 2).await;
    assert!(matches!(due(), Due::Later(left) if left == STAND / 2));
    advance(STAND / 2).await;
    assert!(matches!(due(), Due::Now(_)));
}

#[tokio::test(start_paused = true)]
async fn does_not_patch_without_pause() {
    let wanted = root();
    let mut kept = Kept::new(trusting(&root()));
    let due = |kept: &mut Kept| kept.due(&wanted, STAND, OffsetDateTime::now_utc());
    assert!(matches!(due(&mut kept), Due::Now(_)));
    // Somebody has set it back at once.
    kept.is_patched(trusting(&root()));
    assert!(matches!(due(&mut kept), Due::Later(GAP)));
    advance(GAP).await;
    assert!(matches!(due(&mut kept), Due::Now(_)));
    for gap in [GAP, GAP * 2, GAP * 4] {
        assert_eq!(kept.has_failed(), gap);
        assert!(matches!(due(&mut kept), Due::Later(left) if left == gap));
        advance(gap).await;
        assert!(matches!(due(&mut kept), Due::Now(_)));
    }
}

#[test]
fn a_patch_of_what_has_changed_since_does_not_apply() {
    let wanted = root();
    let mut configuration = trusting(&root());
    let patch = addition(&configuration, &wanted, OffsetDateTime::now_utc()).unwrap();
    configuration.metadata.resource_version = Some("8".to_owned());
    let mut edited = serde_json::to_value(&configuration).unwrap();
    assert!(json_patch::patch(&mut edited, &patch).is_err());
}

/// A keeper whose API server answers every request with this code.
fn keeper(code: u16) -> Keeper {
    let answer = move |_: axum::http::Request<kube::client::Body>| async move {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "reason": "", "message": "no"});
        axum::http::Response::builder()
            .status(code)
            .body(kube::client::Body::from(status.to_string().into_bytes()))
    };
    let client = Client::new(tower::service_fn(answer), "default");
    let shared = Shared::new();
    Keeper::new(
        Api::all(client),
        STAND,
        watch::channel(Trusted::nothing()).0,
        shared,
    )
}

fn list(keeper: &mut Keeper, configuration: MutatingWebhookConfiguration) {
    for event in [
        watcher::Event::Init,
        watcher::Event::InitApply(configuration),
        watcher::Event::InitDone,
    ] {
        keeper.take(event);
    }
}

fn trusts(keeper: &Keeper, roots: &Bundle) -> bool {
    keeper.trusted.borrow().time_of(roots).is_some()
}

fn is_ready(keeper: &Keeper) -> bool {
    let missing = keeper.shared.readiness.missing();
    !missing.iter().any(|missing| missing.contains("caBundle"))
}

#[tokio::test]
async fn stays_ready_while_it_lists_again() {
    let wanted = root();
    let roots = Roots::Ours(wanted.clone());
    let mut keeper = keeper(500);
    list(&mut keeper, trusting(&wanted));
    assert_eq!(keeper.reconcile(&roots).await, None);
    assert!(is_ready(&keeper));
    let since = keeper.trusted.borrow().clone();
    assert!(since.time_of(&wanted).is_some());

    // A list has begun; the API server takes its time.
    keeper.take(watcher::Event::Init);
    keeper.reconcile(&roots).await;
    assert!(is_ready(&keeper));
    list(&mut keeper, trusting(&wanted));
    keeper.reconcile(&roots).await;
    assert_eq!(*keeper.trusted.borrow(), since);
}

#[tokio::test]
async fn forgets_what_was_deleted_while_nobody_watched() {
    let wanted = root();
    let mut keeper = keeper(500);
    list(&mut keeper, trusting(&wanted));
    keeper.take(watcher::Event::Init);
    keeper.take(watcher::Event::InitDone);
    keeper.reconcile(&Roots::Ours(wanted.clone())).await;
    assert!(!is_ready(&keeper) && !trusts(&keeper, &wanted));
}

#[tokio::test]
async fn stays_ready_while_a_root_cannot_be_added() {
    let (present, next) = (root(), root());
    let mut keeper = keeper(500);
    list(&mut keeper, trusting(&present));
    keeper.reconcile(&Roots::Ours(present.clone())).await;
    let both = Roots::Ours(present.clone().join(next.clone()));
    assert_eq!(keeper.reconcile(&both).await, Some(GAP));
    assert!(is_ready(&keeper) && trusts(&keeper, &present) && !trusts(&keeper, &next));
}

#[tokio::test(start_paused = true)]
async fn what_another_replica_has_put_in_counts_from_then_on() {
    let (present, next) = (root(), root());
    let both = present.clone().join(next.clone());
    let mut keeper = keeper(500);
    list(&mut keeper, trusting(&both));
    keeper.reconcile(&Roots::Ours(present)).await;
    advance(GAP).await;
    // This replica gets to know of it, too.
    keeper.reconcile(&Roots::Ours(both)).await;
    assert_eq!(keeper.trusted.borrow().time_of(&next), Some(GAP));
}

#[tokio::test]
async fn a_revert_starts_the_time_of_trust_anew() {
    let wanted = root();
    let roots = Roots::Ours(wanted.clone());
    let mut keeper = keeper(500);
    list(&mut keeper, trusting(&wanted));
    keeper.reconcile(&roots).await;
    assert!(trusts(&keeper, &wanted));
    keeper.take(watcher::Event::Apply(trusting(&root())));
    assert_eq!(keeper.reconcile(&roots).await, Some(GAP));
    assert!(!is_ready(&keeper) && !trusts(&keeper, &wanted));
}

#[tokio::test(start_paused = true)]
async fn asks_again_after_a_denial() {
    let roots = Roots::Ours(root());
    let mut keeper = keeper(403);
    list(&mut keeper, configuration(&[(NAME, None)]));
    assert_eq!(keeper.reconcile(&roots).await, Some(DENIED));
    let first = keeper.kept["c"].denied.unwrap();
    keeper.reconcile(&roots).await;
    assert_eq!(keeper.kept["c"].denied, Some(first));
    advance(DENIED).await;
    keeper.reconcile(&roots).await;
    assert!(keeper.kept["c"].denied.unwrap() > first);
}

#[tokio::test]
async fn a_denied_configuration_that_calls_us_holds_up_the_next_ca() {
    let (present, next) = (root(), root());
    let both = present.clone().join(next.clone());
    let mut denied = trusting(&present);
    denied.metadata.name = Some("denied".to_owned());
    let mut keeper = keeper(403);
    for event in [
        watcher::Event::Init,
        watcher::Event::InitApply(trusting(&both)),
        watcher::Event::InitApply(denied),
        watcher::Event::InitDone,
    ] {
        keeper.take(event);
    }
    keeper.reconcile(&Roots::Ours(both)).await;
    assert!(!trusts(&keeper, &next));
    // It is trusted by the present CA alone, and that is enough to go on.
    assert!(is_ready(&keeper));
}

#[tokio::test]
async fn stays_ready_while_a_root_may_not_be_added() {
    let (present, next) = (root(), root());
    let mut keeper = keeper(403);
    list(&mut keeper, trusting(&present));
    keeper.reconcile(&Roots::Ours(present.clone())).await;
    let both = Roots::Ours(present.clone().join(next.clone()));
    keeper.reconcile(&both).await;
    assert!(keeper.kept["c"].denied.is_some());
    assert!(is_ready(&keeper) && !trusts(&keeper, &next));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_of_somebody_else_stays_so_whatever_fails() {
    let wanted = root();
    let mut foreign = Kept::new(configuration(&[(NAME, None)]));
    assert!(foreign.is_denied());
    advance(DENIED).await;
    let due = foreign.due(&wanted, STAND, OffsetDateTime::now_utc());
    assert!(matches!(due, Due::Now(_)));
    assert_eq!(foreign.has_failed(), DENIED);
    assert!(!foreign.is_ours());
    foreign.is_patched(trusting(&wanted));
    assert!(foreign.is_ours());
}

#[tokio::test]
async fn leaves_the_bundles_to_cert_manager_where_it_is_told_to() {
    let mut configuration = configuration(&[(NAME, Some("set"))]);
    configuration.metadata.annotations = Some(
        [(
            "cert-manager.io/inject-ca-from".to_owned(),
            "istio-system/injector".to_owned(),
        )]
        .into(),
    );
    let mut keeper = keeper(500);
    list(&mut keeper, configuration);
    assert_eq!(keeper.reconcile(&Roots::Ours(root())).await, None);
    assert!(is_ready(&keeper));
    assert_eq!(*keeper.trusted.borrow(), Trusted::LeftToOthers);
}
