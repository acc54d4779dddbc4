//! What can be wrong with a certificate.

/// What is wrong with a certificate or a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Text without the wanted PEM block.
    #[error("there is no {0} in the PEM text")]
    Missing(&'static str),
    /// PEM text that is damaged.
    #[error("the PEM text can't be read: {0}")]
    Pem(#[from] pem::PemError),
    /// A certificate that is damaged.
    #[error("the certificate can't be read: {0}")]
    Certificate(String),
    /// A key of another certificate.
    #[error("the key does not belong to the certificate")]
    Mismatch,
    /// A key that is damaged or of an unknown kind, or TLS versions that the
    /// provider lacks.
    #[error("rustls refuses it: {0}")]
    Tls(#[from] rustls::Error),
    /// A certificate whose time has not come.
    #[error("the certificate is valid from {0} on")]
    NotYet(time::OffsetDateTime),
    /// A certificate whose time is over.
    #[error("the certificate has ended at {0}")]
    Ended(time::OffsetDateTime),
    /// A certificate that API servers would not accept.
    #[error("API servers would not accept it: {0}")]
    Unacceptable(rustls::Error),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Issue(#[from] rcgen::Error),
}
