//! The proxy's own certificate, which the control plane's CA issues.
//!
//! All of it happens on the control thread; workers take the newest [`Credentials`] from a channel.

mod credentials;
mod settings;

use std::sync::Arc;

use tokio::sync::watch;

pub(crate) use self::{credentials::Credentials, settings::Settings};

/// Asks for a certificate in the current runtime, and renews it for as long as the process runs. There
/// are no credentials until the CA has answered for the first time; there always are from then on.
pub(crate) fn start(settings: Settings) -> watch::Receiver<Option<Arc<Credentials>>> {
    let (sender, credentials) = watch::channel(None);
    tokio::spawn(settings.keep(sender));
    credentials
}
