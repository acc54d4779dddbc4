//! The configuration of clients of the control plane.

use std::sync::Arc;

use rustls::ClientConfig;

use super::identity::Identity;
use crate::{Error, client::trusting};

/// Returns the configuration of a client that shows its certificate to a server that asks for one, and
/// checks the server's by its name, as [`client_config`](crate::client_config) does: the control
/// plane's certificate has no identity.
///
/// # Errors
///
/// Returns an error if a root is invalid or the text contains none.
pub fn control_plane_config(
    identity: &Identity,
    roots: &str,
    protocols: &[&[u8]],
) -> Result<ClientConfig, Error> {
    let certified = Arc::clone(&identity.certified);
    let mut config = trusting(roots)?.with_client_cert_resolver(certified);
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    Ok(config)
}
