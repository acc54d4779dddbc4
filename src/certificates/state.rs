//! The contents of the Secret that all replicas share: a CA, a serving certificate, during a
//! rotation the next or previous CAs, and the root of a CA that is plugged in.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use pillion_certs::{Authority, Bundle, Error, Pair};
use time::OffsetDateTime;

/// The Secret's contents.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Signs the serving certificates.
    pub authority: Authority,
    /// The serving certificate.
    pub pair: Pair,
    /// The next CA: already trusted, not used yet.
    pub next: Option<Authority>,
    /// The root of the plugged CA that is used in place of the own one, in PEM.
    pub plugged: Option<String>,
    /// Previous CAs: still trusted, no longer used. None is there twice.
    pub old: Vec<Old>,
}

/// How many previous CAs are kept. Own ones need one; whoever plugs in more of them while they
/// are still trusted loses the first ones.
const OLD: usize = 16;

/// A CA that is no longer used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Old {
    /// Its certificate in PEM.
    pub certificate: String,
    /// When it was replaced.
    pub since: OffsetDateTime,
}

/// Why a Secret's contents are invalid.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    #[error("the key {0} is missing or not text")]
    Missing(&'static str),
    #[error("the key {0}: {1}")]
    Certificate(&'static str, Error),
    #[error(
        "the key old-ca.since does not have one Unix timestamp for each certificate of old-ca.crt"
    )]
    Time,
}

impl State {
    /// Reads the contents of a Secret.
    pub fn read(secret: &Secret) -> Result<Self, StateError> {
        let data = secret.data.as_ref();
        let optional = |key: &'static str| {
            let bytes = data.and_then(|data| data.get(key));
            let text = bytes.map(|bytes| String::from_utf8(bytes.0.clone()));
            text.transpose().map_err(|_| StateError::Missing(key))
        };
        let text = |key: &'static str| optional(key)?.ok_or(StateError::Missing(key));
        let authority = |certificate: &'static str, key: &'static str| {
            Authority::from_pem(&text(certificate)?, &text(key)?)
                .map_err(|error| StateError::Certificate(certificate, error))
        };
        let root = |key: &'static str, text: &str| {
            Bundle::from_pem(text).map_err(|error| StateError::Certificate(key, error))
        };
        let old = match optional("old-ca.crt")? {
            Some(text_of_all) => {
                let certificates = root("old-ca.crt", &text_of_all)?;
                since_each(&certificates, &text("old-ca.since")?)?
            }
            None => Vec::new(),
        };
        let plugged = optional("plugged-root.crt")?;
        if let Some(certificate) = &plugged {
            root("plugged-root.crt", certificate)?;
        }
        Ok(Self {
            authority: authority("ca.crt", "ca.key")?,
            pair: Pair::from_pem(&text("tls.crt")?, &text("tls.key")?)
                .map_err(|error| StateError::Certificate("tls.crt", error))?,
            next: match optional("next-ca.crt")? {
                Some(_) => Some(authority("next-ca.crt", "next-ca.key")?),
                None => None,
            },
            plugged,
            old,
        })
    }

    /// Returns the contents as the Secret's `data`.
    pub fn data(&self) -> BTreeMap<String, ByteString> {
        let mut data = BTreeMap::new();
        let mut put = |key: &str, text: &str| {
            data.insert(key.to_owned(), ByteString(text.as_bytes().to_vec()));
        };
        put("ca.crt", self.authority.certificate());
        put("ca.key", self.authority.key());
        put("tls.crt", self.pair.chain());
        put("tls.key", self.pair.key());
        if let Some(next) = &self.next {
            put("next-ca.crt", next.certificate());
            put("next-ca.key", next.key());
        }
        if let Some(root) = &self.plugged {
            put("plugged-root.crt", root);
        }
        if !self.old.is_empty() {
            let certificates = self.old.iter().map(|old| old.certificate.as_str());
            put("old-ca.crt", &certificates.collect::<String>());
            let since = self.old.iter().map(|old| old.since.unix_timestamp());
            let since: Vec<_> = since.map(|seconds| seconds.to_string()).collect();
            put("old-ca.since", &since.join("\n"));
        }
        data
    }

    /// Returns the roots that clients must trust: the current, the next and the previous CAs. An
    /// own CA in whose place another one is used is none of them.
    pub fn roots(&self, now: OffsetDateTime) -> Result<Bundle, Error> {
        let is_own = self.plugged.is_none();
        let current = match &self.plugged {
            Some(root) => root.as_str(),
            None => self.authority.certificate(),
        };
        let next = self.next.as_ref().filter(|_| is_own);
        let certificates = [Some(current), next.map(Authority::certificate)];
        let old = self.old.iter().map(|old| old.certificate.as_str());
        let mut roots = Bundle::default();
        for certificate in certificates.into_iter().flatten().chain(old) {
            roots = roots.join(Bundle::from_pem(certificate)?);
        }
        Ok(roots.valid_at(now))
    }

    /// Records that a CA is no longer used, and from when on.
    pub fn retire(&mut self, certificate: String, since: OffsetDateTime) {
        self.reinstate(&certificate);
        self.old.push(Old { certificate, since });
        let surplus = self.old.len().saturating_sub(OLD);
        self.old.drain(..surplus);
    }

    /// Records that a CA is used again, if it was used before.
    pub fn reinstate(&mut self, certificate: &str) {
        self.old.retain(|old| old.certificate != certificate);
    }
}

/// Previous CAs, with the times at which they were replaced, one in a line.
fn since_each(certificates: &Bundle, since: &str) -> Result<Vec<Old>, StateError> {
    let since: Vec<_> = since.split_whitespace().collect();
    if since.len() != certificates.len() {
        return Err(StateError::Time);
    }
    let old = certificates.each().zip(since).map(|(certificate, since)| {
        let seconds = since.parse().ok();
        let since = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        Some(Old {
            certificate: certificate.to_pem(),
            since: since?,
        })
    });
    old.collect::<Option<_>>().ok_or(StateError::Time)
}
