//! The two kinds of webhook configurations.

use std::fmt::Debug;

use k8s_openapi::{
    ClusterResourceScope,
    api::admissionregistration::v1::{
        MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
    },
};
use kube::Resource;
use serde::de::DeserializeOwned;

/// A kind of webhook configurations.
pub(crate) trait Kind:
    Resource<DynamicType = (), Scope = ClusterResourceScope>
    + Clone
    + DeserializeOwned
    + Debug
    + Send
    + 'static
{
    /// The end of the names of the role's webhooks.
    const SUFFIX: &'static str;

    /// The webhooks' names, and how they are called.
    fn webhooks(&self) -> impl Iterator<Item = (&str, &WebhookClientConfig)>;
}

/// The injector's.
impl Kind for MutatingWebhookConfiguration {
    const SUFFIX: &'static str = "sidecar-injector.istio.io";

    fn webhooks(&self) -> impl Iterator<Item = (&str, &WebhookClientConfig)> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks.map(|webhook| (webhook.name.as_str(), &webhook.client_config))
    }
}

/// The discovery service's, which validates rules.
impl Kind for ValidatingWebhookConfiguration {
    const SUFFIX: &'static str = "validation.istio.io";

    fn webhooks(&self) -> impl Iterator<Item = (&str, &WebhookClientConfig)> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks.map(|webhook| (webhook.name.as_str(), &webhook.client_config))
    }
}
