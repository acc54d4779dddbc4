//! The CA of the client certificates that the webhook demands, from a file.
//!
//! The file may be a mounted ConfigMap's, which the kubelet swaps by a symbolic
//! link, and file events miss that; so its bytes are compared every few seconds.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use pillion_certs::{Clients, Resolver};
use rustls::ServerConfig;
use tokio::time::{MissedTickBehavior, interval};

use super::Args;
use crate::metrics::Metrics;

const POLL: Duration = Duration::from_secs(2);

/// More than a ConfigMap or a Secret can hold.
const MOST_BYTES: u64 = 1024 * 1024;

/// The webhook's TLS configuration, and what keeps its client CA current if it has one.
///
/// # Errors
///
/// When the file can't be used: without it nobody could call.
pub(super) fn server_config(
    args: &Args,
    resolver: Arc<Resolver>,
) -> anyhow::Result<(ServerConfig, Option<ClientCa>)> {
    let Some(file) = &args.client_ca_file else {
        return Ok((pillion_certs::server_config(resolver)?, None));
    };
    let clients = Arc::new(Clients::new(args.client_names.iter().cloned()));
    let bytes = read(file).and_then(|text| match clients.trust(&text) {
        Ok(()) => Ok(text),
        Err(error) => Err(error.to_string()),
    });
    let bytes = bytes.map_err(anyhow::Error::msg).with_context(|| {
        format!(
            "--client-ca-file {}: it has to hold the CAs, in PEM, of the certificates that API servers call the webhook with",
            file.display()
        )
    })?;
    let config = pillion_certs::mutual_server_config(resolver, Arc::clone(&clients))?;
    tracing::info!(file = %file.display(), names = ?args.client_names, "the webhook demands client certificates");
    let client_ca = ClientCa {
        file: file.clone(),
        clients,
        seen: Ok(bytes),
    };
    Ok((config, Some(client_ca)))
}

/// A file, and those who trust what is in it.
pub(super) struct ClientCa {
    file: PathBuf,
    clients: Arc<Clients>,
    /// The file as last seen.
    seen: Result<String, String>,
}

impl ClientCa {
    /// Trusts what the file holds later.
    pub async fn run(mut self, metrics: Arc<Metrics>) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(&metrics);
        }
    }

    fn look(&mut self, metrics: &Metrics) {
        let now = read(&self.file);
        if now == self.seen {
            return;
        }
        let trusted = match &now {
            Ok(text) => self.clients.trust(text).map_err(|error| error.to_string()),
            Err(error) => Err(error.clone()),
        };
        let file = self.file.display();
        match trusted {
            Ok(()) => tracing::info!(%file, "the CA of client certificates has changed"),
            Err(error) => {
                metrics.certificate_rejected();
                tracing::error!(%file, error, "the CA of client certificates can't be used; the one before stays");
            }
        }
        self.seen = now;
    }
}

fn read(file: &Path) -> Result<String, String> {
    read_bounded(file).map_err(|error| error.to_string())
}

fn read_bounded(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?
        .take(MOST_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {MOST_BYTES} bytes"),
        ));
    }
    Ok(text)
}
