//! The contents of the Secret that all replicas share: a CA, a serving certificate, and
//! during a rotation the next or the previous CA.

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
    /// The previous CA: still trusted, no longer used.
    pub old: Option<Old>,
}

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
    #[error("the key old-ca.since is not a Unix timestamp")]
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
        let old = match optional("old-ca.crt")? {
            Some(certificate) => {
                Bundle::from_pem(&certificate)
                    .map_err(|error| StateError::Certificate("old-ca.crt", error))?;
                let seconds = text("old-ca.since")?
                    .parse()
                    .map_err(|_| StateError::Time)?;
                let since = OffsetDateTime::from_unix_timestamp(seconds);
                Some(Old {
                    certificate,
                    since: since.map_err(|_| StateError::Time)?,
                })
            }
            None => None,
        };
        Ok(Self {
            authority: authority("ca.crt", "ca.key")?,
            pair: Pair::from_pem(&text("tls.crt")?, &text("tls.key")?)
                .map_err(|error| StateError::Certificate("tls.crt", error))?,
            next: match optional("next-ca.crt")? {
                Some(_) => Some(authority("next-ca.crt", "next-ca.key")?),
                None => None,
            },
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
        if let Some(old) = &self.old {
            put("old-ca.crt", &old.certificate);
            put("old-ca.since", &old.since.unix_timestamp().to_string());
        }
        data
    }

    /// Returns the roots that API servers must trust: the current, the next and the previous
    /// CA.
    pub fn roots(&self, now: OffsetDateTime) -> Result<Bundle, Error> {
        let certificates = [
            Some(self.authority.certificate()),
            self.next.as_ref().map(Authority::certificate),
            self.old.as_ref().map(|old| old.certificate.as_str()),
        ];
        let mut roots = Bundle::default();
        for certificate in certificates.into_iter().flatten() {
            roots = roots.join(Bundle::from_pem(certificate)?);
        }
        Ok(roots.valid_at(now))
    }
}
