//! The webhook that reviews rules.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{Api, api::PostParams};
use serde_json::json;

use super::installation::Installation;
use crate::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_rule_that_cannot_work() {
    let discovery = Installation::new().await;
    let shop = discovery.shop().await;
    let configuration = serde_json::from_value(json!({
        "metadata": {"name": discovery.namespace, "labels": {"istio.io/rev": discovery.namespace}},
        "webhooks": [{
            "name": "rev.validation.istio.io",
            "clientConfig": {"url": format!("https://{}/validate", discovery.webhook)},
            "rules": [{"apiGroups": ["networking.istio.io", "telemetry.istio.io", "security.istio.io"], "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE"], "resources": ["*"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
        }],
    }))
    .unwrap();
    let api: Api<ValidatingWebhookConfiguration> = Api::all(discovery.client.clone());
    api.create(&PostParams::default(), &configuration)
        .await
        .unwrap();
    let rule = |host: &str| json!({"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": host}}]}]});
    eventually("the API server trusts the webhook", async || {
        shop.rule("VirtualService", "good", rule("reviews"))
            .await
            .ok()
    })
    .await;
    let refused = shop
        .rule("VirtualService", "bad", rule(""))
        .await
        .unwrap_err();
    let begin = format!("VirtualService {}/bad: spec.http[0]", shop.namespace);
    assert!(refused.to_string().contains(&begin), "{refused}");
    let refused = shop
        .rule(
            "Telemetry",
            "bad",
            json!({"tracing": [{"providers": [{}]}]}),
        )
        .await
        .unwrap_err();
    let begin = format!(
        "Telemetry {}/bad: spec.tracing[0].providers[0]",
        shop.namespace
    );
    assert!(refused.to_string().contains(&begin), "{refused}");
    let refused = shop
        .rule(
            "PeerAuthentication",
            "bad",
            json!({"mtls": {"mode": "STRICT"}, "portLevelMtls": {"80": {"mode": "DISABLE"}}}),
        )
        .await
        .unwrap_err();
    let begin = format!(
        "PeerAuthentication {}/bad: spec.portLevelMtls: is only for chosen pods",
        shop.namespace
    );
    assert!(refused.to_string().contains(&begin), "{refused}");
}
