//! The contents of Istio's Secret `cacerts`: a CA that somebody else makes and renews.
//!
//! The files have Istio's names, or those that cert-manager gives them; Istio reads both.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use pillion_certs::{Authority, Bundle, Error, Issuer, MOST_ABOVE, Root, mesh::PeerFault};
use time::{Duration, OffsetDateTime};

use crate::certificates::signer::Signer;

/// The most bytes of one file.
const FILE: usize = 256 * 1024;
/// The most certificates between the CA and its root, with the CA's own.
const CHAIN: usize = MOST_ABOVE;
/// The most roots. Those of the CA that is used and of the newest one are trusted at once, and the
/// state's beside them: 16 that were replaced and up to two more, 50 in all. Proxies take 64, and a
/// list with more not at all.
const ROOTS: usize = 16;

/// What a CA must be able to sign for. It is checked by signing for these.
#[derive(Debug, Clone)]
pub(crate) struct Uses {
    /// The trust domain of workloads.
    pub trust_domain: Arc<str>,
    /// The names of the serving certificate.
    pub names: Vec<String>,
}

/// A CA that is plugged in. Whoever trusts its root accepts what it signs: that was tried.
#[derive(Debug)]
pub(crate) struct Plugged {
    signer: Signer,
    /// The root that it stands under.
    root: Bundle,
    /// All roots that are to be trusted, with this one.
    roots: Bundle,
    not_after: OffsetDateTime,
}

/// Why the contents are refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluggedError {
    #[error("the key {0} is missing")]
    Missing(&'static str),
    #[error("the key {0} is not text, or has more than {FILE} bytes")]
    NotText(&'static str),
    #[error("the key {0}: {1}")]
    Invalid(&'static str, Error),
    #[error("the key {0} has more than {1} certificates")]
    TooMany(&'static str, usize),
    #[error("the key {0} has no certificate that is still valid")]
    NoRoot(&'static str),
    #[error(
        "peers that trust {} would not accept a workload's certificate signed by {} ({reason}); check that it is a CA \
         for clients and for servers, and that {} has every certificate between it and the root",
        layout.roots, layout.certificate, layout.chain
    )]
    Unacceptable {
        layout: &'static Layout,
        reason: Error,
    },
    #[error(
        "clients that trust {} would not accept the discovery service's certificate signed by {} ({reason}); check that it, \
         and every CA in {}, may sign for {names}",
        layout.roots, layout.certificate, layout.chain
    )]
    Unreachable {
        layout: &'static Layout,
        names: String,
        reason: Error,
    },
}

/// The names of the files.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The CA's certificate.
    certificate: &'static str,
    key: &'static str,
    /// The CA's certificate, and those above it.
    chain: &'static str,
    roots: &'static str,
}

static ISTIO: Layout = Layout {
    certificate: "ca-cert.pem",
    key: "ca-key.pem",
    chain: "cert-chain.pem",
    roots: "root-cert.pem",
};

/// The type `kubernetes.io/tls`, which cert-manager writes.
static TLS: Layout = Layout {
    certificate: "tls.crt",
    key: "tls.key",
    chain: "tls.crt",
    roots: "ca.crt",
};

