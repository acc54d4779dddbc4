//! A workload's certificate and key.

use std::sync::Arc;

use pem::{EncodeConfig, LineEnding, Pem};
use rustls::{
    pki_types::{CertificateDer, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{certificate::Certificate, fault::PeerFault, key::WorkloadKey, provider::provider};
use crate::{Error, SpiffeId, Validity, chain::MOST_ABOVE};

/// The most certificates of a chain.
const LONGEST_CHAIN: usize = 1 + MOST_ABOVE;
/// The longest chain, in bytes of PEM.
const MAX_BYTES: usize = 64 << 10;

/// What this workload proves who it is by: its certificate, those of the CAs above it, and the
/// key.
pub struct Identity {
    id: SpiffeId,
    validity: Validity,
    serial: String,
    chain: Vec<CertificateDer<'static>>,
    /// Shared by all configurations, so that a client's sessions know that it is the same.
    pub(super) certified: Arc<SingleCertAndKey>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("id", &self.id)
            .field("validity", &self.validity)
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Joins the certificates of a CA's answer, each text with one or several in PEM and the
    /// workload's own first, and the key.
    ///
    /// # Errors
    ///
    /// Returns an error if there are too many or none, one can't be read, the key does not match,
    /// or the first does not have exactly one URI that is an identity.
    pub fn new(chain: &[String], key: &WorkloadKey) -> Result<Self, Error> {
        if chain.iter().map(String::len).sum::<usize>() > MAX_BYTES {
            return Err(Error::Workload("its chain is too long".to_owned()));
        }
        let chain: Vec<_> = chain
            .iter()
            .flat_map(|text| CertificateDer::pem_slice_iter(text.as_bytes()))
            .collect::<Result<_, _>>()
            .map_err(|error| Error::Certificate(error.to_string()))?;
        if chain.len() > LONGEST_CHAIN {
            return Err(Error::Workload("its chain is too long".to_owned()));
        }
        let (id, validity, serial) = {
            let first = chain.first().ok_or(Error::Missing("certificate"))?;
            let unacceptable = |fault: PeerFault| Error::Workload(fault.to_string());
            let certificate = Certificate::read(first).map_err(unacceptable)?;
            let id = certificate.identity().map_err(unacceptable)?;
            (id, certificate.validity(), certificate.serial())
        };
        let certified =
            CertifiedKey::from_der(chain.clone(), key.to_der(), &provider()).map_err(|error| {
                match error {
                    rustls::Error::InconsistentKeys(_) => Error::Mismatch,
                    other => Error::Tls(other),
                }
            })?;
        Ok(Self {
            id,
            validity,
            serial,
            chain,
            certified: Arc::new(SingleCertAndKey::from(certified)),
        })
    }

    /// Who this workload is.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// When the certificate is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The certificate's serial number in hexadecimal digits.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The certificates in DER, the workload's own first.
    #[must_use]
    pub fn chain_der(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The same in PEM.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
        let chain = self.chain.iter();
        let blocks = chain.map(|one| Pem::new("CERTIFICATE", one.to_vec()));
        blocks.map(|one| pem::encode_config(&one, lines)).collect()
    }
}
