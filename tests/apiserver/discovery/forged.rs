//! Tokens that the API server has not made.

use std::fs;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use pillion_envtest::ControlPlane;
use rcgen::KeyPair;
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The same token, as it is an hour after its end.
pub fn expired(plane: &ControlPlane, token: &str) -> String {
    let key = fs::read_to_string(plane.folder().join("accounts.key")).unwrap();
    let key = KeyPair::from_pem(&key).unwrap();
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let (header, mut claims) = parts(token);
    for (claim, hours) in [("iat", 2), ("nbf", 2), ("exp", 1)] {
        claims[claim] = json!(now - hours * 3600);
    }
    signed(&header, &claims, &key)
}

/// The same token with the signature of another key.
pub fn by_another(token: &str) -> String {
    let (header, claims) = parts(token);
    signed(&header, &claims, &KeyPair::generate().unwrap())
}

fn parts(token: &str) -> (String, Value) {
    let mut parts = token.split('.');
    let header = parts.next().unwrap().to_owned();
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(parts.next().unwrap())
        .unwrap();
    (header, serde_json::from_slice(&claims).unwrap())
}

fn signed(header: &str, claims: &Value, key: &KeyPair) -> String {
    let claims = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    let message = format!("{header}.{claims}");
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, &key.serialize_der()).unwrap();
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
