//! What a workload's certificate says.

use time::OffsetDateTime;

use crate::{
    SpiffeId,
    der::{OCTET_STRING, SEQUENCE, element, number, time},
    public_key::{Kind, PublicKey},
};

/// Version 3.
const VERSION: &[u8] = &[0xa0, 0x03, 0x02, 0x01, 0x02];
const TRUE: &[u8] = &[0x01, 0x01, 0xff];
const KEY_USAGE: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x0f];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x13];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x25];
const SERVER_AUTH: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT_AUTH: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
/// `digitalSignature`.
const SIGN: &[u8] = &[0x03, 0x02, 0x07, 0x80];
/// `digitalSignature` and `keyEncipherment`.
const SIGN_AND_ENCIPHER: &[u8] = &[0x03, 0x02, 0x05, 0xa0];

/// What the certificate of a workload says, to be signed.
pub(super) struct Content<'a> {
    pub(super) serial: [u8; 16],
    /// The issuer's `Name`, byte by byte as the issuer's own certificate has it.
    pub(super) issuer: &'a [u8],
    pub(super) issuer_key: Option<&'a [u8]>,
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
    pub(super) key: &'a PublicKey,
    pub(super) identity: &'a SpiffeId,
}

impl Content<'_> {
    /// Encodes the `TBSCertificate`, to be signed with this algorithm. As in Istio, the subject is
    /// empty, and the identity is the only name.
    pub(super) fn to_der(&self, algorithm: &[u8]) -> Vec<u8> {
        let period = [time(self.not_before), time(self.not_after)];
        let usage = match self.key.kind {
            Kind::Ecdsa => SIGN,
            Kind::Rsa => SIGN_AND_ENCIPHER,
        };
        let purposes = element(SEQUENCE, &[SERVER_AUTH, CLIENT_AUTH]);
        let name = element(0x86, &[self.identity.as_str().as_bytes()]);
        let mut extensions = vec![
            extension(KEY_USAGE, true, usage),
            extension(EXTENDED_KEY_USAGE, false, &purposes),
            // Not a CA.
            extension(BASIC_CONSTRAINTS, true, &element(SEQUENCE, &[])),
        ];
        if let Some(key) = self.issuer_key {
            let identifier = element(SEQUENCE, &[&element(0x80, &[key])]);
            extensions.push(extension(AUTHORITY_KEY_IDENTIFIER, false, &identifier));
        }
        let names = element(SEQUENCE, &[&name]);
        extensions.push(extension(SUBJECT_ALTERNATIVE_NAME, true, &names));
        let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
        element(
            SEQUENCE,
            &[
                VERSION,
                &number(&self.serial),
                algorithm,
                self.issuer,
                &element(SEQUENCE, &[&period[0], &period[1]]),
                &element(SEQUENCE, &[]),
                &self.key.der,
                &element(0xa3, &[&element(SEQUENCE, &extensions)]),
            ],
        )
    }
}

fn extension(id: &[u8], is_critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if is_critical { TRUE } else { &[] };
    element(SEQUENCE, &[id, critical, &element(OCTET_STRING, &[value])])
}
