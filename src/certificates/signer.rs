//! The CA that signs the certificates of workloads, and for whom it does so: for those who
//! trust its roots.

use pillion_certs::{Authority, Bundle, Error, Pair};
use time::{Duration, OffsetDateTime};

/// A CA with the certificates between it and its root.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    authority: Authority,
    /// In PEM, the lowest first and without the root; `None` if it is the root itself.
    above: Option<String>,
}

impl Signer {
    /// A CA that is a root.
    pub fn root(authority: Authority) -> Self {
        Self {
            authority,
            above: None,
        }
    }

    /// A CA under a root, with the certificates between them in PEM, the lowest first.
    pub fn under_root(authority: Authority, above: String) -> Self {
        Self {
            authority,
            above: Some(above),
        }
    }

    /// Returns its certificate and those between it and the root, in PEM.
    pub fn chain(&self) -> String {
        let above = self.above.as_deref().unwrap_or_default();
        joined(self.authority.certificate(), above)
    }

    /// Returns its private key in PEM.
    pub fn key(&self) -> &str {
        self.authority.key()
    }

    /// Returns when it expires.
    ///
    /// # Errors
    ///
    /// Returns an error if its certificate can't be read.
    pub fn not_after(&self) -> Result<OffsetDateTime, Error> {
        Ok(self.authority.validity()?.not_after)
    }

    /// Issues a serving certificate with a new key; its chain ends below the root.
    ///
    /// # Errors
    ///
    /// Returns an error if a name is invalid, or the key can't be generated.
    pub fn issue(
        &self,
        names: &[String],
        now: OffsetDateTime,
        lifetime: Duration,
    ) -> Result<Pair, Error> {
        let pair = self.authority.issue(names, now, lifetime)?;
        if self.above.is_none() {
            return Ok(pair);
        }
        let chain = joined(pair.chain(), &self.chain());
        Pair::from_pem(&chain, pair.key())
    }
}

impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key() && self.chain() == other.chain()
    }
}

/// What certificates are signed with, and the roots that are trusted with it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Issuing {
    /// The CA.
    pub signer: Signer,
    /// All roots that are trusted, its own among them.
    pub roots: Bundle,
}

/// Texts of PEM, one after the other.
fn joined(first: &str, second: &str) -> String {
    let newline = if first.ends_with('\n') { "" } else { "\n" };
    format!("{first}{newline}{second}")
}
