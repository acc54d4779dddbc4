//! What the injector's service account may do, as the API server sees it.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};
use pillion_envtest::ControlPlane;

use super::helm::install;

/// Asks the API server whether a request would be allowed.
struct Account {
    reviews: Api<SubjectAccessReview>,
    namespace: String,
    name: &'static str,
}

impl Account {
    fn new(client: Client, namespace: &str, name: &'static str) -> Self {
        Self {
            reviews: Api::all(client),
            namespace: namespace.to_owned(),
            name,
        }
    }

    /// `request` is `VERB GROUP/RESOURCE[/NAME] [NAMESPACE]`; `-` is the core group, and `.` stands
    /// for the installation's namespace.
    async fn may(&self, request: &str) -> bool {
        let words: Vec<_> = request.split(' ').collect();
        let path: Vec<_> = words[1].split('/').collect();
        let namespace = words.get(2).map(|namespace| match *namespace {
            "." => self.namespace.clone(),
            other => other.to_owned(),
        });
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!(
                    "system:serviceaccount:{}:{}",
                    self.namespace, self.name
                )),
                groups: Some(vec![
                    "system:serviceaccounts".into(),
                    "system:authenticated".into(),
                ]),
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(words[0].into()),
                    group: Some(path[0].trim_start_matches('-').into()),
                    resource: Some(path[1].into()),
                    name: path.get(2).map(|name| (*name).into()),
                    namespace,
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = self.reviews.create(&PostParams::default(), &review).await;
        answer.unwrap().status.unwrap().allowed
    }
}

#[tokio::test]
async fn the_injector_has_the_rights_it_needs_and_no_more() {
    let plane = ControlPlane::shared().await.unwrap();
    let namespace = plane.namespace("chart", &[]).await.unwrap();
    install(
        plane,
        &namespace,
        "revision=rights,revisionTags={rights-tag}",
    )
    .await;
    let client = plane.client().await.unwrap();
    let account = Account::new(client, &namespace, "pillion-injector-rights");

    let configuration = format!("istio-sidecar-injector-rights-{namespace}");
    let tag = format!("istio-revision-tag-rights-tag-{namespace}");
    let mut needed = vec![
        "list admissionregistration.k8s.io/mutatingwebhookconfigurations".to_owned(),
        "watch admissionregistration.k8s.io/mutatingwebhookconfigurations".to_owned(),
        format!("patch admissionregistration.k8s.io/mutatingwebhookconfigurations/{configuration}"),
        format!("patch admissionregistration.k8s.io/mutatingwebhookconfigurations/{tag}"),
        "list -/nodes".to_owned(),
        "create events.k8s.io/events .".to_owned(),
        "patch events.k8s.io/events/one .".to_owned(),
    ];
    for verb in ["get", "list", "watch"] {
        needed.push(format!(
            "{verb} -/configmaps/istio-sidecar-injector-rights ."
        ));
        needed.push(format!("{verb} -/configmaps/istio-rights ."));
    }
    for verb in ["get", "list", "watch", "update", "patch"] {
        needed.push(format!("{verb} -/secrets/pillion-injector-certs-rights ."));
    }
    for verb in ["get", "update", "patch"] {
        needed.push(format!(
            "{verb} coordination.k8s.io/leases/pillion-injector-certs-rights ."
        ));
    }
    for request in &needed {
        assert!(account.may(request).await, "{request}");
    }

    for request in [
        "get -/secrets/other .",
        "list -/secrets .",
        "watch -/secrets .",
        "update -/secrets/other .",
        "delete -/secrets/pillion-injector-certs-rights .",
        "get -/secrets/pillion-injector-certs-rights default",
        "create -/secrets default",
        "create -/secrets .",
        "create -/secrets/pillion-injector-certs-rights .",
        "create coordination.k8s.io/leases .",
        "list -/secrets",
        "list -/configmaps .",
        "get -/configmaps/other .",
        "update -/configmaps/istio-rights .",
        "get -/configmaps/istio-rights kube-system",
        "update coordination.k8s.io/leases/other .",
        "create events.k8s.io/events default",
        "patch admissionregistration.k8s.io/mutatingwebhookconfigurations/other",
        "create admissionregistration.k8s.io/mutatingwebhookconfigurations",
        "delete admissionregistration.k8s.io/mutatingwebhookconfigurations/other",
        "list admissionregistration.k8s.io/validatingwebhookconfigurations",
        "get -/nodes/one",
        "patch -/nodes/one",
        "list -/pods",
        "list -/pods .",
        "create -/pods .",
        "create -/serviceaccounts/token .",
        "list -/namespaces",
        "impersonate -/users/admin",
        "create rbac.authorization.k8s.io/rolebindings .",
    ] {
        assert!(!account.may(request).await, "{request}");
    }
}

#[tokio::test]
async fn discovery_has_the_rights_it_needs_and_no_more() {
    let plane = ControlPlane::shared().await.unwrap();
    let namespace = plane.namespace("chart", &[]).await.unwrap();
    install(plane, &namespace, "revision=seen").await;
    let client = plane.client().await.unwrap();
    let account = Account::new(client, &namespace, "pillion-discovery-seen");
    let webhooks = "admissionregistration.k8s.io/validatingwebhookconfigurations";
    let mut needed = vec![
        "get -/configmaps/istio-seen .".to_owned(),
        "update -/configmaps/istio-ca-root-cert-seen default".to_owned(),
        "create -/configmaps default".to_owned(),
        "update -/secrets/pillion-discovery-certs-seen .".to_owned(),
        "watch -/secrets/cacerts .".to_owned(),
        "update coordination.k8s.io/leases/pillion-discovery-certs-seen .".to_owned(),
        "create authentication.k8s.io/tokenreviews".to_owned(),
        "create events.k8s.io/events default".to_owned(),
        format!("patch {webhooks}/istio-validator-seen-{namespace}"),
    ];
    for resource in [
        "-/services",
        "-/pods",
        "-/namespaces",
        "-/nodes",
        "discovery.k8s.io/endpointslices",
        "networking.istio.io/virtualservices",
        "networking.istio.io/destinationrules",
        "networking.istio.io/gateways",
        "networking.istio.io/serviceentries",
        "telemetry.istio.io/telemetries",
        "security.istio.io/peerauthentications",
        webhooks,
    ] {
        needed.push(format!("list {resource}"));
        needed.push(format!("watch {resource}"));
    }
    for request in &needed {
        assert!(account.may(request).await, "{request}");
    }
    for request in [
        "get -/secrets/other .",
        "list -/secrets .",
        "create -/secrets .",
        "get -/secrets/pillion-injector-certs-seen .",
        "get -/secrets/pillion-discovery-certs-seen default",
        "update -/secrets/cacerts .",
        "get -/secrets/cacerts default",
        "list -/configmaps",
        "get -/configmaps/other default",
        "update -/configmaps/istio-seen .",
        "update -/configmaps/other default",
        "delete -/configmaps/istio-ca-root-cert-seen default",
        "create -/pods .",
        "patch -/pods .",
        "create -/serviceaccounts/token .",
        "patch networking.istio.io/virtualservices default",
        "patch admissionregistration.k8s.io/validatingwebhookconfigurations/other",
        "patch admissionregistration.k8s.io/mutatingwebhookconfigurations/other",
        "create admissionregistration.k8s.io/validatingwebhookconfigurations",
        "impersonate -/users/admin",
    ] {
        assert!(!account.may(request).await, "{request}");
    }
}
