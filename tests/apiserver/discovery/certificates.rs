//! Certificates of workloads: who gets which, and who gets none.

use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use pillion_certs::{Authority, Issuer, SpiffeId};
use rcgen::KeyPair;
use serde_json::json;
use time::{Duration, OffsetDateTime};
use tokio::time::sleep;
use tonic::Code;

use super::{
    ask::{Asker, WEAK, with_foreign_names},
    forged,
    installation::{Installation, SOON, Shop, plane},
};

/// What tokens for the CA are for.
const AUDIENCE: &str = "istio-ca";

/// A pod of an account, both of which are made.
async fn pod_of(shop: &Shop, account: &str) -> Pod {
    let accounts = shop.api::<ServiceAccount>();
    let made = serde_json::from_value(json!({"metadata": {"name": account}}));
    let parameters = PostParams::default();
    accounts.create(&parameters, &made.unwrap()).await.unwrap();
    let pod = serde_json::from_value(json!({
        "metadata": {"name": account},
        "spec": {"serviceAccountName": account, "nodeName": "nowhere",
                 "containers": [{"name": "app", "image": "app:1"}]},
    }));
    let pods = shop.api::<Pod>();
    pods.create(&parameters, &pod.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_gets_the_certificate_of_its_account_and_no_other() {
    let discovery = Installation::new().await;
    let shop = discovery.shop().await;
    let pod = pod_of(&shop, "web").await;
    let token = shop.token_of("web", Some(&pod), AUDIENCE).await;
    let roots = discovery.root(&shop.namespace).await;
    let asker = Asker {
        address: discovery.ads,
        roots: &roots,
        token: Some(&token),
        identity: None,
    };
    // Its request and its metadata name somebody else.
    let first = asker.certificate().await.unwrap();
    let id = format!("spiffe://cluster.local/ns/{}/sa/web", shop.namespace);
    assert_eq!(first.id("cluster.local"), id);
    assert_eq!(first.names(), [""; 0]);
    assert_eq!(first.roots().trim(), roots.trim());

    // The certificate is as good as the token, while the account has a pod.
    let pods = shop.api::<Pod>();
    let running = json!({"status": {"phase": "Running", "podIP": "10.7.0.9", "podIPs": [{"ip": "10.7.0.9"}]}});
    let (parameters, running) = (PatchParams::default(), Patch::Merge(running));
    pods.patch_status("web", &parameters, &running)
        .await
        .unwrap();
    // The watch learns of it a little later.
    sleep(SOON).await;
    let (own, key) = (first.own(), first.key.serialize_pem());
    let by_certificate = Asker {
        token: None,
        identity: Some((&own, &key)),
        ..asker
    };
    let second = by_certificate.certificate().await.unwrap();
    assert_eq!(second.id("cluster.local"), id);
    let refused = async |asker: Asker<'_>| asker.certificate().await.err().unwrap();
    // It is not asked while the token is refused.
    let garbage = Asker {
        token: Some("x.y.z"),
        ..by_certificate
    };
    assert_eq!(refused(garbage).await.code(), Code::Unauthenticated);

    // A stranger's certificate with this identity.
    let (now, day) = (OffsetDateTime::now_utc(), Duration::DAY);
    let stranger = Authority::generate("stranger", now, day).unwrap();
    let issuer = Issuer::from_pem(stranger.certificate(), stranger.key()).unwrap();
    let key = KeyPair::generate().unwrap();
    let request = pillion_certs::CertificateRequest::from_pem(&with_foreign_names(&key));
    let id = SpiffeId::new("cluster.local", &shop.namespace, "web").unwrap();
    let issued = issuer.issue(&request.unwrap(), &id, now, day).unwrap();
    let (chain, key) = (issued.chain.concat(), key.serialize_pem());
    let strange = Asker {
        identity: Some((&chain, &key)),
        ..by_certificate
    };
    assert_eq!(refused(strange).await.code(), Code::Unauthenticated);

    let at_once = DeleteParams::default().grace_period(0);
    pods.delete("web", &at_once).await.unwrap();
    sleep(SOON).await;
    let gone = refused(by_certificate).await;
    assert_eq!(gone.code(), Code::Unauthenticated);
    assert!(gone.message().contains("no pod"), "{gone:?}");

    let metrics = discovery.get("/metrics").unwrap();
    for line in [
        "pillion_discovery_certificates_issued_total{proof=\"token\"} 1",
        "pillion_discovery_certificates_issued_total{proof=\"certificate\"} 1",
        "pillion_discovery_certificates_refused_total{reason=\"token\"} 1",
        "pillion_discovery_certificates_refused_total{reason=\"certificate\"} 2",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_pod_gets_none() {
    let discovery = Installation::new().await;
    let shop = discovery.shop().await;
    let (web, doomed) = (pod_of(&shop, "web").await, pod_of(&shop, "doomed").await);
    let roots = discovery.root(&shop.namespace).await;
    let valid = shop.token_of("web", Some(&web), AUDIENCE).await;
    let of_deleted = shop.token_of("doomed", Some(&doomed), AUDIENCE).await;
    let accounts = shop.api::<ServiceAccount>();
    let parameters = DeleteParams::default();
    accounts.delete("doomed", &parameters).await.unwrap();
    // The API server itself may learn of it a little later.
    sleep(SOON).await;
    let tokens = [
        ("none", None),
        ("garbage", Some("x.y.z".to_owned())),
        (
            "another audience",
            Some(shop.token_of("web", Some(&web), "other").await),
        ),
        (
            "bound to no pod",
            Some(shop.token_of("web", None, AUDIENCE).await),
        ),
        ("of a deleted account", Some(of_deleted)),
        ("expired", Some(forged::expired(plane().await, &valid))),
        ("of another signer", Some(forged::by_another(&valid))),
    ];
    for (what, token) in &tokens {
        let asker = Asker {
            address: discovery.ads,
            roots: &roots,
            token: token.as_deref(),
            identity: None,
        };
        let refused = asker.certificate().await.err();
        let code = refused.as_ref().map(tonic::Status::code);
        assert_eq!(code, Some(Code::Unauthenticated), "{what}: {refused:?}");
    }
    let asker = Asker {
        address: discovery.ads,
        roots: &roots,
        token: Some(&valid),
        identity: None,
    };
    assert!(
        asker.certificate().await.is_ok(),
        "the token they differ from"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_and_too_many_are_refused() {
    let discovery = Installation::new().await;
    let shop = discovery.shop().await;
    let (web, other) = (pod_of(&shop, "web").await, pod_of(&shop, "other").await);
    let roots = discovery.root(&shop.namespace).await;
    let (token, others) = (
        shop.token_of("web", Some(&web), AUDIENCE).await,
        shop.token_of("other", Some(&other), AUDIENCE).await,
    );
    let asker = Asker {
        address: discovery.ads,
        roots: &roots,
        token: Some(&token),
        identity: None,
    };
    let mega = "A".repeat(1 << 20);
    for (what, csr) in [
        ("weak", WEAK),
        ("garbage", "x"),
        ("empty", ""),
        ("mega", &mega),
    ] {
        let refused = asker.create(csr, 0).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}: {refused:?}");
    }
    let csr = with_foreign_names(&KeyPair::generate().unwrap());
    let mut answers = Vec::new();
    for _ in 0..64 {
        answers.push(
            asker
                .create(&csr, 3600)
                .await
                .map_err(|status| status.code()),
        );
    }
    assert!(answers[0].is_ok(), "{answers:?}");
    assert!(
        answers.contains(&Err(Code::ResourceExhausted)),
        "{answers:?}"
    );
    // Another pod is not held up.
    let other = Asker {
        token: Some(&others),
        ..asker
    };
    assert!(other.create(&csr, 0).await.is_ok());
}
