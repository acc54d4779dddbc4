//! The fuzz target for certificates, keys and bundles.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pillion_certs::{Authority, Bundle, Pair};
use pillion_cost::{Bound, Linear};
use time::{Duration, OffsetDateTime};

use crate::units::{MIB, MILLISECOND};

/// A Secret is at most 1 MiB large.
const MAX_BYTES: usize = 1024 * 1024;

pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(MIB, 32),
    total: Linear::new(4 * MIB, 256),
    // Checking a signature takes a fraction of a millisecond, and several are checked.
    time: Linear::new(50 * MILLISECOND, 500),
};

static NOW: LazyLock<OffsetDateTime> =
    LazyLock::new(|| OffsetDateTime::UNIX_EPOCH + Duration::days(20_000));

/// A valid CA, and a pair that it has issued.
static PROPER: LazyLock<(Authority, Pair)> = LazyLock::new(|| {
    let authority =
        Authority::generate("fuzzed CA", *NOW, Duration::days(10)).expect("a certificate");
    let pair = authority.issue(&["a.svc".to_owned()], *NOW, Duration::days(1));
    (authority, pair.expect("a certificate"))
});

/// The texts of a Secret of the type `kubernetes.io/tls`.
struct Texts {
    chain: String,
    key: String,
    authority: String,
}

/// Reads a mounted Secret and a `caBundle`: the input is three texts, separated by zero
/// bytes, or instructions to corrupt valid ones.
///
/// # Panics
///
/// Panics if a check fails.
pub fn pem(data: &[u8]) {
    // No text contains this byte.
    match data.split_first() {
        Some((0xff, rest)) => check(&corrupted(rest)),
        _ => {
            let text = String::from_utf8_lossy(data);
            let mut texts = text.split('\0').map(str::to_owned);
            let mut next = || texts.next().unwrap_or_default();
            check(&Texts {
                chain: next(),
                key: next(),
                authority: next(),
            });
        }
    }
}

/// Returns valid texts of which one is corrupted: bytes of its DER are changed, it is
/// truncated, or it is repeated many times.
fn corrupted(bytes: &[u8]) -> Texts {
    let (authority, pair) = &*PROPER;
    let mut texts = Texts {
        chain: pair.chain().to_owned(),
        key: pair.key().to_owned(),
        authority: authority.certificate().to_owned(),
    };
    let [which, often, rest @ ..] = bytes else {
        return texts;
    };
    let (text, label) = match which % 3 {
        0 => (&mut texts.chain, "CERTIFICATE"),
        1 => (&mut texts.key, "PRIVATE KEY"),
        _ => (&mut texts.authority, "CERTIFICATE"),
    };
    let mut der = der(text);
    for change in rest.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]]));
        if place < der.len() {
            der[place] = change[2];
        } else if place % 64 == 0 {
            der.truncate(der.len() - der.len().min(usize::from(change[2])));
        }
    }
    let count = (1 << (often % 12)).min(MAX_BYTES / (2 * der.len() + 64));
    *text = (0..count)
        .map(|number: usize| {
            // Each is another one, for the signature's sake that nobody checks.
            if let Some(last) = der.last_chunk_mut() {
                *last = u16::try_from(number).unwrap_or_default().to_be_bytes();
            }
            format!(
                "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
                STANDARD.encode(&der)
            )
        })
        .collect();
    texts
}

fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("---"));
    let base64: String = lines.collect();
    STANDARD.decode(base64).expect("base64")
}

fn check(texts: &Texts) {
    let length = texts.chain.len() + texts.key.len() + texts.authority.len();
    let names = ["a.svc".to_owned(), "127.0.0.1".to_owned()];
    BOUND.hold("a Secret", length, || {
        let pair = Pair::from_pem(&texts.chain, &texts.key);
        let bundle = Bundle::from_pem(&texts.authority);
        let lossy = Bundle::from_pem_lossy(&texts.authority);
        if let Ok(pair) = &pair {
            let _ = (pair.validity(), pair.names());
            let _ = pair.is_signed_by(&texts.authority);
            if let Ok(bundle) = &bundle {
                let _ = pair.check_accepted(&names, bundle, *NOW);
            }
            assert!(
                !format!("{pair:?}").contains(texts.key.trim()),
                "the key is shown"
            );
        }
        if let Ok(bundle) = bundle {
            assert_eq!(bundle, lossy);
            let valid = bundle.clone().valid_at(*NOW);
            assert!(bundle.contains(&valid));
            let read = Bundle::from_pem(&bundle.to_pem()).expect("what was written");
            assert_eq!(read, bundle);
        }
        let _ = Authority::from_pem(&texts.authority, &texts.key);
    });
}
