//! Clients that no sidecar is before: who is let in by servers that refuse plaintext, and how they are counted.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pillion_certs::{
    SpiffeId,
    mesh::{ClientSettings, Identity, client_config},
    unverified_client_config,
};
use rustls::{ClientConfig, pki_types::ServerName};
use serde_json::json;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::{
    ca::Ca,
    mesh,
    run::Mesh,
    world::{World, id},
};
use crate::{
    case::Case,
    client,
    objects::{Cluster, WORLD},
    pod::{ALIAS, Pod, Software},
};

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(20);
/// As our sidecar offers.
const PROTOCOLS: [&[u8]; 3] = [b"istio-http/1.1", b"istio", b"http/1.1"];

fn case() -> Case {
    let case = json!({
        "rules": ["A2"], "about": "strangers",
        "mesh": {"trustDomainAliases": [ALIAS]},
        "resources": [{
            "kind": "PeerAuthentication", "metadata": {"name": "all"},
            "spec": {"mtls": {"mode": "STRICT"}},
        }],
        "requests": [{"request": "GET http://web/"}],
    });
    let mut case = serde_json::from_value(case).unwrap();
    mesh::complete(&mut case);
    case
}

/// Who asks, with which certificate, and what comes of it.
fn strangers(ca: &Ca) -> [(&'static str, Option<Arc<Identity>>, &'static str); 6] {
    let now = OffsetDateTime::now_utc();
    let (hour, earlier) = (time::Duration::HOUR, now - time::Duration::minutes(50));
    let of = |domain: &str| SpiffeId::new(domain, "elsewhere", "somebody").unwrap();
    let own = of("cluster.local");
    [
        ("a workload", Some(ca.identity(&own, now, hour)), "200"),
        (
            "one of a trust domain that is an alias",
            Some(ca.identity(&of(ALIAS), now, hour)),
            "200",
        ),
        (
            "one of a foreign trust domain",
            Some(ca.identity(&of("foreign.example"), now, hour)),
            "refused",
        ),
        (
            "one that another CA vouches for",
            Some(Ca::new().identity(&own, now, hour)),
            "refused",
        ),
        (
            "one whose certificate has expired",
            Some(ca.identity(&own, earlier, hour / 2)),
            "refused",
        ),
        ("nobody", None, "refused"),
    ]
}

/// What is wrong with how strangers are received, and with what is counted.
pub async fn faults(mesh: &mut Mesh, index: usize) -> Vec<String> {
    let case = case();
    let cluster = Cluster::of(&case);
    let _servers = mesh.serve(&cluster).await;
    if let Err(error) = mesh.configure(index, &case, &cluster).await {
        return vec![error];
    }
    let mut faults = Vec::new();
    for world in &mesh.worlds {
        for (who, identity, expected) in strangers(&mesh.ca) {
            let config = config(&mesh.ca, identity.as_ref());
            let asking = ask((WORLD, 8080).into(), config);
            let got = world.client.inside.run(asking).await;
            if got != expected {
                let server = world.server.software;
                faults.push(format!("{who} at {server:?}: {got}, not {expected}"));
            }
        }
        let outcomes = world.run(&case, &cluster).await;
        let status = outcomes[0].get("status").map(String::as_str);
        if status != Some("200") {
            faults.push(format!("{world}: {status:?}"));
        }
        faults.extend(uncounted(world).await);
    }
    faults
}

fn config(ca: &Ca, identity: Option<&Arc<Identity>>) -> Arc<ClientConfig> {
    let alpn = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    let Some(identity) = identity else {
        let mut config = unverified_client_config().unwrap();
        config.alpn_protocols = alpn;
        return Arc::new(config);
    };
    let settings = ClientSettings {
        alpn,
        sans: Vec::new(),
    };
    client_config(identity, &ca.trust("cluster.local"), &settings).unwrap()
}

/// The status that a server answers with, or `refused`.
async fn ask(to: SocketAddr, config: Arc<ClientConfig>) -> String {
    let mut bytes = Vec::new();
    // A refusal may come after the client has sent all it has to say.
    let _ = timeout(PATIENCE, attempt(to, config, &mut bytes)).await;
    client::response(&bytes).map_or("refused".to_owned(), |it| it.status.to_string())
}

async fn attempt(
    to: SocketAddr,
    config: Arc<ClientConfig>,
    bytes: &mut Vec<u8>,
) -> std::io::Result<()> {
    let stream = client::connect(to, None).await.1?;
    let name = ServerName::try_from("web.default.svc.cluster.local").unwrap();
    let mut stream = TlsConnector::from(config).connect(name, stream).await?;
    let request = b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await?;
    stream.read_to_end(bytes).await?;
    Ok(())
}

/// What our sidecars of a pair have not counted. A stock Envoy has none of Istio's metrics.
async fn uncounted(world: &World) -> Vec<String> {
    let [client, server] = ["client", "server"].map(id);
    let (client, server) = (client.as_str(), server.as_str());
    let of_destination = [
        r#"reporter="destination""#.to_owned(),
        r#"connection_security_policy="mutual_tls""#.to_owned(),
        format!(r#"source_principal="{client}""#),
        format!(r#"destination_principal="{server}""#),
    ];
    let of_source = [
        r#"reporter="source""#.to_owned(),
        format!(r#"destination_principal="{server}""#),
    ];
    let mut faults = Vec::new();
    for (pod, labels) in [
        (&world.client, &of_source[..]),
        (&world.server, &of_destination[..]),
    ] {
        if pod.software == Software::Pillion && !is_counted(pod, labels).await {
            faults.push(format!("{world}: no request is counted with {labels:?}"));
        }
    }
    faults
}

/// Whether a series has these labels, by and by.
async fn is_counted(pod: &Pod, labels: &[String]) -> bool {
    for _ in 0..100 {
        let page = pod.inside.run(client::admin("/stats/prometheus")).await;
        let page = String::from_utf8_lossy(&page.unwrap_or_default()).into_owned();
        let mut series = page
            .lines()
            .filter(|line| line.starts_with("istio_requests_total{"));
        if series.any(|line| labels.iter().all(|label| line.contains(label.as_str()))) {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}
