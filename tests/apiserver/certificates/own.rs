//! The CA and the certificate that injectors make themselves.

use std::sync::Arc;

use k8s_openapi::{ByteString, api::events::v1::Event};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{installation::Installation, load::Load};
use crate::{
    eventually,
    injector_process::{InjectorProcess, Ports},
    tls::handshake,
    turns::turn,
};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_agree_on_their_certificates() {
    let ports = [Ports::free(), Ports::free()];
    let installation = Installation::new(&ports).await;
    let mut replicas = ports.map(|ports| installation.start(ports, &[]));
    for replica in &mut replicas {
        replica.ready().await;
    }
    let bundles = installation.ca_bundles().await;
    assert_eq!(bundles[0], bundles[1]);
    let presented = [
        handshake(ports[0].webhook, &bundles[0]).await.unwrap(),
        handshake(ports[1].webhook, &bundles[0]).await.unwrap(),
    ];
    assert_eq!(presented[0], presented[1]);
    for replica in 0..2 {
        assert!(installation.admit(replica).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_somebody_reverts_is_set_again() {
    let ports = Ports::free();
    let installation = Installation::new(&[ports]).await;
    let mut injector = installation.start(ports, &[]);
    injector.ready().await;
    let ours = installation.ca_bundles().await.remove(0);
    installation.set_ca_bundle("").await;
    eventually("the bundle is ours again", async || {
        (installation.ca_bundles().await[0] == ours).then_some(())
    })
    .await;
    eventually("the API server trusts it again", async || {
        installation.admit(0).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_secret_is_put_back_as_it_was() {
    let ports = Ports::free();
    let installation = Installation::new(&[ports]).await;
    let mut injector = installation.start(ports, &[]);
    injector.ready().await;
    let before = installation.secret("ca.crt").await.unwrap();
    let (secrets, name) = installation.secrets();
    let parameters = DeleteParams::default();
    secrets.delete(&name, &parameters).await.unwrap();
    // No review may fail for it, not even in between.
    assert!(installation.admit(0).await.unwrap());
    let after = eventually("the Secret is back", async || {
        installation.secret("ca.crt").await
    })
    .await;
    assert_eq!(after, before);
    assert!(installation.admit(0).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_rotate_under_load_without_a_failed_admission() {
    let _turn = turn().await;
    let ports = [Ports::free(), Ports::free()];
    let installation = Arc::new(Installation::new(&ports).await);
    let lifetimes = [
        "--ca-lifetime",
        "36s",
        "--certificate-lifetime",
        "12s",
        "--ca-overlap",
        "4s",
    ];
    let mut replicas = ports.map(|ports| installation.start(ports, &lifetimes));
    for replica in &mut replicas {
        replica.ready().await;
    }
    let first_authority = installation.secret("ca.crt").await.unwrap();
    let load = Load::start(&installation, ports.to_vec());
    eventually(
        "another CA is in use, and the first is forgotten",
        async || {
            load.goes_on();
            let turned = installation.secret("ca.crt").await? != first_authority;
            let forgotten = !installation.ca_bundles().await[0].contains(first_authority.trim());
            (turned && forgotten).then_some(())
        },
    )
    .await;
    let (admitted, presented) = load.stop().await;
    assert!(
        presented.len() >= 3,
        "only {} certificates were seen",
        presented.len()
    );
    assert!(admitted > 100, "only {admitted} pods were admitted");
}

/// Ends a replica as if its node had failed.
fn kill(replica: InjectorProcess) {
    drop(replica);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_turns_over_though_the_injector_is_killed_in_between() {
    let _turn = turn().await;
    let ports = Ports::free();
    let installation = Installation::new(&[ports]).await;
    // Long enough to find it in each phase, also on a slow machine.
    let lifetimes = ["--ca-lifetime", "36s", "--ca-overlap", "5s"];
    let mut injector = installation.start(ports, &lifetimes);
    injector.ready().await;
    let first = installation.secret("ca.crt").await.unwrap();

    for phase in ["next-ca.crt", "old-ca.crt"] {
        eventually(phase, async || installation.secret(phase).await).await;
        kill(injector);
        injector = installation.start(ports, &lifetimes);
        injector.ready().await;
        assert!(installation.admit(0).await.unwrap(), "after {phase}");
        // It went on, and did not begin anew.
        let bundle = installation.ca_bundles().await.remove(0);
        assert!(bundle.contains(first.trim()), "after {phase}");
    }
    eventually("the first CA is forgotten", async || {
        let old = installation.secret("old-ca.crt").await;
        old.is_none().then_some(())
    })
    .await;
    assert_ne!(installation.secret("ca.crt").await.unwrap(), first);
    assert!(installation.admit(0).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_somebody_breaks_is_reported_and_the_certificate_stays() {
    let ports = Ports::free();
    let installation = Installation::new(&[ports]).await;
    let mut injector = installation.start(ports, &[]);
    injector.ready().await;
    let before = installation.secret("ca.crt").await.unwrap();
    let (secrets, name) = installation.secrets();
    let broken = json!({"data": {"tls.key": ByteString(b"no key".to_vec())}});
    secrets
        .patch(&name, &PatchParams::default(), &Patch::Merge(broken))
        .await
        .unwrap();
    eventually("it is reported", async || {
        let failures = injector.metric("pillion_certificate_reload_failures_total");
        (failures == Some(1.0)).then_some(())
    })
    .await;
    assert!(installation.admit(0).await.unwrap());
    let events: Api<Event> = Api::namespaced(installation.client.clone(), &installation.namespace);
    let note = eventually("an Event is on the Secret", async || {
        let list = events.list(&ListParams::default()).await.unwrap();
        let of_secret = |event: &Event| event.regarding.as_ref()?.name.clone();
        let found = list
            .items
            .into_iter()
            .find(|event| of_secret(event).as_ref() == Some(&name));
        found?.note
    })
    .await;
    assert!(note.contains(r#"'{"data":null}'"#), "{note}");

    // What the log and the Event say to do.
    let emptied = Patch::Merge(json!({"data": null}));
    let parameters = PatchParams::default();
    secrets.patch(&name, &parameters, &emptied).await.unwrap();
    let after = eventually("the Secret is filled again", async || {
        installation.secret("ca.crt").await
    })
    .await;
    assert_eq!(after, before);
    assert_ne!(installation.secret("tls.key").await.unwrap(), "no key");
    assert!(installation.admit(0).await.unwrap());
}

/// The chart makes one. Replicas that start at the same time fill it once.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_secret_is_filled() {
    let ports = [Ports::free(), Ports::free()];
    let installation = Installation::new(&ports).await;
    let (secrets, name) = installation.secrets();
    let labels = json!({"name": name, "labels": {"made-by": "chart"}});
    let empty = serde_json::from_value(json!({"metadata": labels})).unwrap();
    let empty = secrets
        .create(&PostParams::default(), &empty)
        .await
        .unwrap();
    let mut replicas = ports.map(|ports| installation.start(ports, &[]));
    for replica in &mut replicas {
        replica.ready().await;
    }
    let filled = secrets.get(&name).await.unwrap();
    assert_eq!(filled.metadata.uid, empty.metadata.uid);
    assert_eq!(filled.metadata.labels, empty.metadata.labels);
    for replica in 0..2 {
        assert!(installation.admit(replica).await.unwrap());
    }
}
