use k8s_openapi::{ByteString, api::admissionregistration::v1::MutatingWebhookConfiguration};
use pillion_certs::Authority;
use pillion_serve::Readiness;
use serde_json::json;
use tokio::time::advance;

use super::{
    configuration::{addition, entries, replacement},
    kept::GAP,
    *,
};
use crate::certificates::owner::tests::owner;

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
    let due = |kept: &mut Kept<MutatingWebhookConfiguration>| {
        kept.due(&wanted, STAND, OffsetDateTime::now_utc())
    };
    assert!(matches!(due(&mut kept), Due::Now(_)));
    // Somebody has set it back at once.
    kept.record_patched(trusting(&root()));
    assert!(matches!(due(&mut kept), Due::Later(GAP)));
    advance(GAP).await;
    assert!(matches!(due(&mut kept), Due::Now(_)));
    for gap in [GAP, GAP * 2, GAP * 4] {
        assert_eq!(kept.record_failed(), gap);
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

/// A reconciler whose API server answers every request with this code.
fn reconciler(code: u16) -> Reconciler<MutatingWebhookConfiguration> {
    let answer = move |_: axum::http::Request<kube::client::Body>| async move {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "reason": "", "message": "no"});
        axum::http::Response::builder()
            .status(code)
            .body(kube::client::Body::from(status.to_string().into_bytes()))
    };
    let client = Client::new(tower::service_fn(answer), "default");
    Reconciler::new(
        Api::all(client),
        STAND,
        watch::channel(Trusted::nothing()).0,
        owner(&Readiness::default()),
    )
}

/// Whether a patch counts as outdated that failed with this status, where the API
/// server now has this version (the patch was made for version 7).
async fn is_outdated_with(code: u16, reason: &str, version: &str) -> bool {
    let mut now = trusting(&root());
    now.metadata.resource_version = Some(version.to_owned());
    let body = serde_json::to_vec(&now).unwrap();
    let answer = move |_: axum::http::Request<kube::client::Body>| {
        let body = kube::client::Body::from(body.clone());
        async move { axum::http::Response::builder().body(body) }
    };
    let api = Api::all(Client::new(tower::service_fn(answer), "default"));
    let status = kube::core::Status::failure("no", reason).with_code(code);
    let error = kube::Error::Api(Box::new(status));
    is_outdated(&api, &trusting(&root()), &error).await
}

#[tokio::test]
async fn a_patch_is_outdated_when_the_version_has_changed() {
    assert!(is_outdated_with(409, "Conflict", "7").await);
    assert!(is_outdated_with(422, "Invalid", "8").await);
    assert!(!is_outdated_with(422, "Invalid", "7").await);
    assert!(!is_outdated_with(400, "BadRequest", "8").await);
}

fn list(
    reconciler: &mut Reconciler<MutatingWebhookConfiguration>,
    configuration: MutatingWebhookConfiguration,
) {
    for event in [
        watcher::Event::Init,
        watcher::Event::InitApply(configuration),
        watcher::Event::InitDone,
    ] {
        reconciler.take(event);
    }
}

fn trusts(reconciler: &Reconciler<MutatingWebhookConfiguration>, roots: &Bundle) -> bool {
    reconciler.trusted.borrow().time_of(roots).is_some()
}

fn is_ready(reconciler: &Reconciler<MutatingWebhookConfiguration>) -> bool {
    reconciler.owner.ca_bundle.holds()
}

#[tokio::test]
async fn stays_ready_while_it_lists_again() {
    let wanted = root();
    let roots = Roots::Ours(wanted.clone());
    let mut reconciler = reconciler(500);
    list(&mut reconciler, trusting(&wanted));
    assert_eq!(reconciler.reconcile(&roots).await, None);
    assert!(is_ready(&reconciler));
    let since = reconciler.trusted.borrow().clone();
    assert!(since.time_of(&wanted).is_some());

    // A list has begun; the API server takes its time.
    reconciler.take(watcher::Event::Init);
    reconciler.reconcile(&roots).await;
    assert!(is_ready(&reconciler));
    list(&mut reconciler, trusting(&wanted));
    reconciler.reconcile(&roots).await;
    assert_eq!(*reconciler.trusted.borrow(), since);
}

#[tokio::test]
async fn forgets_what_was_deleted_while_nobody_watched() {
    let wanted = root();
    let mut reconciler = reconciler(500);
    list(&mut reconciler, trusting(&wanted));
    reconciler.take(watcher::Event::Init);
    reconciler.take(watcher::Event::InitDone);
    reconciler.reconcile(&Roots::Ours(wanted.clone())).await;
    assert!(!is_ready(&reconciler) && !trusts(&reconciler, &wanted));
}

