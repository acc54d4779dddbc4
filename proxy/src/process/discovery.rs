//! Where the tables come from: the control plane, or the proxy itself.

use std::{collections::BTreeMap, env, fs, io, sync::Arc};

use pillion_serve::Readiness;
use pillion_xds::client::{Connect, file};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    args::Args,
    environment::{Discovery, Environment, LABELS_FILE},
};
use crate::{
    config::{self, Dump, Node},
    identity::{self, Credentials},
    kind::Kind,
    metrics::Metrics,
    records::labels,
    tables::{Publisher, Snapshot},
};

/// The roots of the control plane's certificate, as Istio mounts them.
const ROOTS: &str = "/var/run/secrets/istio/root-cert.pem";
/// The token of the pod's service account for the audience `istio-ca`.
const TOKEN: &str = "/var/run/secrets/tokens/istio-token";

/// The tables, and who tells what they come from.
#[derive(Debug, Clone)]
pub(super) struct Configuration {
    pub tables: watch::Receiver<Arc<Snapshot>>,
    /// What the control plane calls the proxy; empty without one.
    pub node: Arc<str>,
    /// `None` without a control plane.
    pub dumps: Option<mpsc::Sender<oneshot::Sender<Dump>>>,
    /// The workload's certificate, and whom it trusts; none before the CA has answered, nor without a
    /// control plane.
    pub credentials: watch::Receiver<Option<Arc<Credentials>>>,
    /// Without a control plane, nobody else holds the channels open.
    _senders: Option<Arc<Senders>>,
}

type Senders = (Publisher, watch::Sender<Option<Arc<Credentials>>>);

impl Configuration {
    /// Returns once nobody makes tables any more: their thread has ended, which it never does
    /// by itself.
    pub async fn ended(&self) {
        let mut tables = self.tables.clone();
        while tables.changed().await.is_ok() {}
    }
}

/// Begins to follow the control plane, if there is one, and asks its CA for a certificate. Until both
/// have answered, the proxy is not ready.
///
/// # Errors
///
/// When the system has no more threads.
pub(super) fn follow(
    kind: Kind,
    args: &Args,
    environment: &Environment,
    readiness: &Readiness,
    metrics: &Arc<Metrics>,
) -> io::Result<Configuration> {
    let timeout = environment.detection_timeout;
    let Some(discovery) = &environment.discovery else {
        let (publisher, tables) = Publisher::new(Snapshot::pass_through(timeout));
        let (sender, credentials) = watch::channel(None);
        return Ok(Configuration {
            tables,
            node: Arc::default(),
            dumps: None,
            credentials,
            _senders: Some(Arc::new((publisher, sender))),
        });
    };
    let Discovery {
        address,
        when_unreachable,
    } = discovery;
    let configured = readiness.register("waiting for the first configuration from the control plane; the log says why it has not come");
    let identified = readiness.register(
        "waiting for a certificate from the control plane; the log says why it has not come",
    );
    let first = config::closed(address, *when_unreachable, timeout);
    let node = node(kind, args);
    let id = Arc::from(node.id.as_str());
    let server = server(address);
    let (sender, roots) = watch::channel(None);
    let settings = config::Settings {
        kind,
        node,
        detection_timeout: timeout,
        metrics: Arc::clone(metrics),
        server: server.clone(),
        roots: sender,
    };
    let driver = config::start(settings, first, configured)?;
    let credentials = identity::start(identity::Settings {
        server,
        trust_domains: environment.trust_domains.clone(),
        roots,
        metrics: Arc::clone(metrics),
        identified,
        for_envoy: false,
        now: OffsetDateTime::now_utc,
    });
    Ok(Configuration {
        tables: driver.tables,
        node: id,
        dumps: Some(driver.dumps),
        credentials,
        _senders: None,
    })
}

/// How the control plane at an address is spoken with.
pub(super) fn server(address: &str) -> Connect {
    Connect {
        address: address.to_owned(),
        roots: Some(file(ROOTS)),
        token: Some(file(TOKEN)),
    }
}

/// Who the proxy says it is. What can't be said is logged.
pub(super) fn node(kind: Kind, args: &Args) -> Node {
    let variables = env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        Some((name, value.into_string().ok()?))
    });
    let variables: BTreeMap<_, _> = variables.collect();
    let file = fs::read_to_string(LABELS_FILE).ok();
    // The environment has been read before, and its faults told.
    let labels = labels(
        &|name| variables.get(name).cloned(),
        file.as_deref(),
        &mut Vec::new(),
    );
    let (node, remarks) = Node::new(kind, &variables, &labels, &args.domain);
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    node
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_thread_that_panics_ends_the_configuration() {
        let tables = || Snapshot::pass_through(Duration::ZERO);
        let (mut publisher, updates) = Publisher::new(tables());
        let configuration = Configuration {
            tables: updates,
            node: Arc::default(),
            dumps: None,
            credentials: watch::channel(None).1,
            _senders: None,
        };
        let thread = thread::spawn(move || {
            publisher.publish(tables());
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        configuration.ended().await;
        assert!(thread.join().is_err());
    }
}
