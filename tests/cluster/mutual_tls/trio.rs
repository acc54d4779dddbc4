//! A server with a sidecar, and clients with and without one.

use serde_json::{Value, json};

use crate::harness::{Container, Namespace, eventually, pod, samples, server, service};

/// What the Service `server` has, and the pod at its address.
pub const PORTS: [u16; 2] = [8080, 8081];
/// A port of the pod that no Service knows.
pub const HIDDEN: u16 = 8082;

/// The pods `server`, of three containers, `client`, and `plain`, which has no sidecar.
pub struct Trio {
    pub shop: Namespace,
}

/// What comes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Status(String),
    /// The connection was reset, or ended without an answer.
    Refused(String),
    /// There was no connection, or something else went wrong.
    Failed(String),
}

fn httpbin(name: &str, port: u16) -> Container {
    let mut container = server(name, &["httpbin"], port);
    container["env"] = json!([{"name": "PORT", "value": port.to_string()}]);
    container
}

fn tools(name: &str) -> Value {
    pod(name, &[samples(name, &["pillion-samples", "sleep"])])
}

/// A pod that sends plaintext.
pub fn without_sidecar(name: &str) -> Value {
    let mut pod = tools(name);
    pod["metadata"]["labels"]["sidecar.istio.io/inject"] = json!("false");
    pod
}

impl Trio {
    pub async fn injected(prefix: &str) -> Option<Self> {
        Some(Self::of(Namespace::injected(prefix).await?).await)
    }

    /// The same, with no other test beside it.
    pub async fn alone(prefix: &str) -> Option<Self> {
        Some(Self::of(Namespace::alone(prefix).await?).await)
    }

    async fn of(shop: Namespace) -> Self {
        let containers = [
            httpbin("server", PORTS[0]),
            httpbin("other", PORTS[1]),
            httpbin("hidden", HIDDEN),
        ];
        let objects = [
            pod("server", &containers),
            service("server", &PORTS),
            tools("client"),
            without_sidecar("plain"),
        ];
        shop.create(&objects).await;
        shop.wait_ready(&["server", "client", "plain"]).await;
        Self { shop }
    }

    /// What a client's curl gets from one of the server's ports.
    pub async fn ask(&self, client: &str, port: u16) -> Said {
        let host = match port {
            HIDDEN => self.shop.address("server").await,
            _ => "server".to_owned(),
        };
        ask(
            &self.shop,
            client,
            &format!("http://{host}:{port}/hostname"),
        )
        .await
    }

    /// Waits until the client is answered at each of these ports by 200.
    pub async fn until_answered(&self, client: &str, ports: &[u16]) {
        for port in ports {
            eventually(&format!("{client} is answered at {port}"), async || {
                let said = self.ask(client, *port).await;
                (said == Said::Status("200".to_owned())).then_some(())
            })
            .await;
        }
    }

    /// Waits until the client's connections are cut at each of these ports.
    pub async fn until_refused(&self, client: &str, ports: &[u16]) {
        for port in ports {
            eventually(&format!("{client} is refused at {port}"), async || {
                matches!(self.ask(client, *port).await, Said::Refused(_)).then_some(())
            })
            .await;
        }
    }
}

/// What a pod's curl gets from a URL.
pub async fn ask(shop: &Namespace, client: &str, url: &str) -> Said {
    let curl = [
        "exec",
        client,
        "--",
        "curl",
        "-sS",
        "-m",
        "10",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        url,
    ];
    let output = shop.command(&curl).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => Said::Status(String::from_utf8_lossy(&output.stdout).into_owned()),
        // curl's for an empty answer, and for one that broke off.
        Some(52 | 56) => Said::Refused(errors),
        _ => Said::Failed(errors),
    }
}
