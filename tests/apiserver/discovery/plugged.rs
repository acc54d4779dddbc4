//! A CA that is plugged in, and turns over while the discovery service runs.

use k8s_openapi::{
    ByteString,
    api::{
        core::v1::{ConfigMap, Secret},
        events::v1::Event,
    },
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use pillion_envoy_api::{
    envoy::{
        config::core::v3::data_source::Specifier,
        extensions::transport_sockets::tls::v3::{Secret as ProxySecret, secret},
    },
    type_url,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    ads::Proxy,
    authorities::{Ca, root, under},
    installation::{Installation, SOON, Shop, plane},
};
use crate::{eventually, tls};

/// Long enough to see what is done before it, and after it.
const FLAGS: &[&str] = &["--ca-overlap", "8s"];

/// An installation that has not started, and its Secret.
struct Mesh {
    namespace: String,
    secrets: Api<Secret>,
}

impl Mesh {
    async fn new() -> Self {
        let plane = plane().await;
        let namespace = plane.namespace("plugged", crate::OPTED_OUT).await.unwrap();
        let client = plane.client().await.unwrap();
        Self {
            secrets: Api::namespaced(client, &namespace),
            namespace,
        }
    }

    async fn spawn(&self) -> Installation {
        let plane = plane().await;
        let client = plane.client().await.unwrap();
        Installation::spawn(
            client,
            self.namespace.clone(),
            plane.kubeconfig(),
            false,
            FLAGS,
        )
    }

    async fn start(&self) -> Installation {
        let discovery = self.spawn().await;
        discovery.ready().await;
        discovery
    }

    /// Plugs in a CA, with a chain as Istio's tools write it.
    async fn plug(&self, ca: &Ca, root: &Ca) {
        let files = [
            ("ca-cert.pem", ca.pem()),
            ("ca-key.pem", ca.key().serialize_pem()),
            ("cert-chain.pem", ca.pem() + &root.pem()),
            ("root-cert.pem", root.pem()),
        ];
        let data = files.map(|(name, text)| (name, json!(ByteString(text.into_bytes()))));
        let data: serde_json::Map<_, _> = data
            .map(|(name, text)| (name.to_owned(), text))
            .into_iter()
            .collect();
        self.apply(Value::Object(data)).await;
    }

    /// Empties the Secret with the own CA.
    async fn empty_own(&self) {
        let name = format!("pillion-discovery-certs-{}", self.namespace);
        let nothing = Patch::Merge(json!({"data": null}));
        let parameters = PatchParams::default();
        let emptied = self.secrets.patch(&name, &parameters, &nothing).await;
        assert_eq!(emptied.unwrap().data, None);
    }

    async fn apply(&self, data: Value) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cacerts"}, "data": data,
        });
        let parameters = PatchParams::apply("test").force();
        self.secrets
            .patch("cacerts", &parameters, &Patch::Apply(secret))
            .await
            .unwrap();
    }
}

/// Whether a client that trusts this root alone accepts what is served.
async fn serves(discovery: &Installation, root: &str) -> bool {
    tls::connect(discovery.ads, root).await.is_ok()
}

/// The certificates in the chain that is served.
async fn chain(discovery: &Installation, root: &str) -> Vec<Vec<u8>> {
    let stream = tls::connect(discovery.ads, root).await.unwrap();
    let (_, connection) = stream.get_ref();
    let chain = connection.peer_certificates().unwrap();
    chain.iter().map(|one| one.as_ref().to_vec()).collect()
}

