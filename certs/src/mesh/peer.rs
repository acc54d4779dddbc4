//! Who is at the other end.

use aws_lc_rs::digest::{SHA256, digest};
use rustls::{CommonState, pki_types::CertificateDer};
use time::OffsetDateTime;

use super::{certificate::Certificate, fault::PeerFault};
use crate::{SpiffeId, Validity, hexadecimal::hexadecimal};

/// Who is at the other end of a connection, by its certificate. It lives as long as the connection, so it
/// keeps no more of the certificate than what is told of it.
#[derive(Debug, Clone)]
pub struct Peer {
    id: Option<SpiffeId>,
    subject: String,
    dns_names: Vec<String>,
    validity: Validity,
    digest: [u8; 32],
}

impl Peer {
    /// Reads the peer's certificate, which is there after the handshake, also of a session that
    /// was resumed. It is not there if the peer was not asked for one.
    #[must_use]
    pub fn of(connection: &CommonState) -> Option<Self> {
        let der = connection.peer_certificates()?.first()?;
        Some(Self::new(der, &Certificate::read(der).ok()?))
    }

    /// The peer after a handshake, whose certificate is valid at this time. A session that was
    /// resumed may be older than that.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the peer.
    pub fn admit(connection: &CommonState, now: OffsetDateTime) -> Result<Self, PeerFault> {
        let certificates = connection.peer_certificates().unwrap_or_default();
        let first = certificates.first().ok_or(PeerFault::NoCertificate)?;
        Self::shown_by(first, now)
    }

    /// The peer that has shown this certificate, by which [`admit`](Self::admit) judges. Who issued it is
    /// not looked at here: the handshake did that.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the certificate.
    pub fn shown_by(der: &CertificateDer<'_>, now: OffsetDateTime) -> Result<Self, PeerFault> {
        let certificate = Certificate::read(der)?;
        check(&certificate, now)?;
        Ok(Self::new(der, &certificate))
    }

    fn new(der: &CertificateDer<'_>, certificate: &Certificate<'_>) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, der).as_ref());
        let names = certificate.dns_names.iter();
        Self {
            id: certificate.identity().ok(),
            subject: certificate.subject(),
            dns_names: names.map(|name| (*name).to_owned()).collect(),
            validity: certificate.validity(),
            digest: hash,
        }
    }

    /// The identity, which every peer of the mesh has.
    #[must_use]
    pub fn id(&self) -> Option<&SpiffeId> {
        self.id.as_ref()
    }

    /// The same as text, or nothing.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.id.as_ref().map_or("", SpiffeId::as_str)
    }

    /// The DNS names, which a workload's certificate has none of.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// The subject by RFC 2253, which is empty in a workload's certificate.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The SHA-256 digest of the certificate, in hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        hexadecimal(&self.digest)
    }

    /// When the certificate is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

/// Checks that a certificate is valid at this time.
fn check(certificate: &Certificate<'_>, now: OffsetDateTime) -> Result<(), PeerFault> {
    let validity = certificate.validity();
    if !validity.has_begun(now) {
        return Err(PeerFault::NotYetValid {
            peer: certificate.owner(),
            until: validity.not_before,
        });
    }
    if validity.has_ended(now) {
        return Err(PeerFault::Expired {
            peer: certificate.owner(),
            since: validity.not_after,
        });
    }
    Ok(())
}
