//! What a workload's certificate says.

use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use super::fault::{PeerFault, few};
use crate::{
    SpiffeId, Validity, alternative_names::AlternativeNames, hexadecimal::hexadecimal, shown::shown,
};

/// A parsed certificate, and what it says about its owner. Fields are copied only when they are asked for: most are
/// never needed for a peer that is accepted.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    parsed: X509Certificate<'a>,
    pub(super) uris: Vec<&'a str>,
    pub(super) dns_names: Vec<&'a str>,
}

impl<'a> Certificate<'a> {
    pub(super) fn read(der: &'a [u8]) -> Result<Self, PeerFault> {
        let (_, parsed) =
            X509Certificate::from_der(der).map_err(|_| PeerFault::Malformed("it is no X.509"))?;
        let names = AlternativeNames::of(&parsed)
            .map_err(|_| PeerFault::Malformed("its alternative names can't be read"))?;
        Ok(Self {
            parsed,
            uris: names.uris,
            dns_names: names.dns,
        })
    }

    /// The identity: the only URI.
    pub(super) fn identity(&self) -> Result<SpiffeId, PeerFault> {
        match self.uris.as_slice() {
            [] => Err(PeerFault::NoUri { peer: self.owner() }),
            [uri] => uri
                .parse()
                .map_err(|_| PeerFault::NotSpiffe { found: shown(uri) }),
            several => Err(PeerFault::SeveralUris {
                found: few(several.iter().map(|uri| shown(uri))),
            }),
        }
    }

    /// The subject by RFC 2253; empty if it is too long.
    pub(super) fn subject(&self) -> String {
        name(self.parsed.subject())
    }

    /// The issuer in the same form.
    pub(super) fn issuer(&self) -> String {
        name(self.parsed.issuer())
    }

    /// The serial number in hexadecimal digits.
    pub(super) fn serial(&self) -> String {
        let serial = self.parsed.raw_serial();
        // The first byte may be there for the sign only.
        hexadecimal(serial.strip_prefix(&[0]).unwrap_or(serial))
    }

    pub(super) fn validity(&self) -> Validity {
        let validity = self.parsed.validity();
        Validity {
            not_before: validity.not_before.to_datetime(),
            not_after: validity.not_after.to_datetime(),
        }
    }

    /// Whom it says that it belongs to, as it may be shown.
    pub(super) fn owner(&self) -> String {
        if let (Some(name), _) | (None, Some(name)) = (self.uris.first(), self.dns_names.first()) {
            return shown(name);
        }
        match self.subject() {
            subject if !subject.is_empty() => shown(&subject),
            _ => format!("an unnamed peer (serial number {})", shown(&self.serial())),
        }
    }
}

/// A name by RFC 2253, as Envoy writes it: the most specific part first.
fn name(name: &X509Name<'_>) -> String {
    let parts: Vec<String> = name
        .iter_rdn()
        .map(|part| {
            let attributes = part.iter().map(|attribute| {
                let id = attribute.attr_type();
                let label =
                    x509_parser::objects::oid2abbrev(id, x509_parser::objects::oid_registry())
                        .map_or_else(|_| id.to_id_string(), ToOwned::to_owned);
                format!(
                    "{label}={}",
                    escaped(attribute.as_str().unwrap_or_default())
                )
            });
            attributes.collect::<Vec<_>>().join("+")
        })
        .collect();
    let subject = parts.into_iter().rev().collect::<Vec<_>>().join(",");
    match subject.len() > LONGEST_SUBJECT {
        true => String::new(),
        false => subject,
    }
}

/// The longest subject that is told, in bytes: it goes into a header of every request.
const LONGEST_SUBJECT: usize = 1024;

/// An attribute's value, with the characters that RFC 2253 gives a meaning marked. Control characters and
/// those beyond ASCII are written as their bytes, as OpenSSL does: the text goes into a header.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        let is_special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        let is_edge =
            character == ' ' && (place == 0 || place == last) || character == '#' && place == 0;
        if is_special || is_edge {
            escaped.push('\\');
        }
        if character == ' ' || character.is_ascii_graphic() {
            escaped.push(character);
        } else {
            let bytes = character
                .encode_utf8(&mut [0; 4])
                .bytes()
                .collect::<Vec<_>>();
            escaped.extend(bytes.iter().map(|byte| format!("\\{byte:02X}")));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(params: CertificateParams) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn subject(params: CertificateParams) -> String {
        Certificate::read(&certificate(params)).unwrap().subject()
    }

    #[test]
    fn writes_the_subject_by_rfc_2253() {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in [
            (DnType::CountryName, "DE"),
            (DnType::OrganizationName, "Meier, Söhne\r\n + Co"),
            (DnType::CommonName, " #web"),
        ] {
            params.distinguished_name.push(kind, value);
        }
        assert_eq!(
            subject(params),
            "CN=\\ #web,O=Meier\\, S\\C3\\B6hne\\0D\\0A \\+ Co,C=DE"
        );
        assert_eq!(escaped("#a"), "\\#a");
    }

    #[test]
    fn tells_no_subject_that_is_too_long_for_a_header() {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let long = "a".repeat(LONGEST_SUBJECT);
        params.distinguished_name.push(DnType::CommonName, long);
        assert_eq!(subject(params), "");
    }

    #[test]
    fn names_its_owner_by_the_best_name_that_it_has() {
        let with = |common_name: &str, names: &[SanType]| {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            if !common_name.is_empty() {
                let name = &mut params.distinguished_name;
                name.push(DnType::CommonName, common_name);
            }
            params.subject_alt_names = names.to_vec();
            Certificate::read(&certificate(params)).unwrap().owner()
        };
        let uri = SanType::URI("spiffe://a/ns/b/sa/c".try_into().unwrap());
        let dns = SanType::DnsName("web.example".try_into().unwrap());
        assert_eq!(with("web", &[dns.clone(), uri]), "spiffe://a/ns/b/sa/c");
        assert_eq!(with("web", &[dns]), "web.example");
        assert_eq!(with("web", &[]), "CN=web");
        assert!(with("", &[]).starts_with("an unnamed peer (serial number "));
    }

    #[test]
    fn refuses_what_is_no_certificate() {
        for bytes in [&b""[..], b"\x30\x00", &[0xff; 64]] {
            let fault = Certificate::read(bytes).unwrap_err();
            assert_eq!(fault, PeerFault::Malformed("it is no X.509"));
        }
    }
}
