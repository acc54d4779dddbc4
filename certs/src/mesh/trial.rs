//! Checking a certificate before peers have to accept it.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use rustls::{
    client::danger::ServerCertVerifier,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::ClientCertVerifier,
};
use time::OffsetDateTime;

use super::{fault::PeerFault, trust::Trust, verifier::Verifier};
use crate::{Error, chain::check_kept};

/// Checks a chain as peers in the mesh do: clients that get it from a server, and servers that get it from a client.
///
/// # Errors
///
/// Returns why one of them would refuse it.
pub fn try_out(
    chain: &[CertificateDer<'_>],
    trust: &Arc<Trust>,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let verifier = Verifier::new(trust, Vec::new())?;
    let (first, above) = chain.split_first().ok_or(Error::Missing("certificate"))?;
    // Workloads also present it to the control plane when they renew their certificates.
    check_kept(first, above).map_err(|fault| Error::Refused {
        by: "the control plane",
        fault: fault.into(),
    })?;
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    // The verifier ignores it.
    let name = ServerName::from(Ipv4Addr::LOCALHOST);
    verifier
        .verify_server_cert(first, above, &name, &[], now)
        .map_err(|error| refused("clients", error))?;
    verifier
        .verify_client_cert(first, above, now)
        .map_err(|error| refused("servers", error))?;
    Ok(())
}

fn refused(by: &'static str, error: rustls::Error) -> Error {
    match PeerFault::of(&error) {
        Some(fault) => Error::Refused { by, fault },
        None => Error::Tls(error),
    }
}
