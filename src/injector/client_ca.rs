//! The file with the CA of the client certificates that the webhook requires.
//!
//! The file may be of a mounted ConfigMap, which the kubelet updates by replacing a
//! symbolic link. File events don't report that, so its contents are compared every few
//! seconds.

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
const MAX_BYTES: u64 = 1024 * 1024;

/// Returns the webhook's TLS configuration and, if it requires client certificates, the
/// task that keeps their CA up to date.
///
/// # Errors
///
/// Returns an error if the file is invalid: nobody could call the webhook.
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
            "--client-ca-file {}: must contain, in PEM, the CAs of the certificates that API servers present to the webhook",
            file.display()
        )
    })?;
    let config = pillion_certs::mutual_server_config(resolver, Arc::clone(&clients))?;
    tracing::info!(file = %file.display(), names = ?args.client_names, "the webhook requires client certificates");
    let client_ca = ClientCa {
        file: file.clone(),
        clients,
        seen: Ok(bytes),
    };
    Ok((config, Some(client_ca)))
}

/// Keeps the trusted CAs the same as those in a file.
pub(super) struct ClientCa {
    file: PathBuf,
    clients: Arc<Clients>,
    /// The file's contents when it was last read.
    seen: Result<String, String>,
}

impl ClientCa {
    /// Reloads the file when it changes.
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
            Ok(()) => tracing::info!(%file, "reloaded the CA of client certificates"),
            Err(error) => {
                metrics.certificates().rejected();
                tracing::error!(%file, error, "the CA of client certificates is invalid; the previous one stays in use");
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
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {MAX_BYTES} bytes"),
        ));
    }
    Ok(text)
}