/// The roots that a proxy has.
fn roots(proxy: &Proxy) -> Option<String> {
    let secret: ProxySecret = proxy.get(type_url::SECRET, "ROOTCA")?;
    let Some(secret::Type::ValidationContext(context)) = secret.r#type else {
        return None;
    };
    match context.trusted_ca?.specifier? {
        Specifier::InlineBytes(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugged_ca_serves_and_its_successors_do_when_they_are_trusted() {
    let mesh = Mesh::new().await;
    let (first, second) = (root(), root());
    let ca = under(&first);
    mesh.plug(&ca, &first).await;
    let discovery = mesh.start().await;
    let shop = discovery.shop().await;
    let map = discovery.root(&shop.namespace).await;
    assert_eq!(map.trim(), first.pem().trim());
    let before = chain(&discovery, &first.pem()).await;
    assert_eq!(before[1], ca.der().to_vec());

    let pod = shop.pod("client", "10.7.0.1").await;
    let mut proxy = discovery.connect(&shop, &pod).await;
    proxy
        .subscribe(type_url::SECRET, &["ROOTCA", "default"])
        .await;
    let one = |proxy: &Proxy| roots(proxy).filter(|roots| roots == &map);
    proxy.until("the root", one).await;
    assert_eq!(proxy.names(type_url::SECRET), ["ROOTCA"]);

    // A new CA of the same root is used at once.
    let renewed = under(&first);
    mesh.plug(&renewed, &first).await;
    eventually("the renewed CA serves", async || {
        let chain = chain(&discovery, &first.pem()).await;
        (chain[1] == renewed.der().to_vec()).then_some(())
    })
    .await;
    assert_eq!(discovery.root(&shop.namespace).await, map);

    // One of another root is, when that has been trusted for a while.
    let next = under(&second);
    mesh.plug(&next, &second).await;
    let both = |proxy: &Proxy| {
        let count = |roots: &String| roots.matches("BEGIN CERTIFICATE").count();
        roots(proxy).filter(|roots| count(roots) == 2)
    };
    let both = proxy.until("both roots", both).await;
    assert!(both.contains(map.trim()));
    assert!(
        serves(&discovery, &first.pem()).await,
        "not before it is trusted"
    );
    assert!(!serves(&discovery, &second.pem()).await);
    eventually("the next CA serves", async || {
        serves(&discovery, &second.pem()).await.then_some(())
    })
    .await;
    let now = discovery.root(&shop.namespace).await;
    assert!(
        now.contains(map.trim()),
        "what the first has signed is still accepted"
    );
    assert_eq!(now.matches("BEGIN CERTIFICATE").count(), 2);

    // Also after a restart, which the Secret of the roots before survives.
    drop(discovery);
    let discovery = mesh.start().await;
    assert!(serves(&discovery, &second.pem()).await);
    let pod = shop.pod("another", "10.7.0.2").await;
    let token = shop.token(&pod, "istio-ca").await;
    let connected = Proxy::connect(discovery.ads, &second.pem(), Some(&token)).await;
    let mut proxy = connected.unwrap();
    proxy.subscribe(type_url::SECRET, &["ROOTCA"]).await;
    let both = proxy.until("the roots", roots).await;
    assert!(both.contains(map.trim()));
    assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_secret_keeps_the_last_good_ca() {
    let mesh = Mesh::new().await;
    let first = root();
    mesh.plug(&under(&first), &first).await;
    let discovery = mesh.start().await;
    let before = chain(&discovery, &first.pem()).await;

    let stranger = root();
    mesh.plug(&under(&first), &stranger).await;
    let events: Api<Event> = Api::namespaced(discovery.client.clone(), &mesh.namespace);
    eventually("an Event", async || {
        let events = events.list(&ListParams::default()).await.unwrap().items;
        let mut notes = events.into_iter().filter_map(|event| event.note);
        notes.find(|note| note.contains("root-cert.pem") && note.contains("last good"))
    })
    .await;
    let metrics = discovery.get("/metrics").unwrap();
    let failures = "pillion_certificate_reload_failures_total 1";
    assert!(metrics.contains(failures), "{metrics}");
    assert_eq!(chain(&discovery, &first.pem()).await, before);

    // Nor is it missed when the Secret is deleted.
    let parameters = DeleteParams::default();
    mesh.secrets.delete("cacerts", &parameters).await.unwrap();
    sleep(SOON).await;
    assert_eq!(chain(&discovery, &first.pem()).await, before);
    let renewed = under(&first);
    mesh.plug(&renewed, &first).await;
    eventually("a good one is used", async || {
        let chain = chain(&discovery, &first.pem()).await;
        (chain[1] == renewed.der().to_vec()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_takes_the_place_of_the_own_one() {
    let mesh = Mesh::new().await;
    let discovery = mesh.start().await;
    let own = discovery.root("default").await;
    let first = root();
    mesh.plug(&under(&first), &first).await;
    eventually("the plugged CA serves", async || {
        if !serves(&discovery, &first.pem()).await {
            return None;
        }
        let roots = discovery.root("default").await;
        assert!(
            roots.contains(first.pem().trim()),
            "not before it is trusted"
        );
        Some(())
    })
    .await;
    assert!(discovery.root("default").await.contains(own.trim()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_was_never_good_is_waited_for() {
    let mesh = Mesh::new().await;
    mesh.apply(json!({"ca-cert.pem": ByteString(b"x".to_vec())}))
        .await;
    let discovery = mesh.spawn().await;
    eventually("it says so", async || {
        let answer = discovery.get("/readyz")?;
        answer.contains("mesh's CA").then_some(())
    })
    .await;
    sleep(SOON).await;
    let own = mesh.secrets.list(&ListParams::default()).await.unwrap();
    assert_eq!(own.items.len(), 1, "no CA was made in its place");
    let first = root();
    mesh.plug(&under(&first), &first).await;
    discovery.ready().await;
    assert!(serves(&discovery, &first.pem()).await);
}

/// Otherwise a restart of one replica would make all of them sign with a CA that nobody trusts yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_starts_in_the_overlap_waits_for_its_end() {
    let mesh = Mesh::new().await;
    let (first, second) = (root(), root());
    mesh.plug(&under(&first), &first).await;
    drop(mesh.start().await);
    mesh.plug(&under(&second), &second).await;
    let discovery = mesh.spawn().await;
    let both = async || {
        let roots = discovery.root("default").await;
        let mut both = [&first, &second].into_iter();
        both.all(|root| roots.contains(root.pem().trim()))
            .then_some(())
    };
    eventually("both roots are published", &both).await;
    sleep(SOON).await;
    let answer = discovery.get("/readyz").unwrap();
    assert!(answer.contains("--ca-overlap"), "{answer}");
    discovery.ready().await;
    assert!(serves(&discovery, &second.pem()).await);
    assert!(
        both().await.is_some(),
        "what the first has signed is still accepted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_starts_while_the_secret_is_gone_brings_no_own_ca() {
    let mesh = Mesh::new().await;
    let first = root();
    let ca = under(&first);
    mesh.plug(&ca, &first).await;
    drop(mesh.start().await);
    let parameters = DeleteParams::default();
    mesh.secrets.delete("cacerts", &parameters).await.unwrap();
    let discovery = mesh.spawn().await;
    eventually(
        "the own root is published beside the one in force",
        async || {
            let roots = discovery.root("default").await;
            let count = roots.matches("BEGIN CERTIFICATE").count();
            (count == 2 && roots.contains(first.pem().trim())).then_some(())
        },
    )
    .await;
    let answer = discovery.get("/readyz").unwrap();
    assert!(answer.contains("--ca-overlap"), "{answer}");
    mesh.plug(&ca, &first).await;
    discovery.ready().await;
    assert_eq!(chain(&discovery, &first.pem()).await[1], ca.der().to_vec());
}

/// What `docs/identity.md` says to do when the key of the own CA was stolen.
#[tokio::test(flavor = "multi_thread")]
async fn the_own_ca_is_made_anew_while_another_is_plugged_in() {
    let mesh = Mesh::new().await;
    let discovery = mesh.start().await;
    let stolen = discovery.root("default").await;
    let first = root();
    mesh.plug(&under(&first), &first).await;
    eventually("the plugged CA serves", async || {
        serves(&discovery, &first.pem()).await.then_some(())
    })
    .await;
    drop(discovery);
    mesh.empty_own().await;
    let discovery = mesh.start().await;
    assert!(serves(&discovery, &first.pem()).await);
    let parameters = DeleteParams::default();
    mesh.secrets.delete("cacerts", &parameters).await.unwrap();
    eventually("another own root is published", async || {
        let roots = discovery.root("default").await;
        let count = roots.matches("BEGIN CERTIFICATE").count();
        let is_new = roots.contains(first.pem().trim()) && !roots.contains(stolen.trim());
        (count == 2 && is_new).then_some(())
    })
    .await;
}

/// Whether there is an Event of this reason in a namespace.
async fn is_told(shop: &Shop, reason: &str) -> Option<()> {
    let events = shop.api::<Event>();
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let mut reasons = events.into_iter().filter_map(|event| event.reason);
    reasons.any(|one| one == reason).then_some(())
}

/// Whoever may write ConfigMaps of one namespace does not decide when the mesh's CA changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_whose_map_is_edited_or_immutable_holds_nothing_up() {
    let mesh = Mesh::new().await;
    let discovery = mesh.start().await;
    let (editing, frozen) = (discovery.shop().await, discovery.shop().await);
    let name = discovery.root_map();
    let edit = async |shop: &Shop, change: Value| {
        discovery.root(&shop.namespace).await;
        let maps = shop.api::<ConfigMap>();
        let parameters = PatchParams::default();
        maps.patch(&name, &parameters, &Patch::Merge(change)).await
    };
    edit(&frozen, json!({"immutable": true})).await.unwrap();
    let first = root();
    mesh.plug(&under(&first), &first).await;
    eventually("the plugged CA serves", async || {
        // It may be written at this moment.
        let _ = edit(&editing, json!({"data": {"root-cert.pem": ""}})).await;
        serves(&discovery, &first.pem()).await.then_some(())
    })
    .await;
    for (shop, reason) in [(editing, "RootReverted"), (frozen, "RootRefused")] {
        eventually(reason, async || is_told(&shop, reason).await).await;
    }
}
