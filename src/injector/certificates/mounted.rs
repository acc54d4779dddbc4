//! A certificate that somebody else renews, in a mounted Secret.
//!
//! The kubelet swaps a symbolic link, which file events on the files miss; so
//! the bytes are compared every few seconds.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use pillion_certs::{Pair, bundle};
use tokio::time::{MissedTickBehavior, interval};

use super::Serving;
use crate::injector::ca_bundle::Roots;

const POLL: Duration = Duration::from_secs(2);

/// The files as they were read.
#[derive(PartialEq, Eq)]
struct Files {
    chain: String,
    key: String,
    authority: Option<String>,
}

/// Serves what the folder holds, and what it holds later.
pub(in crate::injector) async fn run(folder: PathBuf, serving: Serving) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tried = None;
    loop {
        ticks.tick().await;
        let files = Files::read(&folder).map_err(|error| error.to_string());
        // What was tried is not tried again, whether it was good or not.
        if tried.as_ref() == Some(&files) {
            continue;
        }
        let loaded = match &files {
            Ok(files) => load(files, &serving).map_err(|error| error.to_string()),
            Err(error) => Err(error.clone()),
        };
        if let Err(error) = loaded {
            serving.shared.metrics.certificate_rejected();
            tracing::error!(folder = %folder.display(), error, "the mounted certificate can't be used; the one before stays");
        }
        tried = Some(files);
    }
}

fn load(files: &Files, serving: &Serving) -> Result<(), pillion_certs::Error> {
    let pair = Pair::from_pem(&files.chain, &files.key)?;
    let roots = match &files.authority {
        Some(authority) => {
            bundle::check(authority)?;
            Roots::Ours(authority.clone())
        }
        None => Roots::Foreign,
    };
    serving.serve(&pair)?;
    serving.trust(roots);
    Ok(())
}

impl Files {
    fn read(folder: &Path) -> io::Result<Self> {
        let read = |name: &str| {
            fs::read_to_string(folder.join(name))
                .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
        };
        let authority = match read("ca.crt") {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            chain: read("tls.crt")?,
            key: read("tls.key")?,
            authority,
        })
    }
}
