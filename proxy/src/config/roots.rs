//! The roots of the mesh, as the server has sent them.

use std::sync::Arc;

use pillion_certs::Bundle;
use pillion_xds::Resource;
use tokio::sync::watch;

use super::{
    compile::{self, ROOTS},
    store::Refused,
};

/// Gives the roots to whoever trusts by them. What can't be used changes nothing.
#[derive(Debug)]
pub(super) struct Roots(watch::Sender<Option<Arc<Bundle>>>);

impl Roots {
    /// Gives them by that channel.
    pub fn new(sender: watch::Sender<Option<Arc<Bundle>>>) -> Self {
        Self(sender)
    }

    /// Takes an update. Returns what is refused of it.
    pub fn apply(&self, changed: Vec<Resource>, removed: &[Arc<str>]) -> Vec<Refused> {
        if removed.iter().any(|name| **name == *ROOTS) {
            self.set(None);
        }
        let mut refused = Vec::new();
        for Resource {
            name,
            version,
            body,
        } in changed
        {
            match compile::roots(&name, &body.value) {
                Ok(roots) if *name == *ROOTS => self.set(Some(Arc::new(roots))),
                // Nobody has asked for it.
                Ok(_) => {}
                Err(fault) => refused.push(Refused::new((name, version), &fault, false)),
            }
        }
        refused
    }

    fn set(&self, roots: Option<Arc<Bundle>>) {
        self.0.send_if_modified(|current| {
            let is_new = *current != roots;
            if is_new {
                *current = roots;
            }
            is_new
        });
    }
}

#[cfg(test)]
mod tests {
    use pillion_certs::Authority;
    use pillion_envoy_api::{
        any,
        envoy::{
            config::core::v3::{DataSource, data_source::Specifier},
            extensions::transport_sockets::tls::v3::{
                CertificateValidationContext, Secret, TlsCertificate, secret::Type,
            },
        },
        type_url,
    };
    use time::{Duration, OffsetDateTime};

    use super::*;

    fn root() -> String {
        let now = OffsetDateTime::now_utc();
        let authority = Authority::generate("root", now, Duration::DAY).unwrap();
        authority.certificate().to_owned()
    }

    fn secret(r#type: Type) -> Resource {
        let secret = Secret {
            name: ROOTS.to_owned(),
            r#type: Some(r#type),
        };
        Resource::new(ROOTS, any(type_url::SECRET, &secret))
    }

    fn context(pem: &str) -> Resource {
        let specifier = Some(Specifier::InlineBytes(pem.to_owned().into_bytes().into()));
        secret(Type::ValidationContext(CertificateValidationContext {
            trusted_ca: Some(DataSource { specifier }),
            ..CertificateValidationContext::default()
        }))
    }

    #[test]
    fn the_last_good_roots_stay_until_they_are_removed() {
        let (sender, mut receiver) = watch::channel(None);
        let roots = Roots::new(sender);
        let pem = root();
        assert!(roots.apply(vec![context(&pem)], &[]).is_empty());
        let held = receiver.borrow_and_update().clone().unwrap();
        assert_eq!(*held, Bundle::from_pem(&pem).unwrap());

        assert!(roots.apply(vec![context(&pem)], &[]).is_empty());
        assert!(!receiver.has_changed().unwrap());
        for (bad, reason) in [
            (
                context("no PEM"),
                "validation_context.trusted_ca.inline_bytes: has no certificates",
            ),
            (
                secret(Type::TlsCertificate(TlsCertificate::default())),
                "tls_certificate: is not taken: this proxy makes its key itself",
            ),
            (
                secret(Type::ValidationContext(Default::default())),
                "validation_context.trusted_ca: is missing",
            ),
        ] {
            let refused = roots.apply(vec![bad], &[]);
            let reasons: Vec<_> = refused.iter().map(|it| it.reason.as_str()).collect();
            assert_eq!(reasons, [reason]);
            assert!(!receiver.has_changed().unwrap());
        }

        roots.apply(Vec::new(), &[Arc::from("other"), Arc::from(ROOTS)]);
        assert!(receiver.borrow_and_update().is_none());
    }

    #[test]
    fn too_many_and_too_long_are_refused() {
        let (sender, receiver) = watch::channel(None);
        let roots = Roots::new(sender);
        let many: String = (0..65).map(|_| root()).collect();
        let long = format!("{}{}", root(), " ".repeat(256 * 1024));
        for text in [many, long] {
            let refused = roots.apply(vec![context(&text)], &[]);
            assert!(refused[0].reason.contains("are the most"), "{refused:?}");
        }
        assert!(receiver.borrow().is_none());
    }
}
