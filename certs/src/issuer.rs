//! A CA that issues the certificates of workloads.

mod accepted;
mod content;
mod signer;

use aws_lc_rs::rand;
use pem::Pem;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};
use x509_parser::{
    extensions::ParsedExtension,
    prelude::{FromDer, X509Certificate},
};

use self::{content::Content, signer::Signer};
use crate::{
    Bundle, CertificateRequest, Error, SpiffeId, Validity,
    chain::MOST_ABOVE,
    der::{SEQUENCE, bits, element},
    hexadecimal::hexadecimal,
    mesh::WorkloadKey,
};

/// Certificates are valid from before their time of issue, because the clocks of a cluster
/// differ: by as much as a proxy forgives its own certificate.
const BACKDATE: Duration = Duration::minutes(10);
/// The most CAs of a chain.
const LONGEST_CHAIN: usize = MOST_ABOVE;

/// A CA that issues the certificates of workloads. It was read and checked once, so that
/// issuing costs little more than the signature.
pub struct Issuer {
    signer: Signer,
    /// The CA's name, as its certificate has it.
    name: Vec<u8>,
    key_identifier: Option<Vec<u8>>,
    validity: Validity,
    /// The CA's certificate and those above it in PEM, without a root.
    intermediates: Vec<String>,
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificates in PEM: the workload's, then the intermediate CAs', never a root's.
    pub chain: Vec<String>,
    /// The serial number in hexadecimal digits.
    pub serial: String,
    /// When it expires.
    pub not_after: OffsetDateTime,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer")
            .field("validity", &self.validity)
            .field("intermediates", &self.intermediates)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// Reads a CA from PEM: its certificate, followed by those of the CAs above it up to the
    /// root's or the one below it, and its private key.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them can't be read, the key does not match, a certificate is
    /// not a CA's, or is not issued by the next one.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, Error> {
        let ders: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .take(LONGEST_CHAIN + 1)
            .collect::<Result<_, _>>()
            .map_err(|error| Error::Certificate(error.to_string()))?;
        if ders.len() > LONGEST_CHAIN {
            return Err(Error::Chain("it has more than 8 certificates"));
        }
        let chain: Vec<_> = ders.iter().map(|der| read(der)).collect::<Result<_, _>>()?;
        let first = chain.first().ok_or(Error::Missing("certificate"))?;
        let signer = Signer::from_pem(key)?;
        if first.public_key().subject_public_key.data != signer.public_key() {
            return Err(Error::Mismatch);
        }
        chain.iter().try_for_each(check_authority)?;
        for pair in chain.windows(2) {
            if let [lower, upper] = pair {
                check_issued(lower, upper)?;
            }
        }
        let mut validity = Validity::of(ders.first().map_or(&[], |der| der.as_ref()))?;
        for der in &ders {
            let other = Validity::of(der)?;
            validity.not_before = validity.not_before.max(other.not_before);
            validity.not_after = validity.not_after.min(other.not_after);
        }
        let intermediates = chain.iter().zip(&ders);
        let intermediates = intermediates
            .filter(|(certificate, _)| !is_root(certificate))
            .map(|(_, der)| to_pem(der))
            .collect();
        Ok(Self {
            name: first.subject().as_raw().to_owned(),
            key_identifier: key_identifier(first),
            signer,
            validity,
            intermediates,
        })
    }

    /// Issues a certificate with the request's key and this identity. It expires no later than
    /// the CA and those above it.
    ///
    /// # Errors
    ///
    /// Returns an error if the CA is not valid at this time, or signing fails.
    pub fn issue(
        &self,
        request: &CertificateRequest,
        identity: &SpiffeId,
        now: OffsetDateTime,
        lifetime: Duration,
    ) -> Result<Issued, Error> {
        self.validity.check(now)?;
        let not_after = now.saturating_add(lifetime).min(self.validity.not_after);
        // Certificates have whole seconds.
        let not_after = not_after
            .replace_nanosecond(0)
            .map_err(|_| Error::Ended(not_after))?;
        if not_after <= now {
            return Err(Error::Ended(not_after));
        }
        let serial = serial()?;
        let content = Content {
            serial,
            issuer: &self.name,
            issuer_key: self.key_identifier.as_deref(),
            not_before: now.saturating_sub(BACKDATE),
            not_after,
            key: &request.key,
            identity,
        };
        let algorithm = self.signer.algorithm;
        let content = content.to_der(algorithm);
        let signature = bits(&self.signer.sign(&content)?);
        let certificate = element(SEQUENCE, &[&content, algorithm, &signature]);
        let mut chain = Vec::with_capacity(1 + self.intermediates.len());
        chain.push(to_pem(&certificate));
        chain.extend_from_slice(&self.intermediates);
        Ok(Issued {
            chain,
            serial: hexadecimal(&serial),
            not_after,
        })
    }

    /// Checks that peers that trust these roots accept the certificates that the CA issues to workloads of this trust
    /// domain, both from servers and from clients.
    ///
    /// # Errors
    ///
    /// Returns why they would not, or an error if the CA is not valid at this time.
    pub fn check_accepted(
        &self,
        trust_domain: &str,
        roots: &Bundle,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let request = CertificateRequest::from_pem(&WorkloadKey::generate()?.request()?)
            .map_err(|error| Error::Certificate(error.to_string()))?;
        let somebody = SpiffeId::new(trust_domain, "trial", "trial")?;
        let issued = self.issue(&request, &somebody, now, Duration::minutes(1))?;
        accepted::check(&issued.chain, trust_domain, roots, now)
    }

    /// When the CA and all those above it are valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

fn read(der: &[u8]) -> Result<X509Certificate<'_>, Error> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| Error::Certificate(error.to_string()))?;
    Ok(certificate)
}

fn check_authority(certificate: &X509Certificate<'_>) -> Result<(), Error> {
    let malformed = |_| Error::Chain("a certificate has an extension twice");
    let constraints = certificate.basic_constraints().map_err(malformed)?;
    if !constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(Error::Chain("a certificate is not a CA's"));
    }
    let usage = certificate.key_usage().map_err(malformed)?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(Error::Chain("a CA may not sign certificates"));
    }
    Ok(())
}

fn check_issued(lower: &X509Certificate<'_>, upper: &X509Certificate<'_>) -> Result<(), Error> {
    let is_named = lower.issuer().as_raw() == upper.subject().as_raw();
    let is_signed = || lower.verify_signature(Some(upper.public_key())).is_ok();
    if is_named && is_signed() {
        Ok(())
    } else {
        Err(Error::Chain(
            "each certificate must be followed by that of its issuer",
        ))
    }
}

/// Whether it is a root, which peers already have and need not be sent. Names alone don't tell: a CA may have the
/// name of the CA above it.
fn is_root(certificate: &X509Certificate<'_>) -> bool {
    check_issued(certificate, certificate).is_ok()
}

fn key_identifier(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    let mut extensions = certificate.iter_extensions();
    extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

/// A random positive number of 127 bits. None is shorter, which makes all of them look alike.
fn serial() -> Result<[u8; 16], Error> {
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

fn to_pem(der: &[u8]) -> String {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&Pem::new("CERTIFICATE", der), lines)
}
