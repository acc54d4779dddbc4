//! Who is at the other end, as the application and the metrics are told.

use serde_json::Value;

use super::trio::{PORTS, Trio};
use crate::harness::{Namespace, eventually};

/// How a request has come to a server, as the label `connection_security_policy` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    MutualTls,
    None,
}

impl Policy {
    fn as_str(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual_tls",
            Self::None => "none",
        }
    }

    /// How many requests a server's sidecar has counted that came so.
    pub async fn requests(self, shop: &Namespace, server: &str) -> u64 {
        let counters = shop.counters(server).await;
        let labels = [
            ("reporter", "destination"),
            ("connection_security_policy", self.as_str()),
        ];
        counters.sum("istio_requests_total", &labels)
    }
}

/// The identity of a namespace's pods that say nothing of an account.
pub fn identity(shop: &Namespace) -> String {
    format!("spiffe://cluster.local/ns/{}/sa/default", shop.name())
}

/// The header fields that the server has got with a client's request, which tries to be somebody else.
async fn fields(trio: &Trio, client: &str) -> Value {
    let url = format!("http://server:{}/headers", PORTS[0]);
    let forged =
        "X-Forwarded-Client-Cert: By=forged;URI=spiffe://cluster.local/ns/forged/sa/forged";
    let curl = ["curl", "-sS", "-f", "-m", "10", "-H", forged, &url];
    let answer = trio.shop.exec(client, &curl).await;
    serde_json::from_str::<Value>(&answer).unwrap()["headers"].take()
}

#[tokio::test]
async fn the_application_and_the_metrics_are_told_who_asks() {
    let Some(trio) = Trio::injected("peers").await else {
        return;
    };
    trio.until_answered("client", &PORTS).await;
    trio.until_answered("plain", &PORTS).await;
    let own = identity(&trio.shop);

    let headers = fields(&trio, "client").await;
    let told = headers["X-Forwarded-Client-Cert"].as_str().unwrap();
    let parts: Vec<_> = told.split(';').collect();
    for part in [format!("By={own}"), format!("URI={own}")] {
        assert!(parts.contains(&part.as_str()), "{part}: {told}");
    }
    let hash = parts
        .iter()
        .find_map(|part| part.strip_prefix("Hash="))
        .unwrap();
    assert!(
        hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{told}"
    );
    assert!(!told.contains("forged"), "{told}");

    // Without a certificate nobody is told anything.
    let headers = fields(&trio, "plain").await;
    assert_eq!(headers.get("X-Forwarded-Client-Cert"), None, "{headers}");

    eventually("both are counted by who they are", async || {
        let counters = trio.shop.counters("server").await;
        let of = |labels: &[(&str, &str)]| counters.sum("istio_requests_total", labels);
        let mutual = [
            ("reporter", "destination"),
            ("connection_security_policy", "mutual_tls"),
            ("source_principal", own.as_str()),
            ("destination_principal", own.as_str()),
        ];
        let none = [
            ("reporter", "destination"),
            ("connection_security_policy", "none"),
            ("source_principal", "unknown"),
        ];
        (of(&mutual) > 0 && of(&none) > 0).then_some(())
    })
    .await;
    eventually("the client knows whom it has asked", async || {
        let counters = trio.shop.counters("client").await;
        let labels = [
            ("reporter", "source"),
            ("destination_principal", own.as_str()),
        ];
        (counters.sum("istio_requests_total", &labels) > 0).then_some(())
    })
    .await;
}
