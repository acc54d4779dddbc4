//! The commands that show certificates and mutual TLS.

use serde_json::json;

use super::{
    peers::identity,
    trio::{PORTS, Trio},
};
use crate::{
    command_line::printed,
    harness::{Namespace, eventually, mode, peer_authentication},
};

/// The rows of a table whose first cell is this one.
fn rows<'a>(table: &'a str, first: &str) -> Vec<Vec<&'a str>> {
    let cells = |line: &'a str| {
        let cells = line.split("   ").map(str::trim);
        cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    let rows = table.lines().map(cells);
    rows.filter(|row| row.first() == Some(&first)).collect()
}

/// Waits until the table of a command has this row, of which more may follow.
async fn until(shop: &Namespace, command: &[&str], expected: &[&str]) {
    eventually(&format!("{expected:?} in {command:?}"), async || {
        let table = printed(shop, command).await;
        let found = rows(&table, expected[0]);
        found
            .iter()
            .any(|row| row.starts_with(expected))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_commands_show_who_is_who_and_who_speaks_what() {
    let Some(trio) = Trio::injected("shown").await else {
        return;
    };
    trio.until_answered("client", &PORTS).await;
    let shop = &trio.shop;
    let own = identity(shop);

    let table = printed(shop, &["proxy-config", "secret", "client"]).await;
    let certificates = rows(&table, "default");
    assert_eq!(
        certificates[0][1..5],
        ["Cert Chain", "ACTIVE", "true", own.as_str()]
    );
    assert!(!rows(&table, "ROOTCA").is_empty(), "{table}");
    let table = printed(shop, &["authn", "check", "client"]).await;
    assert!(
        table.contains(&format!("is {own}, by a certificate")),
        "{table}"
    );

    let [first, second] = PORTS.map(|port| port.to_string());
    let of_server = ["authn", "check", "server"];
    until(shop, &of_server, &[&first, "PERMISSIVE", "the default"]).await;
    let strict = peer_authentication("default", &mode("STRICT"));
    shop.apply(&strict).await;
    let decided = format!("PeerAuthentication default.{}", shop.name());
    until(shop, &of_server, &[&first, "STRICT", &decided]).await;
    let spec = json!({
        "selector": {"matchLabels": {"app": "server"}},
        "portLevelMtls": {second.clone(): {"mode": "DISABLE"}},
    });
    shop.apply(&peer_authentication("server", &spec)).await;
    let decided = format!("PeerAuthentication server.{}", shop.name());
    until(shop, &of_server, &[&second, "DISABLE", &decided]).await;

    let to_server = ["authn", "check", "client", "--to", "server"];
    let host = format!("server.{}.svc.cluster.local", shop.name());
    until(shop, &to_server, &[&host, &first, "-", "mutual TLS", "1/1"]).await;
    until(shop, &to_server, &[&host, &second, "-", "plaintext", "0/1"]).await;
    let table = printed(shop, &to_server).await;
    assert!(
        rows(&table, &host)
            .iter()
            .any(|row| row.contains(&own.as_str())),
        "{table}"
    );
}
