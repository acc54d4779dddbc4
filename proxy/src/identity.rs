//! The proxy's own certificate, which the control plane's CA issues.
//!
//! All of it happens on the control thread: the [`keeper`] asks, and renews what it has after half of its
//! life. Workers take the newest [`Credentials`] from a channel. The key is made here, for one certificate,
//! and is neither written nor sent; only an Envoy that the agent runs is given it.

mod answer;
mod ask;
mod credentials;
mod failure;
mod keeper;
#[cfg(feature = "test-util")]
mod played;
mod renewal;
mod settings;
#[cfg(test)]
mod tests;
mod trouble;
mod trust_domains;

use std::sync::Arc;

use tokio::sync::watch;

#[cfg(any(test, feature = "test-util"))]
pub(crate) use self::credentials::EnvoyKey;
use self::keeper::Keeper;
#[cfg(feature = "test-util")]
pub use self::played::read_ca_answer;
pub(crate) use self::{credentials::Credentials, settings::Settings, trust_domains::TrustDomains};

/// Asks for a certificate in the current runtime, and renews it for as long as the process runs. There
/// are no credentials until the CA has answered for the first time; there always are from then on.
pub(crate) fn start(settings: Settings) -> watch::Receiver<Option<Arc<Credentials>>> {
    let (sender, credentials) = watch::channel(None);
    // Nobody awaits it: it goes on until the process ends, whose runtime ends it.
    tokio::spawn(Keeper::new(settings, sender).run());
    credentials
}
