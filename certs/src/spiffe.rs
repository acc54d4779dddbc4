//! Identities of workloads.

use std::{fmt, str::FromStr};

use crate::{Error, shown::shown};

const SCHEME: &str = "spiffe://";
/// The longest identity, in bytes (SPIFFE-ID 2.3).
const LONGEST: usize = 2048;
/// The longest trust domain, in bytes (SPIFFE-ID 2.3).
const LONGEST_TRUST_DOMAIN: usize = 255;

/// A workload's identity as Istio gives them: `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    text: String,
    trust_domain: usize,
    namespace: usize,
}

impl SpiffeId {
    /// The identity of a service account.
    ///
    /// # Errors
    ///
    /// Returns an error if a part is empty, too long, or has a character that the SPIFFE-ID
    /// specification does not allow.
    pub fn new(trust_domain: &str, namespace: &str, service_account: &str) -> Result<Self, Error> {
        let text = format!("{SCHEME}{trust_domain}/ns/{namespace}/sa/{service_account}");
        let is_valid = is_trust_domain(trust_domain)
            && is_segment(namespace)
            && is_segment(service_account)
            && text.len() <= LONGEST;
        if !is_valid {
            return Err(refused(&text));
        }
        Ok(Self {
            text,
            trust_domain: trust_domain.len(),
            namespace: namespace.len(),
        })
    }

    /// The whole identity.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.text[SCHEME.len()..SCHEME.len() + self.trust_domain]
    }

    /// The workload's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        let start = SCHEME.len() + self.trust_domain + "/ns/".len();
        &self.text[start..start + self.namespace]
    }

    /// The workload's service account.
    #[must_use]
    pub fn service_account(&self) -> &str {
        let before = "/ns/".len() + self.namespace + "/sa/".len();
        &self.text[SCHEME.len() + self.trust_domain + before..]
    }
}

impl FromStr for SpiffeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Option<Vec<&str>> = text
            .strip_prefix(SCHEME)
            .map(|rest| rest.splitn(6, '/').collect());
        match parts.as_deref() {
            Some([trust_domain, "ns", namespace, "sa", account]) => {
                Self::new(trust_domain, namespace, account)
            }
            _ => Err(refused(text)),
        }
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is no identity. A certificate that says it may say anything, and the error is logged.
fn refused(text: &str) -> Error {
    Error::Spiffe(shown(text))
}

fn is_trust_domain(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
    };
    (1..=LONGEST_TRUST_DOMAIN).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !matches!(text, "" | "." | "..") && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_its_parts() {
        let id: SpiffeId = "spiffe://cluster.local/ns/shop/sa/web".parse().unwrap();
        assert_eq!(id, SpiffeId::new("cluster.local", "shop", "web").unwrap());
        let parts = (id.trust_domain(), id.namespace(), id.service_account());
        assert_eq!(parts, ("cluster.local", "shop", "web"));
        assert_eq!(id.to_string(), "spiffe://cluster.local/ns/shop/sa/web");
    }

    #[test]
    fn rejects_what_is_not_one() {
        let long = "a".repeat(256);
        for text in [
            "",
            "spiffe://",
            "https://cluster.local/ns/shop/sa/web",
            "SPIFFE://cluster.local/ns/shop/sa/web",
            "spiffe://Cluster.local/ns/shop/sa/web",
            "spiffe://cluster.local:80/ns/shop/sa/web",
            "spiffe://me@cluster.local/ns/shop/sa/web",
            "spiffe:///ns/shop/sa/web",
            "spiffe://cluster.local/ns//sa/web",
            "spiffe://cluster.local/ns/../sa/web",
            "spiffe://cluster.local/ns/shop/sa/",
            "spiffe://cluster.local/ns/shop/sa/web/",
            "spiffe://cluster.local/ns/shop/sa/web/x",
            "spiffe://cluster.local/ns/shop/sa/web?x",
            "spiffe://cluster.local/ns/shop/sa/web#x",
            "spiffe://cluster.local/ns/shop/sa/w%65b",
            "spiffe://cluster.local/sa/web/ns/shop",
            "spiffe://cluster.local/ns/shop/sa/wéb",
            &format!("spiffe://{long}/ns/shop/sa/web"),
            &format!("spiffe://cluster.local/ns/shop/sa/{}", "a".repeat(2048)),
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text}");
        }
    }

    #[test]
    fn shows_what_is_no_identity_bounded_and_without_control_characters() {
        let text = format!("spiffe://a\n{}", "b".repeat(2 * LONGEST));
        let shown = text.parse::<SpiffeId>().unwrap_err().to_string();
        assert!(shown.contains("spiffe://a\\n"), "{shown}");
        assert!(shown.len() < 600, "{}", shown.len());
    }
}
