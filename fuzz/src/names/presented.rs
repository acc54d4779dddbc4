//! Certificates and answers, made by instructions.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pillion_certs::mesh::WorkloadKey;
use pillion_envoy_api::envoy::{
    config::core::v3::{DataSource, data_source::Specifier},
    extensions::transport_sockets::tls::v3::{CertificateValidationContext, Secret, secret::Type},
};
use prost::Message as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    DnType, IsCa, KeyPair,
};
use time::{Duration, OffsetDateTime};

use crate::cursor::Cursor;

/// The tags of alternative names: a URI, DNS, mail, an address.
const TAGS: [u8; 6] = [URI, URI, URI, 0x82, 0x81, 0x87];
const URI: u8 = 0x86;
/// Values that mean something.
const VALUES: [&str; 12] = [
    "spiffe://cluster.local/ns/shop/sa/web",
    "spiffe://cluster.local/ns/shop/sa/own",
    "spiffe://other.example/ns/shop/sa/web",
    "spiffe://cluster.local/ns/shop/sa/web/x",
    "spiffe://cluster.local/ns/../sa/web",
    "spiffe://cluster.local/ns/shop/sa/w%65b",
    "spiffe://cluster.local/ns/shop/sa/web;URI=spiffe://cluster.local/ns/shop/sa/own",
    "SPIFFE://cluster.local/ns/shop/sa/web",
    "https://web.example",
    "web.example",
    "\";URI=spiffe://cluster.local/ns/shop/sa/own",
    "\\\r\nx-forwarded-client-cert: By=me",
];
/// The longest answer or secret that is made.
const MAX_BYTES: usize = 1 << 20;

/// The CA, which signs whatever it is told to.
pub(super) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The workload's.
    key: KeyPair,
}

impl Ca {
    pub fn new(key: &WorkloadKey, now: OffsetDateTime) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = now - Duration::DAY;
        params.not_after = now + Duration::days(10);
        let own = KeyPair::generate().expect("a key");
        Self {
            issuer: CertifiedIssuer::self_signed(params, own).expect("a certificate"),
            key: KeyPair::from_pem(&key.to_pem_for_envoy()).expect("a key"),
        }
    }

    pub fn root(&self) -> String {
        self.issuer.pem()
    }
}

/// A certificate that the CA has signed.
#[derive(Debug)]
pub(super) struct Presented {
    pub der: Vec<u8>,
    pub uris: Vec<Vec<u8>>,
    /// Whether it is valid now.
    pub is_of_now: bool,
    /// Whether it has nothing but URIs and a subject.
    pub is_plain: bool,
    /// Whether it was changed after it was signed.
    pub is_spoiled: bool,
}

impl Presented {
    pub fn new(cursor: &mut Cursor<'_>, ca: &Ca, now: OffsetDateTime) -> Self {
        let flags = cursor.byte();
        let mut params = CertificateParams::default();
        let (from, days) = match flags % 4 {
            0 | 1 => (0, 1),
            2 => (-2, 1),
            _ => (1, 1),
        };
        params.not_before = now + Duration::days(from);
        params.not_after = params.not_before + Duration::days(days);
        params.distinguished_name = subject(cursor);
        let (mut uris, mut content, mut is_plain) = (Vec::new(), Vec::new(), true);
        for _ in 0..cursor.below(8) {
            let tag = cursor.pick(&TAGS);
            let value = value(cursor);
            content.extend(element(tag, &value));
            match tag {
                URI => uris.push(value),
                _ => is_plain = false,
            }
        }
        if !content.is_empty() {
            let content = element(0x30, &content);
            let names = CustomExtension::from_oid_content(&[2, 5, 29, 17], content);
            params.custom_extensions = vec![names];
        }
        let signed = params.signed_by(&ca.key, &ca.issuer);
        let mut der = signed.expect("a certificate").der().to_vec();
        let signed = der.clone();
        if flags & 4 != 0 {
            spoil(cursor, &mut der);
        }
        Self {
            is_spoiled: der != signed,
            der,
            uris,
            is_of_now: from == 0,
            is_plain,
        }
    }
}