impl Plugged {
    /// Reads the contents of a Secret. This takes milliseconds, because the CA signs for each of its uses.
    ///
    /// # Errors
    ///
    /// Returns why they are invalid, or of no use now.
    pub fn read(secret: &Secret, uses: &Uses, now: OffsetDateTime) -> Result<Self, PluggedError> {
        let layout = match &secret.data {
            // As Istio does it.
            Some(data) if data.contains_key(TLS.certificate) => &TLS,
            _ => &ISTIO,
        };
        let certificate = required(secret, layout.certificate)?;
        let key = private_key(&required(secret, layout.key)?);
        let chain = file(secret, layout.chain)?.unwrap_or_default();
        let roots = required(secret, layout.roots)?;

        let own = bundle(layout.certificate, &certificate, CHAIN)?;
        let chain = bundle(layout.chain, &chain, CHAIN + ROOTS)?;
        let roots = bundle(layout.roots, &roots, ROOTS)?.valid_at(now);
        if roots.is_empty() {
            return Err(PluggedError::NoRoot(layout.roots));
        }
        let invalid = |error| PluggedError::Invalid(layout.certificate, error);
        let first = own.each().next();
        let first = first.ok_or_else(|| invalid(Error::Missing("certificate")))?;
        let authority = Authority::from_pem(&first.to_pem(), &key).map_err(invalid)?;
        let validity = authority.validity().map_err(invalid)?;
        validity.check(now).map_err(invalid)?;

        let signer = if roots.contains(&first) {
            Signer::root(authority)
        } else {
            let above = own.join(chain).without(&first).without(&roots);
            if above.len() >= CHAIN {
                return Err(PluggedError::TooMany(layout.chain, CHAIN));
            }
            Signer::under_root(authority, above.to_pem())
        };
        // Workloads' certificates need all of them, one above the other.
        let issuer = Issuer::from_pem(&signer.chain(), signer.key())
            .map_err(|error| PluggedError::Invalid(layout.chain, error))?;
        let root = root_of(&issuer, &uses.trust_domain, &roots, now);
        let root = root.map_err(|reason| PluggedError::Unacceptable { layout, reason })?;
        serve(&signer, &uses.names, &root, now).map_err(|reason| PluggedError::Unreachable {
            layout,
            names: uses.names.join(", "),
            reason,
        })?;
        let ends = root.roots().map(Root::not_after);
        let not_after = ends.fold(issuer.validity().not_after, OffsetDateTime::min);
        Ok(Self {
            signer,
            root,
            roots,
            not_after,
        })
    }

    /// The CA.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The root that it stands under.
    pub fn root(&self) -> &Bundle {
        &self.root
    }

    /// All roots that are to be trusted.
    pub fn roots(&self) -> &Bundle {
        &self.roots
    }

    /// When the CA expires, or an intermediate or the root above it if that expires earlier.
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }
}

/// The root of a CA: peers that trust only this root accept the certificates that the CA signs for workloads.
fn root_of(
    issuer: &Issuer,
    trust_domain: &str,
    roots: &Bundle,
    now: OffsetDateTime,
) -> Result<Bundle, Error> {
    let mut refused = Error::Missing("root certificate");
    for root in roots.each() {
        match issuer.check_accepted(trust_domain, &root, now) {
            Ok(()) => return Ok(root),
            // Another root is above it, and trying that one gives a more useful error.
            Err(error) if stands_elsewhere(&error) && !matches!(refused, Error::Missing(_)) => {}
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn stands_elsewhere(error: &Error) -> bool {
    let Error::Refused { fault, .. } = error else {
        return false;
    };
    matches!(fault, PeerFault::UnknownIssuer { .. })
}

/// Checks that clients that trust this root accept what a CA signs for the discovery service.
fn serve(
    signer: &Signer,
    names: &[String],
    root: &Bundle,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let pair = signer.issue(names, now, Duration::MINUTE)?;
    pair.check_accepted(names, root, now)
}

fn required(secret: &Secret, key: &'static str) -> Result<String, PluggedError> {
    file(secret, key)?.ok_or(PluggedError::Missing(key))
}

fn file(secret: &Secret, key: &'static str) -> Result<Option<String>, PluggedError> {
    let data = secret.data.as_ref();
    let Some(bytes) = data.and_then(|data| data.get(key)) else {
        return Ok(None);
    };
    if bytes.0.len() > FILE {
        return Err(PluggedError::NotText(key));
    }
    let text = String::from_utf8(bytes.0.clone());
    text.map(Some).map_err(|_| PluggedError::NotText(key))
}

fn bundle(key: &'static str, text: &str, most: usize) -> Result<Bundle, PluggedError> {
    if text.matches("-----BEGIN CERTIFICATE-----").count() > most {
        return Err(PluggedError::TooMany(key, most));
    }
    Bundle::from_pem(text).map_err(|error| PluggedError::Invalid(key, error))
}

/// The block of the private key: openssl writes the parameters of an elliptic curve before it.
fn private_key(text: &str) -> String {
    let begin = text.match_indices("-----BEGIN ").find(|(at, _)| {
        let line = text[*at..].lines().next().unwrap_or_default();
        line.ends_with("PRIVATE KEY-----")
    });
    let block = begin.map_or(text, |(at, _)| &text[at..]);
    block.to_owned()
}

#[cfg(test)]
pub(in crate::certificates) mod tests;
