//! Records of TLS, encrypted, whatever is in them.

use rustls::{
    ClientConnection, ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite,
    Tls13CipherSuite,
    crypto::{
        cipher::{AeadKey, Iv, MessageEncrypter, OutboundChunks, OutboundPlainMessage},
        tls13::OkmBlock,
    },
};

/// The type of a message in a handshake (RFC 8446, 4.6.3).
const KEY_UPDATE: u8 = 24;
/// Ask for one in return.
const REQUESTED: u8 = 1;

/// Makes the records of a client whose handshake is done.
pub struct Records {
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
    /// What the next keys are made of (TLS 1.3).
    traffic: Option<(&'static Tls13CipherSuite, Vec<u8>)>,
}

impl Records {
    /// Goes on where a client is. TLS 1.3 has that secret of it.
    pub fn new(tls: ClientConnection, secret: Vec<u8>) -> Self {
        match tls.negotiated_cipher_suite().unwrap() {
            SupportedCipherSuite::Tls13(suite) => Self {
                encrypter: encrypter(suite, &secret),
                sequence: 0,
                traffic: Some((suite, secret)),
            },
            SupportedCipherSuite::Tls12(suite) => {
                let (sequence, secrets) = tls.dangerous_extract_secrets().unwrap().tx;
                let ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } = secrets else {
                    panic!("another cipher");
                };
                Self {
                    encrypter: suite.aead_alg.encrypter(key, iv.as_ref(), &[]),
                    sequence,
                    traffic: None,
                }
            }
        }
    }

    /// A record.
    pub fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(payload),
        };
        let sealed = self.encrypter.encrypt(message, self.sequence).unwrap();
        self.sequence += 1;
        sealed.encode()
    }

    /// An update of keys, which asks for one in return. What follows has the next ones.
    pub fn key_update(&mut self) -> Vec<u8> {
        let record = self.record(ContentType::Handshake, &[KEY_UPDATE, 0, 0, 1, REQUESTED]);
        let (suite, secret) = self.traffic.as_mut().unwrap();
        let mut next = vec![0; secret.len()];
        expand(suite, secret, b"traffic upd", &mut next);
        *secret = next;
        self.encrypter = encrypter(suite, secret);
        self.sequence = 0;
        record
    }
}

/// The keys that are made of a secret (RFC 8446, 7.3).
fn encrypter(suite: &Tls13CipherSuite, secret: &[u8]) -> Box<dyn MessageEncrypter> {
    let (mut key, mut iv) = ([0; 32], [0; 12]);
    expand(suite, secret, b"key", &mut key);
    expand(suite, secret, b"iv", &mut iv);
    let (key, iv) = (AeadKey::from(key), Iv::new(iv));
    suite.aead_alg.encrypter(key, iv)
}

/// HKDF-Expand-Label, without a context (RFC 8446, 7.1).
fn expand(suite: &Tls13CipherSuite, secret: &[u8], label: &[u8], output: &mut [u8]) {
    let length = u16::try_from(output.len()).unwrap().to_be_bytes();
    let prefix = b"tls13 ";
    let label_length = [u8::try_from(prefix.len() + label.len()).unwrap()];
    let info = [&length[..], &label_length, prefix, label, &[0]];
    let expander = suite.hkdf_provider.expander_for_okm(&OkmBlock::new(secret));
    expander.expand_slice(&info, output).unwrap();
}
