//! Whether an injector answers behind a webhook's Service.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client, api::ListParams};

use super::injector_webhooks::{InjectorWebhook, Service};
use crate::error_chain;

/// The label of an EndpointSlice that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What is known of the pods behind the webhooks' Services.
pub(super) struct InjectorPods(BTreeMap<Service, Result<bool, String>>);

impl InjectorPods {
    /// Looks behind the Services of these webhooks.
    pub async fn of(client: &Client, webhooks: &[InjectorWebhook]) -> Self {
        let services = webhooks.iter().filter_map(InjectorWebhook::service);
        // Most webhooks have one in common.
        let services: BTreeSet<_> = services.collect();
        let mut known = BTreeMap::new();
        for service in services {
            let is_ready = is_ready(client, &service).await;
            known.insert(service, is_ready.map_err(|error| error_chain(&error)));
        }
        Self(known)
    }

    /// The Service of a webhook behind which no injector is ready. Of a webhook that is called
    /// by a URL, nothing is known.
    pub fn missing(&self, webhook: &InjectorWebhook) -> Option<Service> {
        let service = webhook.service()?;
        (self.0.get(&service)? == &Ok(false)).then_some(service)
    }

    /// Why something is not known.
    pub fn unknown(&self) -> Vec<String> {
        let unknown = self.0.iter().filter_map(|(service, is_ready)| {
            let error = is_ready.as_ref().err()?;
            Some(format!(
                "whether an injector is ready behind the Service {service} is unknown: cannot list its EndpointSlices: {error}"
            ))
        });
        unknown.collect()
    }
}

async fn is_ready(client: &Client, service: &Service) -> kube::Result<bool> {
    let api: Api<EndpointSlice> = Api::namespaced(client.clone(), &service.namespace);
    let of_service = format!("{SERVICE_NAME}={}", service.name);
    let slices = api.list(&ListParams::default().labels(&of_service)).await?;
    Ok(slices.items.iter().any(has_ready_endpoint))
}

/// An endpoint of which nothing is said counts as ready, as for kube-proxy.
fn has_ready_endpoint(slice: &EndpointSlice) -> bool {
    let mut endpoints = slice.endpoints.iter().flatten();
    endpoints.any(|endpoint| {
        let conditions = endpoint.conditions.as_ref();
        let ready = conditions.and_then(|conditions| conditions.ready);
        ready.unwrap_or(true)
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions};

    use super::*;

    fn endpoint(ready: Option<bool>) -> Endpoint {
        let conditions = EndpointConditions {
            ready,
            ..EndpointConditions::default()
        };
        Endpoint {
            conditions: Some(conditions),
            ..Endpoint::default()
        }
    }

    #[test]
    fn one_endpoint_that_is_not_unready_is_enough() {
        let slice = |ready: &[Option<bool>]| EndpointSlice {
            endpoints: Some(ready.iter().copied().map(endpoint).collect()),
            ..EndpointSlice::default()
        };
        assert!(has_ready_endpoint(&slice(&[Some(false), Some(true)])));
        assert!(has_ready_endpoint(&slice(&[None])));
        assert!(!has_ready_endpoint(&slice(&[Some(false)])));
        assert!(!has_ready_endpoint(&slice(&[])));
    }
}
