//! The CA and the certificate that injectors make themselves.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

use crate::{eventually, injector_process::Ports, installation::Installation, tls::handshake};

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
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(installation.client.clone(), &installation.namespace);
    let name = format!("pillion-injector-certs-{}", installation.namespace);
    secrets
        .delete(&name, &kube::api::DeleteParams::default())
        .await
        .unwrap();
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
    let stop = Arc::new(AtomicBool::new(false));
    let admitted = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..2)
        .map(|replica| {
            let (installation, stop, admitted) =
                (installation.clone(), stop.clone(), admitted.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match installation.admit(replica).await {
                        Ok(injected) => assert!(injected),
                        Err(error) => panic!("replica {replica}: an admission failed: {error}"),
                    }
                    admitted.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // API servers keep their connections; these come anew, with the bundle of now.
    let handshakes = {
        let (installation, stop) = (installation.clone(), stop.clone());
        tokio::spawn(async move {
            let mut presented = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                let bundles = installation.ca_bundles().await;
                for ports in ports {
                    match handshake(ports.webhook, &bundles[0]).await {
                        Ok(certificate) => presented.insert(certificate.to_vec()),
                        Err(error) => panic!("{}: a handshake failed: {error:#}", ports.webhook),
                    };
                }
                sleep(Duration::from_millis(50)).await;
            }
            presented
        })
    };
    eventually(
        "another CA is in use, and the first is forgotten",
        async || {
            assert!(
                !load.iter().any(tokio::task::JoinHandle::is_finished),
                "the load ended"
            );
            assert!(!handshakes.is_finished(), "the handshakes ended");
            let turned = installation.secret("ca.crt").await? != first_authority;
            let forgotten = !installation.ca_bundles().await[0].contains(first_authority.trim());
            (turned && forgotten).then_some(())
        },
    )
    .await;
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    let presented = handshakes.await.unwrap();
    assert!(
        presented.len() >= 3,
        "only {} certificates were seen",
        presented.len()
    );
    assert!(admitted.load(Ordering::Relaxed) > 100);
}
