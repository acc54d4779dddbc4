//! The commands that look at proxies, as a user runs them.

use std::process::Output;

use serde_json::Value;

use crate::harness::{Namespace, busybox, eventually, pod, server, service};

/// Runs `pillion`; what it has printed.
pub async fn pillion(shop: &Namespace, arguments: &[&str]) -> Output {
    let mut command = shop.cluster.tool(env!("CARGO_BIN_EXE_pillion"));
    command.args(arguments).args(["-n", shop.name()]);
    command.output().await.unwrap()
}

/// What it prints when it succeeds.
pub async fn printed(shop: &Namespace, arguments: &[&str]) -> String {
    let output = pillion(shop, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says when it fails.
async fn refused(shop: &Namespace, arguments: &[&str]) -> String {
    let output = pillion(shop, arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn the_commands_show_what_a_proxy_has() {
    let Some(shop) = Namespace::injected("commands").await else {
        return;
    };
    let mut plain = pod("plain", &[busybox("plain", "exec sleep infinity")]);
    plain["metadata"]["labels"]["sidecar.istio.io/inject"] = "false".into();
    let objects = [
        pod("web", &[server("web", &["httpbin"], 8080)]),
        service("web", &[8080]),
        plain,
    ];
    shop.create(&objects).await;
    shop.wait_ready(&["web", "plain"]).await;

    let whole = format!("web.{}", shop.name());
    eventually("the proxy has everything", async || {
        let table = printed(&shop, &["proxy-status", &whole]).await;
        let row = table.lines().nth(1)?;
        assert!(row.starts_with(&whole), "{table}");
        (row.matches("SYNCED").count() == 4).then_some(())
    })
    .await;
    let all: Value =
        serde_json::from_str(&printed(&shop, &["proxy-status", "-o", "json"]).await).unwrap();
    let mut all = all.as_array().unwrap().iter();
    assert!(all.any(|one| one["proxy"] == whole), "{whole}");

    let host = format!("web.{}.svc.cluster.local", shop.name());
    let clusters = printed(&shop, &["proxy-config", "clusters", "web", "--fqdn", &host]).await;
    assert!(clusters.contains("outbound"), "{clusters}");
    let listeners = printed(
        &shop,
        &["proxy-config", "listeners", "web", "--port", "15006"],
    )
    .await;
    assert!(listeners.contains("inbound|8080||"), "{listeners}");
    let routes = printed(&shop, &["proxy-config", "routes", "web", "-o", "json"]).await;
    assert!(routes.contains(&host), "{routes}");
    let endpoints = printed(
        &shop,
        &["proxy-config", "endpoints", "web", "--fqdn", &host],
    )
    .await;
    assert!(endpoints.contains("HEALTHY"), "{endpoints}");
    printed(&shop, &["proxy-config", "all", "web"]).await;

    let error = refused(&shop, &["proxy-config", "clusters", "plain"]).await;
    assert!(error.contains("has no sidecar"), "{error}");
    let error = refused(&shop, &["proxy-config", "clusters", "nobody"]).await;
    assert!(error.contains("there is no pod"), "{error}");
}