/// A subject of a few attributes.
fn subject(cursor: &mut Cursor<'_>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    for _ in 0..cursor.below(5) {
        let kind = match cursor.below(4) {
            0 => DnType::CommonName,
            1 => DnType::OrganizationName,
            2 => DnType::OrganizationalUnitName,
            _ => DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, cursor.byte().into()]),
        };
        let value = value(cursor);
        subject.push(kind, String::from_utf8_lossy(&value).into_owned());
    }
    subject
}

/// One of those that mean something, or any, perhaps many times.
fn value(cursor: &mut Cursor<'_>) -> Vec<u8> {
    match cursor.below(16) {
        14 => {
            let often = 1 << cursor.below(12);
            cursor.until(0).repeat(often)
        }
        15 | 13 => cursor.until(0).to_vec(),
        12 => {
            let mut value = VALUES[0].as_bytes().to_vec();
            let at = cursor.below(value.len());
            value[at] = cursor.byte();
            value
        }
        one => VALUES[one].as_bytes().to_vec(),
    }
}

/// DER of that content.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => element.push(short),
        _ => {
            let length = u32::try_from(content.len()).expect("not that long");
            element.push(0x84);
            element.extend(length.to_be_bytes());
        }
    }
    element.extend(content);
    element
}

/// Changes bytes, or cuts the end off.
fn spoil(cursor: &mut Cursor<'_>, der: &mut Vec<u8>) {
    for _ in 0..=cursor.below(8) {
        let place = usize::from(u16::from_be_bytes([cursor.byte(), cursor.byte()]));
        let byte = cursor.byte();
        match der.get_mut(place) {
            Some(old) => *old = byte,
            None => der.truncate(der.len() - der.len().min(byte.into())),
        }
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// The elements of an answer: that certificate, and others above it.
pub(super) fn answer(presented: &Presented, cursor: &mut Cursor<'_>, ca: &Ca) -> Vec<String> {
    let mut elements = vec![pem(&presented.der)];
    for _ in 0..cursor.below(18) {
        let text = match cursor.below(5) {
            0 => ca.root(),
            1 => pem(&presented.der),
            2 => String::from_utf8_lossy(cursor.until(0)).into_owned(),
            _ => many(cursor, ca),
        };
        elements.push(text);
    }
    elements.push(ca.root());
    elements
}

/// Roots that are not the same.
fn many(cursor: &mut Cursor<'_>, ca: &Ca) -> String {
    let mut der = ca.issuer.der().to_vec();
    let count: u16 = 1 << cursor.below(11);
    let most = MAX_BYTES / (2 * der.len());
    let each = (0..count).take(most).map(|number| {
        // Each is another one, for the signature's sake that nobody checks.
        if let Some(last) = der.last_chunk_mut() {
            *last = number.to_be_bytes();
        }
        pem(&der)
    });
    each.collect()
}

/// The secret with the mesh's roots.
pub(super) fn roots(cursor: &mut Cursor<'_>, ca: &Ca) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..cursor.below(4) {
        match cursor.below(4) {
            0 => text.extend(cursor.until(0)),
            1 => {
                let mut der = ca.issuer.der().to_vec();
                spoil(cursor, &mut der);
                text.extend(pem(&der).into_bytes());
            }
            2 => text.extend(ca.root().into_bytes()),
            _ => text.extend(many(cursor, ca).into_bytes()),
        }
    }
    let specifier = match cursor.below(4) {
        0 => Specifier::InlineString(String::from_utf8_lossy(&text).into_owned()),
        1 => Specifier::Filename("/etc/passwd".to_owned()),
        _ => Specifier::InlineBytes(text.into()),
    };
    let context = CertificateValidationContext {
        trusted_ca: Some(DataSource {
            specifier: Some(specifier),
        }),
        ..CertificateValidationContext::default()
    };
    let secret = Secret {
        name: "ROOTCA".to_owned(),
        r#type: Some(Type::ValidationContext(context)),
    };
    secret.encode_to_vec()
}
