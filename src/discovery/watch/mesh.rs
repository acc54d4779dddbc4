//! Watches the ConfigMap with the mesh's configuration.
//!
//! An invalid configuration is reported in the log and by an Event, and the last good one stays in
//! force. Before the first good one, nothing is rendered and no identity is issued. Without a
//! ConfigMap, the defaults hold, as with Istio. If a ConfigMap is deleted, the trust domain and its
//! aliases stay: workloads would not accept certificates of another trust domain.

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, Resource};
use tokio::sync::{mpsc, watch};

use super::synced::Synced;
use crate::{
    cluster::watch_object,
    discovery::{
        convert::mesh::{Defaults, Mesh},
        report::{Report, Reports},
        update::Update,
    },
    error_chain,
};

/// The key of the ConfigMap.
const KEY: &str = "mesh";

/// Where the configuration is, and what else says something about the mesh.
#[derive(Debug)]
pub(in crate::discovery) struct Settings {
    /// The namespace of the ConfigMap.
    pub namespace: String,
    /// The ConfigMap's name.
    pub name: String,
    /// What the flags say.
    pub defaults: Defaults,
    /// Who issues identities is told of the trust domain.
    pub trust_domain: watch::Sender<Option<Arc<str>>>,
}

/// Follows the ConfigMap until the receiver is gone. Says that it is known once there is a good
/// configuration.
pub(super) async fn follow(
    client: Client,
    settings: Settings,
    updates: mpsc::Sender<Update>,
    reports: Reports,
    mut synced: Synced,
) {
    let api: Api<ConfigMap> = Api::namespaced(client, &settings.namespace);
    let mut changes = watch_object(api, &settings.name);
    let mut follower = Follower {
        settings,
        reports,
        last: None,
    };
    while let Some(change) = changes.next().await {
        let map = match change {
            Ok(map) => map,
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "the watch of the mesh configuration failed; watching again"
                );
                continue;
            }
        };
        let Some(mesh) = follower.take(map.as_ref()) else {
            continue;
        };
        if updates.send(Update::Mesh(Box::new(mesh))).await.is_err() {
            return;
        }
        synced.set(&updates).await;
    }
}

struct Follower {
    settings: Settings,
    reports: Reports,
    /// The last configuration that was good.
    last: Option<Mesh>,
}

impl Follower {
    /// Takes the ConfigMap as it is now. Returns the configuration that holds from now on; `None` if it is invalid,
    /// which is reported.
    fn take(&mut self, map: Option<&ConfigMap>) -> Option<Mesh> {
        let text = map.and_then(|map| map.data.as_ref()?.get(KEY));
        let mesh = match (map, text) {
            (Some(map), Some(text)) => self.read(map, text)?,
            _ => self.without_one(),
        };
        self.last = Some(mesh.clone());
        let domain = &mesh.model.trust_domain;
        self.settings.trust_domain.send_if_modified(|before| {
            let differs = before.as_ref() != Some(domain);
            *before = Some(Arc::clone(domain));
            differs
        });
        Some(mesh)
    }

    /// The configuration without a ConfigMap.
    fn without_one(&self) -> Mesh {
        let Settings {
            namespace,
            name,
            defaults,
            ..
        } = &self.settings;
        let mut mesh = Mesh::default_of(defaults);
        let Some(last) = &self.last else {
            tracing::warn!(
                name,
                namespace,
                "there is no ConfigMap with the mesh configuration, or its key mesh is missing; the defaults hold"
            );
            return mesh;
        };
        mesh.model.trust_domain = Arc::clone(&last.model.trust_domain);
        mesh.model
            .trust_domain_aliases
            .clone_from(&last.model.trust_domain_aliases);
        tracing::warn!(
            name,
            namespace,
            trust_domain = &*mesh.model.trust_domain,
            "the ConfigMap with the mesh configuration is gone, or its key mesh; the defaults hold, but the trust domain and \
             its aliases stay until this process ends"
        );
        mesh
    }

