//! Who is at the other end.

use aws_lc_rs::digest::{SHA256, digest};
use rustls::{CommonState, pki_types::CertificateDer};
use time::OffsetDateTime;

use super::{certificate::Certificate, fault::PeerFault};
use crate::{SpiffeId, Validity, hexadecimal::hexadecimal};

/// Who is at the other end of a connection, by its certificate.
#[derive(Debug, Clone)]
pub struct Peer {
    der: CertificateDer<'static>,
    certificate: Certificate,
    id: Option<SpiffeId>,
    hash: String,
}

impl Peer {
    /// Reads the peer's certificate, which is there after the handshake, also of a session that
    /// was resumed. It is not there if the peer was not asked for one.
    #[must_use]
    pub fn of(connection: &CommonState) -> Option<Self> {
        Self::read(connection.peer_certificates()?.first()?).ok()
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
        let peer = Self::read(first)?;
        peer.check(now)?;
        Ok(peer)
    }

    /// Checks that the certificate is valid at this time.
    ///
    /// # Errors
    ///
    /// Returns [`PeerFault::Expired`] or [`PeerFault::NotYetValid`].
    pub fn check(&self, now: OffsetDateTime) -> Result<(), PeerFault> {
        let validity = self.validity();
        if !validity.has_begun(now) {
            return Err(PeerFault::NotYetValid {
                peer: self.certificate.owner(),
                until: validity.not_before,
            });
        }
        if validity.has_ended(now) {
            return Err(PeerFault::Expired {
                peer: self.certificate.owner(),
                since: validity.not_after,
            });
        }
        Ok(())
    }

    fn read(der: &CertificateDer<'_>) -> Result<Self, PeerFault> {
        let certificate = Certificate::read(der)?;
        Ok(Self {
            id: certificate.identity().ok(),
            hash: hexadecimal(digest(&SHA256, der).as_ref()),
            der: der.clone().into_owned(),
            certificate,
        })
    }

    /// The identity, which every peer of the mesh has.
    #[must_use]
    pub fn id(&self) -> Option<&SpiffeId> {
        self.id.as_ref()
    }

    /// The first URI, or nothing.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.certificate.uris.first().map_or("", String::as_str)
    }

    /// The DNS names, which a workload's certificate has none of.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.certificate.dns_names
    }

    /// The subject by RFC 2253, which is empty in a workload's certificate.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.certificate.subject
    }

    /// The certificate in DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The SHA-256 digest of the certificate, in hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// When the certificate is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.certificate.validity
    }
}
