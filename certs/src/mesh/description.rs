//! What a certificate says, for those who look.

use super::{certificate::Certificate, fault::PeerFault};
use crate::Validity;

/// What a certificate says about itself. Nothing in it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The serial number in hexadecimal digits.
    pub serial: String,
    /// The URIs among its alternative names.
    pub uris: Vec<String>,
    /// The DNS names among them.
    pub dns_names: Vec<String>,
    /// When it is valid.
    pub validity: Validity,
}

impl Description {
    /// Reads a certificate.
    ///
    /// # Errors
    ///
    /// Returns an error if it can't be read.
    pub fn of(certificate: &[u8]) -> Result<Self, PeerFault> {
        let certificate = Certificate::read(certificate)?;
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self {
            serial: certificate.serial(),
            uris: owned(&certificate.uris),
            dns_names: owned(&certificate.dns_names),
            validity: certificate.validity(),
        })
    }
}