    /// Reads a configuration; `None` if it is invalid, which is reported.
    fn read(&self, map: &ConfigMap, text: &str) -> Option<Mesh> {
        let name = &self.settings.name;
        match Mesh::parse(text, &self.settings.defaults) {
            Ok(mesh) => {
                let remarks = mesh.remarks().join("; ");
                if !remarks.is_empty() {
                    tracing::warn!(
                        name,
                        remarks,
                        "the mesh configuration has settings that have no effect"
                    );
                    self.reports.send(Report {
                        reference: map.object_ref(&()),
                        reason: "IncompleteConfiguration",
                        action: "Validate",
                        note: remarks,
                    });
                }
                Some(mesh)
            }
            Err(faults) => {
                let faults = faults.join("; ");
                let stays = match &self.last {
                    Some(_) => "the last good configuration stays in force",
                    None => "this replica is not ready until it is corrected",
                };
                tracing::error!(name, faults, "the mesh configuration is invalid; {stays}");
                self.reports.send(Report {
                    reference: map.object_ref(&()),
                    reason: "InvalidConfiguration",
                    action: "Validate",
                    note: format!("{stays}: {faults}"),
                });
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        discovery::metrics::Metrics,
        model::{LoadBalancer, OutboundPolicy},
    };

    const SHOP: &str = "trustDomain: shop.example\ntrustDomainAliases: [old.example]\n\
                        outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n";
    const INVALID: &str = "trustDomain: shop.example\nconnectTimeout: soon\n";

    fn map(text: &str) -> ConfigMap {
        ConfigMap {
            data: Some(BTreeMap::from([(KEY.to_owned(), text.to_owned())])),
            ..ConfigMap::default()
        }
    }

    /// A follower, and who issues identities.
    fn follower() -> (Follower, watch::Receiver<Option<Arc<str>>>) {
        let (trust_domain, issuer) = watch::channel(None);
        let defaults = Defaults {
            domain: "cluster.local".into(),
            namespace: "istio-system".into(),
            load_balancer: LoadBalancer::LeastRequest,
            mutual_tls: true,
            trust_domain: None,
        };
        let follower = Follower {
            settings: Settings {
                namespace: "istio-system".to_owned(),
                name: "istio".to_owned(),
                defaults,
                trust_domain,
            },
            reports: Reports::unpublished(Arc::<Metrics>::default()),
            last: None,
        };
        (follower, issuer)
    }

    fn domain(issuer: &watch::Receiver<Option<Arc<str>>>) -> Option<String> {
        issuer.borrow().as_deref().map(ToOwned::to_owned)
    }

    /// Otherwise a replica that starts with a typing error would issue identities of `cluster.local` in a mesh with another
    /// trust domain.
    #[test]
    fn there_is_no_trust_domain_before_a_good_configuration() {
        let (mut follower, issuer) = follower();
        assert!(follower.take(Some(&map(INVALID))).is_none());
        assert_eq!(domain(&issuer), None);
        let mesh = follower.take(Some(&map(SHOP))).unwrap();
        assert_eq!(&*mesh.model.trust_domain, "shop.example");
        assert_eq!(domain(&issuer).as_deref(), Some("shop.example"));
    }

    #[test]
    fn without_a_configuration_the_defaults_hold() {
        let without_key = ConfigMap::default();
        for none in [None, Some(&without_key)] {
            let (mut follower, issuer) = follower();
            let mesh = follower.take(none).unwrap();
            assert_eq!(mesh, Mesh::default_of(&follower.settings.defaults));
            assert_eq!(domain(&issuer).as_deref(), Some("cluster.local"));
        }
    }

    #[test]
    fn the_trust_domain_and_its_aliases_outlive_their_config_map() {
        let (mut follower, issuer) = follower();
        let before = follower.take(Some(&map(SHOP))).unwrap();
        assert_eq!(before.model.outbound, OutboundPolicy::RegistryOnly);
        let without_key = ConfigMap::default();
        for none in [None, Some(&without_key)] {
            let mesh = follower.take(none).unwrap();
            let trusted = |mesh: &Mesh| mesh.model.trust_domains().cloned().collect::<Vec<_>>();
            assert_eq!(trusted(&mesh), trusted(&before));
            assert_eq!(mesh.model.outbound, OutboundPolicy::AllowAny);
            assert_eq!(domain(&issuer).as_deref(), Some("shop.example"));
        }
        // A trust domain that is set explicitly is meant to replace it.
        follower.take(Some(&map("trustDomain: ''"))).unwrap();
        assert_eq!(domain(&issuer).as_deref(), Some("cluster.local"));
    }

    #[test]
    fn the_last_good_configuration_stays_in_force() {
        let (mut follower, issuer) = follower();
        follower.take(Some(&map(SHOP))).unwrap();
        assert!(follower.take(Some(&map(INVALID))).is_none());
        assert_eq!(domain(&issuer).as_deref(), Some("shop.example"));
        let mesh = follower.take(None).unwrap();
        assert_eq!(&*mesh.model.trust_domain, "shop.example");
    }
}
