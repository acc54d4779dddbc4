//! The arguments of an agent.

use std::{env, ffi::OsString, path::PathBuf};

use crate::process;

/// Where the injector has mounted a folder that only the proxy uses.
const FOLDER: &str = "/var/lib/istio/data/agent";
/// The variable of an image whose sidecar is an Envoy: its program.
const PROGRAM: &str = "PILLION_ENVOY";

/// Arguments of `pillion-proxy agent`.
#[derive(Debug, clap::Args)]
#[group(skip)] // it would have the name of the proxy's
pub struct Args {
    #[command(flatten)]
    pub(super) proxy: process::Args,
    /// A folder that the agent makes, and nobody else may open: for Envoy's bootstrap and its sockets.
    #[arg(long, default_value = FOLDER, value_name = "FOLDER")]
    pub(super) folder: PathBuf,
    /// Envoy's program, and further arguments for it.
    #[arg(last = true, required = true, value_name = "ENVOY")]
    pub(super) envoy: Vec<OsString>,
}

impl Args {
    /// Those of `pillion-proxy sidecar` in an image that has an Envoy for it.
    pub(crate) fn of_sidecar(proxy: process::Args, program: OsString) -> Self {
        Self {
            proxy,
            folder: FOLDER.into(),
            envoy: vec![program],
        }
    }
}

/// The Envoy that is the sidecar in this image, if one is.
pub(crate) fn of_image() -> Option<OsString> {
    env::var_os(PROGRAM).filter(|program| !program.is_empty())
}