#[tokio::test]
async fn stays_ready_while_a_root_cannot_be_added() {
    let (present, next) = (root(), root());
    let mut reconciler = reconciler(500);
    list(&mut reconciler, trusting(&present));
    reconciler.reconcile(&Roots::Ours(present.clone())).await;
    let both = Roots::Ours(present.clone().join(next.clone()));
    assert_eq!(reconciler.reconcile(&both).await, Some(GAP));
    assert!(is_ready(&reconciler) && trusts(&reconciler, &present) && !trusts(&reconciler, &next));
}

#[tokio::test(start_paused = true)]
async fn what_another_replica_has_put_in_counts_from_then_on() {
    let (present, next) = (root(), root());
    let both = present.clone().join(next.clone());
    let mut reconciler = reconciler(500);
    list(&mut reconciler, trusting(&both));
    reconciler.reconcile(&Roots::Ours(present)).await;
    advance(GAP).await;
    // This replica gets to know of it, too.
    reconciler.reconcile(&Roots::Ours(both)).await;
    assert_eq!(reconciler.trusted.borrow().time_of(&next), Some(GAP));
}

#[tokio::test]
async fn a_revert_starts_the_time_of_trust_anew() {
    let wanted = root();
    let roots = Roots::Ours(wanted.clone());
    let mut reconciler = reconciler(500);
    list(&mut reconciler, trusting(&wanted));
    reconciler.reconcile(&roots).await;
    assert!(trusts(&reconciler, &wanted));
    reconciler.take(watcher::Event::Apply(trusting(&root())));
    assert_eq!(reconciler.reconcile(&roots).await, Some(GAP));
    assert!(!is_ready(&reconciler) && !trusts(&reconciler, &wanted));
}

#[tokio::test(start_paused = true)]
async fn asks_again_after_a_denial() {
    let roots = Roots::Ours(root());
    let mut reconciler = reconciler(403);
    list(&mut reconciler, configuration(&[(NAME, None)]));
    assert_eq!(reconciler.reconcile(&roots).await, Some(DENIED));
    let first = reconciler.kept["c"].denied.unwrap();
    reconciler.reconcile(&roots).await;
    assert_eq!(reconciler.kept["c"].denied, Some(first));
    advance(DENIED).await;
    reconciler.reconcile(&roots).await;
    assert!(reconciler.kept["c"].denied.unwrap() > first);
}

#[tokio::test]
async fn a_denied_configuration_that_calls_us_holds_up_the_next_ca() {
    let (present, next) = (root(), root());
    let both = present.clone().join(next.clone());
    let mut denied = trusting(&present);
    denied.metadata.name = Some("denied".to_owned());
    let mut reconciler = reconciler(403);
    for event in [
        watcher::Event::Init,
        watcher::Event::InitApply(trusting(&both)),
        watcher::Event::InitApply(denied),
        watcher::Event::InitDone,
    ] {
        reconciler.take(event);
    }
    reconciler.reconcile(&Roots::Ours(both)).await;
    assert!(!trusts(&reconciler, &next));
    // It is trusted by the present CA alone, and that is enough to go on.
    assert!(is_ready(&reconciler));
}

#[tokio::test]
async fn stays_ready_while_a_root_may_not_be_added() {
    let (present, next) = (root(), root());
    let mut reconciler = reconciler(403);
    list(&mut reconciler, trusting(&present));
    reconciler.reconcile(&Roots::Ours(present.clone())).await;
    let both = Roots::Ours(present.clone().join(next.clone()));
    reconciler.reconcile(&both).await;
    assert!(reconciler.kept["c"].denied.is_some());
    assert!(is_ready(&reconciler) && !trusts(&reconciler, &next));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_of_somebody_else_stays_so_whatever_fails() {
    let wanted = root();
    let mut foreign = Kept::new(configuration(&[(NAME, None)]));
    assert!(foreign.record_denied());
    advance(DENIED).await;
    let due = foreign.due(&wanted, STAND, OffsetDateTime::now_utc());
    assert!(matches!(due, Due::Now(_)));
    assert_eq!(foreign.record_failed(), DENIED);
    assert!(!foreign.is_ours());
    foreign.record_patched(trusting(&wanted));
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
    let mut reconciler = reconciler(500);
    list(&mut reconciler, configuration);
    assert_eq!(reconciler.reconcile(&Roots::Ours(root())).await, None);
    assert!(is_ready(&reconciler));
    assert_eq!(*reconciler.trusted.borrow(), Trusted::LeftToOthers);
}
