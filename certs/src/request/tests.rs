use pem::Pem;
use rcgen::{
    CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA512, SignatureAlgorithm,
};

use super::*;
use crate::der::{SEQUENCE, bits, element, number};

fn request(algorithm: &'static SignatureAlgorithm) -> String {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let params = CertificateParams::default();
    params.serialize_request(&key).unwrap().pem().unwrap()
}

fn contents(text: &str) -> Vec<u8> {
    pem::parse(text).unwrap().into_contents()
}

fn to_pem(contents: Vec<u8>) -> String {
    pem::encode(&Pem::new("CERTIFICATE REQUEST", contents))
}

/// A request for this key that somebody else signed, by this algorithm.
fn unsigned(key: &[u8], algorithm: &[u8]) -> String {
    let nobody = element(SEQUENCE, &[]);
    let content = [&number(&[]), &nobody, key, &element(0xa0, &[])];
    let content = element(SEQUENCE, &content);
    to_pem(element(SEQUENCE, &[&content, algorithm, &bits(&[0; 64])]))
}

const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const RSA_SHA256: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00";
const RSA_SHA1: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00";

fn rsa(bits_of_modulus: usize, exponent: &[u8]) -> Vec<u8> {
    let mut modulus = vec![0xff; bits_of_modulus.div_ceil(8)];
    modulus[0] >>= (8 - bits_of_modulus % 8) % 8;
    let numbers = element(SEQUENCE, &[&number(&modulus), &number(exponent)]);
    element(SEQUENCE, &[RSA, &bits(&numbers)])
}

#[test]
fn accepts_keys_that_peers_accept() {
    for (algorithm, kind) in [
        (&PKCS_ECDSA_P256_SHA256, Kind::Ecdsa),
        (&PKCS_ECDSA_P384_SHA384, Kind::Ecdsa),
        (&PKCS_RSA_SHA256, Kind::Rsa),
        (&PKCS_RSA_SHA512, Kind::Rsa),
    ] {
        let request = CertificateRequest::from_pem(&request(algorithm)).unwrap();
        assert_eq!(request.key.kind, kind, "{algorithm:?}");
    }
}

#[test]
fn keeps_nothing_but_the_key() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["admin.example".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "admin");
    let named = params.serialize_request(&key).unwrap().pem().unwrap();
    let plain = CertificateParams::default().serialize_request(&key);
    let plain = plain.unwrap().pem().unwrap();
    assert_ne!(named, plain);
    let [named, plain] = [named, plain].map(|text| CertificateRequest::from_pem(&text).unwrap());
    assert_eq!(named, plain);
    // The key is written as it came.
    let der = rcgen::PublicKeyData::subject_public_key_info(&key);
    assert_eq!(named.key.der, der);
}

#[test]
fn refuses_keys_with_words() {
    let weak = |text: &str, why: &str| match CertificateRequest::from_pem(text) {
        Err(RequestError::WeakKey(words)) => assert!(words.contains(why), "{words}: {why}"),
        other => panic!("{why}: {other:?}"),
    };
    let exponent = &[1, 0, 1][..];
    weak(&request(&PKCS_ECDSA_P521_SHA512), "P-256 or P-384");
    weak(&request(&PKCS_ED25519), "ECDSA on P-256 or P-384, or RSA");
    weak(&unsigned(&rsa(1024, exponent), RSA_SHA256), "at least 2048");
    weak(&unsigned(&rsa(2047, exponent), RSA_SHA256), "at least 2048");
    weak(&unsigned(&rsa(8193, exponent), RSA_SHA256), "at most 8192");
    weak(&unsigned(&rsa(2048, &[3]), RSA_SHA256), "at least 65537");
    weak(&unsigned(&rsa(2048, &[1, 0, 2]), RSA_SHA256), "odd");
    weak(&unsigned(&rsa(2048, &[0xff; 5]), RSA_SHA256), "32 bits");
    weak(&unsigned(&rsa(2048, &[0xff; 9]), RSA_SHA256), "32 bits");
    let empty = element(SEQUENCE, &[RSA, &bits(&[])]);
    weak(&unsigned(&empty, RSA_SHA256), "malformed");
    // A compressed point, and one that is too short.
    let mut point = contents(&request(&PKCS_ECDSA_P256_SHA256));
    let start = point.windows(2).position(|pair| pair == [0, 4]).unwrap();
    point[start + 1] = 3;
    weak(&to_pem(point), "uncompressed");
}

#[test]
fn refuses_a_key_that_the_sender_does_not_hold() {
    let refused = |text: &str| CertificateRequest::from_pem(text).unwrap_err();
    for bits in [2048, 8192] {
        let stolen = unsigned(&rsa(bits, &[1, 0, 1]), RSA_SHA256);
        assert_eq!(refused(&stolen), RequestError::BadSignature);
    }
    let mut damaged = contents(&request(&PKCS_ECDSA_P256_SHA256));
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&to_pem(damaged)), RequestError::BadSignature);
    // The point is not on the curve.
    let mut moved = contents(&request(&PKCS_ECDSA_P256_SHA256));
    let start = moved.windows(2).position(|pair| pair == [0, 4]).unwrap();
    moved[start + 9] ^= 1;
    assert_eq!(refused(&to_pem(moved)), RequestError::BadSignature);
    let old = unsigned(&rsa(2048, &[1, 0, 1]), RSA_SHA1);
    assert_eq!(refused(&old), RequestError::WeakSignature);
    // An RSA key can't have signed by ECDSA.
    let ecdsa = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
    let mixed = unsigned(&rsa(2048, &[1, 0, 1]), ecdsa);
    assert_eq!(refused(&mixed), RequestError::WeakSignature);
}

#[test]
fn refuses_what_is_no_request() {
    let refused = |text: &str| CertificateRequest::from_pem(text).unwrap_err();
    let good = request(&PKCS_ECDSA_P256_SHA256);
    for text in [
        "",
        "garbage",
        &good.replace("CERTIFICATE REQUEST", "CERTIFICATE"),
        &good.repeat(2),
        &good[..good.len() / 2],
    ] {
        assert_eq!(refused(text), RequestError::NotPem, "{text}");
    }
    let trailing = [contents(&good), vec![0]].concat();
    for garbage in [vec![], vec![0x30], vec![0xff; 1000], trailing] {
        assert_eq!(refused(&to_pem(garbage)), RequestError::NotARequest);
    }
    let old = good.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert!(CertificateRequest::from_pem(&old).is_ok());
}

#[test]
fn refuses_what_is_too_long_before_it_reads_it() {
    let good = request(&PKCS_ECDSA_P256_SHA256);
    let padded = format!("{good}{}", "\n".repeat(CertificateRequest::MAX_BYTES));
    let refused = CertificateRequest::from_pem(&padded).unwrap_err();
    assert_eq!(refused, RequestError::TooLong);
}
