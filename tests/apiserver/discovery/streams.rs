//! Who gets a stream, and when it ends.

use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use pillion_envoy_api::{envoy::config::listener::v3::Listener, type_url};
use tonic::Code;

use super::{ads::Proxy, installation::Installation};

#[tokio::test(flavor = "multi_thread")]
async fn refuses_whoever_has_no_token_of_a_pod_for_it() {
    let discovery = Installation::new().await;
    let shop = discovery.shop().await;
    let pod = shop.pod("client", "10.3.0.1").await;
    let roots = discovery.root(&shop.namespace).await;
    let other_audience = shop.token(&pod, "other").await;
    for token in [None, Some("x.y.z"), Some(other_audience.as_str())] {
        let refused = Proxy::connect(discovery.ads, &roots, token).await.err();
        assert_eq!(
            refused.map(|status| status.code()),
            Some(Code::Unauthenticated),
            "{token:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_pod() {
    let discovery = Installation::new().await;
    let shop = discovery.shop().await;
    let pod = shop.pod("client", "10.4.0.1").await;
    let mut proxy = discovery.connect(&shop, &pod).await;
    proxy.subscribe(type_url::LISTENER, &["*"]).await;
    let listener = |proxy: &Proxy| proxy.get::<Listener>(type_url::LISTENER, "virtualInbound");
    proxy.until("listener", listener).await;
    let now = DeleteParams::default().grace_period(0);
    shop.api::<Pod>().delete("client", &now).await.unwrap();
    let end = proxy.end().await;
    assert_eq!(end.code(), Code::Unauthenticated, "{end:?}");
    assert!(end.message().contains("gone"), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_has_four_streams_at_most() {
    let discovery = Installation::new().await;
    let shop = discovery.shop().await;
    let pod = shop.pod("client", "10.5.0.1").await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut proxy = discovery.connect(&shop, &pod).await;
        proxy.subscribe(type_url::LISTENER, &["*"]).await;
        let listener = |proxy: &Proxy| proxy.get::<Listener>(type_url::LISTENER, "virtualInbound");
        proxy.until("listener", listener).await;
        open.push(proxy);
    }
    let fifth = discovery.try_connect(&shop, &pod).await;
    let refused = fifth.err().map(|status| status.code());
    assert_eq!(refused, Some(Code::ResourceExhausted));
}
