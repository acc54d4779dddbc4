//! The names of a certificate's owner.

use x509_parser::{
    asn1_rs::Tag, certificate::X509Certificate, error::X509Error, extensions::GeneralName,
};

/// The tag of a URI (RFC 5280, 4.2.1.6).
const URI: Tag = Tag(6);

/// The URIs and DNS names of a certificate's owner.
#[derive(Debug, Default)]
pub(crate) struct AlternativeNames<'a> {
    pub uris: Vec<&'a str>,
    pub dns: Vec<&'a str>,
}

impl<'a> AlternativeNames<'a> {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// Returns an error if they can't be read. A URI that is not text is one that can't: a workload's certificate has
    /// one URI, so none is passed over.
    pub fn of(certificate: &X509Certificate<'a>) -> Result<Self, X509Error> {
        let mut found = Self::default();
        let names = certificate.subject_alternative_name()?;
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::URI(uri) => found.uris.push(uri),
                GeneralName::DNSName(name) => found.dns.push(name),
                GeneralName::Invalid(URI, _) => return Err(X509Error::InvalidExtensions),
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, KeyPair};
    use x509_parser::prelude::FromDer as _;

    use super::*;

    const URI: &[u8] = b"\x86\x14spiffe://a/ns/b/sa/c";
    const DNS: &[u8] = b"\x82\x09a.example";
    const NOT_TEXT: &[u8] = b"\x86\x03a:\xff";
    const NOT_A_NAME: &[u8] = b"\x82\x01\xff";

    /// The URIs and DNS names of a certificate with these names.
    fn read(names: &[&[u8]]) -> Option<(Vec<String>, Vec<String>)> {
        let names = names.concat();
        let mut content = vec![0x30, u8::try_from(names.len()).unwrap()];
        content.extend(names);
        let mut params = CertificateParams::default();
        let names = CustomExtension::from_oid_content(&[2, 5, 29, 17], content);
        params.custom_extensions = vec![names];
        let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, certificate) = X509Certificate::from_der(signed.der()).unwrap();
        let names = AlternativeNames::of(&certificate).ok()?;
        let owned = |names: Vec<&str>| names.into_iter().map(ToOwned::to_owned).collect();
        Some((owned(names.uris), owned(names.dns)))
    }

    #[test]
    fn uris_and_dns_names_are_told_apart() {
        let (uris, dns) = read(&[DNS, URI, NOT_A_NAME]).unwrap();
        assert_eq!(uris, ["spiffe://a/ns/b/sa/c"]);
        assert_eq!(dns, ["a.example"]);
    }

    #[test]
    fn a_uri_that_is_not_text_is_not_passed_over() {
        assert_eq!(read(&[URI, NOT_TEXT]), None);
    }
}
